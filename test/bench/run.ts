// Times berth beside its peers: hyperfine runs the commands of a row in turn, and the
// ratios count, not the milliseconds of a shared machine. `npm run bench [-- ROW…]`.
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defaultSpec } from "../../src/runtime/container/describe.ts";
import { makeBusyboxRoot, makeBusyboxTar } from "../fixtures/busybox.ts";

const BERTH = join(import.meta.dir, "../../dist/berth");
const PACKAGES: Record<string, string> = {
  "/usr/bin/hyperfine": "hyperfine",
  "/usr/sbin/runc": "runc",
  "/usr/bin/crun": "crun",
  "/usr/bin/podman": "podman",
};

interface Row {
  name: string;
  title: string;
  /** By who does it, berth first. */
  commands: Record<string, string>;
}

const folder = mkdtempSync(join(tmpdir(), "berth-bench-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

async function installPeers(): Promise<void> {
  const missing = Object.entries(PACKAGES).flatMap(([path, name]) => (existsSync(path) ? [] : [name]));
  if (missing.length === 0) return;
  console.log(`installing ${missing.join(" ")}`);
  await Bun.spawn(["apt-get", "update", "-qq"], { stdout: "ignore" }).exited;
  const install = Bun.spawn(["apt-get", "install", "-qq", "-y", "--no-install-recommends", ...missing], {
    stdout: "ignore",
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
  });
  if ((await install.exited) !== 0) throw new Error(`cannot install ${missing.join(" ")}`);
}

// A ready bundle, on which every runtime is given the same to do.
function ociRow(): Row {
  const bundle = join(folder, "bundle");
  makeBusyboxRoot(join(bundle, "rootfs"));
  const spec = defaultSpec();
  spec.process.terminal = false;
  spec.process.args = ["true"];
  spec.root.readonly = false;
  delete spec.linux.resources;
  spec.linux.namespaces = spec.linux.namespaces.filter(({ type }) => type !== "cgroup");
  spec.mounts = spec.mounts.filter(({ type }) => type !== "cgroup");
  spec.ociVersion = "1.0.2";
  writeFileSync(join(bundle, "config.json"), JSON.stringify(spec));
  const link = join(folder, "berth-runtime");
  symlinkSync(BERTH, link);
  const life = (runtime: string) => {
    const command = `${runtime} --root ${folder}/state`;
    return `${command} create -b ${bundle} bench </dev/null >/dev/null 2>&1 && ${command} start bench && ${command} delete -f bench`;
  };
  return {
    name: "oci",
    title: "create, start and delete of a ready bundle",
    commands: { berth: life(link), runc: life("runc"), crun: life("crun --cgroup-manager=disabled") },
  };
}

function engineRow(): Row {
  const root = join(folder, "engine");
  const tar = join(folder, "bb.tar");
  makeBusyboxTar(tar);
  const environment = { ...process.env, BERTH_ROOT: root };
  if (Bun.spawnSync([BERTH, "import", tar, "bb"], { env: environment }).exitCode !== 0) throw new Error("berth cannot import the image");
  const configuration = join(folder, "containers.conf");
  writeFileSync(configuration, '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n');
  const podman = `podman --root ${folder}/podman --runroot ${folder}/podman-run --cgroup-manager cgroupfs --events-backend file --runtime runc`;
  Bun.spawnSync(["sh", "-c", `CONTAINERS_CONF=${configuration} ${podman} import ${tar} bb`]);
  return {
    name: "run",
    title: "run --rm, no network, true",
    commands: {
      berth: `BERTH_ROOT=${root} ${BERTH} run --rm bb true`,
      podman: `CONTAINERS_CONF=${configuration} ${podman} run --rm --network none bb true`,
    },
  };
}

// crun refuses hybrid cgroups: in a mount namespace of its own a row sees v1 alone.
const WITHOUT_HYBRID = ["unshare", "-m", "sh", "-c", 'mount --make-rprivate /; umount /sys/fs/cgroup/unified 2>/dev/null; exec "$@"', "sh"];

async function measure(row: Row, runs: number): Promise<void> {
  const out = join(folder, "result.json");
  for (const [name, command] of Object.entries(row.commands)) {
    const { exitCode, stderr } = Bun.spawnSync([...WITHOUT_HYBRID, "sh", "-c", command]);
    if (exitCode === 0) continue;
    console.log(`${row.title}: ${name} cannot run here: ${stderr.toString().trim().split("\n").at(-1)}`);
    delete row.commands[name];
  }
  const flags = Object.keys(row.commands).flatMap((name) => ["-n", name]);
  const command = ["hyperfine", "-w", "2", "-r", String(runs), "--export-json", out, ...flags, ...Object.values(row.commands)];
  const child = Bun.spawn([...WITHOUT_HYBRID, ...command], { stdout: "ignore", stderr: "pipe" });
  if ((await child.exited) !== 0) {
    console.log(`${row.title}: cannot be run here: ${(await new Response(child.stderr).text()).trim().split("\n").at(-1)}`);
    return;
  }
  const { results } = JSON.parse(readFileSync(out, "utf8")) as { results: { command: string; median: number; stddev: number }[] };
  const berth = results[0]?.median ?? 1;
  console.log(`${row.title}, median of ${runs}`);
  for (const { command, median, stddev } of results) {
    console.log(
      `  ${command.padEnd(8)} ${(median * 1000).toFixed(1).padStart(7)} ms ± ${(stddev * 1000).toFixed(1).padStart(5)}   ${(median / berth).toFixed(2)}`,
    );
  }
}

await installPeers();
const rows: Record<string, () => Row> = { oci: ociRow, run: engineRow };
const wanted = process.argv.slice(2);
for (const name of wanted) {
  if (!rows[name]) {
    console.error(`bench: unknown row ${name}: expected ${Object.keys(rows).join(", ")}`);
    process.exit(2);
  }
}
for (const [name, make] of Object.entries(rows)) if (wanted.length === 0 || wanted.includes(name)) await measure(make(), 20);
