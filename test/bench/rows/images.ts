/** Rows of images on their ways in and out: many small files in ten layers, and a Debian root below 100 MB of random data. */
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { startRegistry } from "../../e2e/registry.ts";
import { makeLayeredArchive } from "../../fixtures/layered-image.ts";
import { type Peer, podmanPeer, startDockerd } from "../../fixtures/peers.ts";
import { BERTH, type Row, shellCommand } from "../row.ts";

const RUNS = 5;
const KINDS = ["layered", "random"] as const;
type Kind = (typeof KINDS)[number];
/** Milliseconds that berth may take. */
const BUDGETS: Record<"save" | "pull" | "push", Record<Kind, number | undefined>> = {
  save: { layered: 1500, random: undefined },
  pull: { layered: 4000, random: 2000 },
  push: { layered: 3000, random: 2000 },
};
const TITLES: Record<Kind, string> = { layered: "of 318 MB, 10 layers, 20,000 files", random: "of a Debian root, 170 MB, and 100 MB of random data" };

export interface ImageRows {
  rows: Record<string, () => Row>;
  stop(): Promise<void>;
}

/** Sets up docker, podman, a registry and two images. */
export async function imageRows(folder: string): Promise<ImageRows> {
  const layered = join(folder, "layered.tar");
  const debian = join(folder, "debian.tar");
  makeLayeredArchive(layered, { name: "layered:v1", layers: 10, files: 2000, size: 15_000 });
  run(["mmdebstrap", "--quiet", "--variant=minbase", "bookworm", debian]);
  const dockerd = await startDockerd(folder);
  const podman = podmanPeer(folder);
  const registry = await startRegistry(folder);
  const registryData = join(folder, `registry-${registry.host.split(":")[1]}`, "data");
  const berth: Peer = { command: [BERTH], env: { BERTH_ROOT: join(folder, "berth-images") } };
  const tools: Record<string, string> = { berth: shellCommand(berth), docker: shellCommand(dockerd), podman: shellCommand(podman) };
  const insecure = (name: string) => (name === "podman" ? " --tls-verify=false" : "");
  // `{}` stands for the tool.
  const each = (command: (name: string) => string) =>
    Object.fromEntries(Object.entries(tools).map(([name, tool]) => [name, command(name).replaceAll("{}", tool)]));
  const quietly = (command: string) => `{ ${command}; } >/dev/null 2>&1`;
  const image = (kind: string, name: string) => (name === "docker" ? `${kind}:v1` : `localhost/${kind}:v1`);
  const remote = (kind: string) => `${registry.host}/${kind}:v1`;

  const data = 'sh -c "head -c 100000000 /dev/urandom > /data"';
  const random = join(folder, "random.tar");
  const steps = [
    `import ${debian} debian:v1`,
    `run --name data --network none debian:v1 ${data}`,
    "commit data random:v1",
    `save -o ${random} random:v1`,
  ];
  for (const step of [...steps, "rm data", "rmi random:v1 debian:v1"]) run(["sh", "-c", `${tools.berth} ${step}`]);

  // Both images in every tool, and in the registry, before the rows that need them.
  let isReady = false;
  const ready = () => {
    if (isReady) return;
    isReady = true;
    for (const command of Object.values(
      each((name) =>
        quietly(`for i in layered random; do {} load -i ${folder}/$i.tar && {} tag $i:v1 ${image("I", name).replace("I", "$i")}; done
          for i in layered random; do {} tag ${image("I", name).replace("I", "$i")} ${remote("$i")}; done; true`),
      ),
    ))
      run(["sh", "-c", command]);
    for (const kind of KINDS) run(["sh", "-c", `${tools.berth} push -q ${remote(kind)}`]);
  };
  const row = (name: string, title: string, budget: number | undefined, command: (name: string) => string, before: (name: string) => string): Row => {
    ready();
    return {
      name,
      title,
      ...(budget !== undefined && { budget }),
      commands: each((tool) => quietly(command(tool))),
      prepare: each((tool) => `${quietly(before(tool))} || true`),
      runs: RUNS,
    };
  };
  const forget = (reference: string) => `{} rmi -f ${reference}`;

  const rows: Record<string, () => Row> = {
    load: () => {
      const made = row(
        "load",
        `load ${TITLES.layered}`,
        2500,
        () => `{} load -i ${layered}`,
        (name) => `${forget("layered:v1")}; ${forget(image("layered", name))}; ${forget(remote("layered"))}`,
      );
      const unpacked = join(folder, "unpacked");
      mkdirSync(unpacked, { recursive: true });
      const parts = join(folder, "parts");
      run(["sh", "-c", `mkdir -p ${parts} && tar -C ${parts} -xf ${layered}`]);
      made.commands["tar+sha"] =
        `for i in 0 1 2 3 4 5 6 7 8 9; do mkdir ${unpacked}/$i && tar -C ${unpacked}/$i -xf ${parts}/layer-$i.tar && sha256sum ${parts}/layer-$i.tar >/dev/null; done`;
      (made.prepare as Record<string, string>)["tar+sha"] = `rm -rf ${unpacked}/*`;
      isReady = false; // some have lost it
      return made;
    },
    import: () =>
      row(
        "import",
        "import of a Debian root, 170 MB",
        1200,
        () => `{} import ${debian} imported:v1`,
        () => forget("imported:v1"),
      ),
    commit: () =>
      row(
        "commit",
        "commit of 100 MB",
        450,
        () => "{} commit wrote committed:v1",
        (name) => `${forget("committed:v1")}; {} inspect wrote || {} run --name wrote --network none ${image("random", name)} ${data}`,
      ),
    export: () =>
      row(
        "export",
        "export of a Debian root, 170 MB, and 100 MB of random data",
        700,
        (name) => `{} export -o ${folder}/exported-${name}.tar exported`,
        (name) =>
          `rm -f ${folder}/exported-${name}.tar; {} inspect exported || {} create --name exported --network none ${image("random", name)} true`,
      ),
  };
  for (const kind of KINDS) {
    rows[`save-${kind}`] = () =>
      row(
        `save-${kind}`,
        `save ${TITLES[kind]}`,
        BUDGETS.save[kind],
        (name) => `{} save -o ${folder}/saved-${name}.tar ${image(kind, name)}`,
        (name) => `rm -f ${folder}/saved-${name}.tar`,
      );
    rows[`pull-${kind}`] = () => {
      const made = row(
        `pull-${kind}`,
        `pull ${TITLES[kind]}, gzip`,
        BUDGETS.pull[kind],
        (name) => `{} pull${insecure(name)} -q ${remote(kind)}`,
        () => "{} rm -f wrote exported; {} rmi -f $({} images -aq)",
      );
      isReady = false;
      return made;
    };
    rows[`push-${kind}`] = () =>
      row(
        `push-${kind}`,
        `push ${TITLES[kind]} to an empty registry`,
        BUDGETS.push[kind],
        (name) => `{} push${insecure(name)}${name === "docker" ? "" : " -q"} ${remote(kind)}`,
        // What berth packed for an earlier push it would only send again.
        (name) =>
          `rm -rf ${registryData}/docker; ${name === "berth" ? `rm -rf ${folder}/berth-images; {} load -i ${folder}/${kind}.tar; {} tag ${kind}:v1 ${remote(kind)}` : "true"}`,
      );
  }
  return {
    rows,
    async stop() {
      registry[Symbol.dispose]();
      for (const tool of ["docker", "podman"]) Bun.spawnSync(["sh", "-c", `${tools[tool]} rm -f wrote exported`], { stderr: "ignore" });
      await dockerd.stop();
      if (existsSync(join(folder, "podman")))
        Bun.spawnSync(["sh", "-c", `${tools.podman} rmi -af; umount -l ${folder}/podman/overlay`], { stdout: "ignore", stderr: "ignore" });
    },
  };
}

function run(command: string[]): void {
  const { exitCode, stderr } = Bun.spawnSync(command);
  if (exitCode !== 0) throw new Error(`${command.join(" ")}: ${stderr.toString()}`);
}
