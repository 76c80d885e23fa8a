/** berth, docker and podman, each with the busybox image, for rows that need nothing else. */
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { makeBusyboxTar } from "../../fixtures/busybox.ts";
import { type Peer, podmanPeer, startDockerd, WITHOUT_NETWORKS } from "../../fixtures/peers.ts";
import { BERTH, shellCommand } from "../row.ts";
import { sh } from "../sh.ts";

export const IMAGE = "bb:v1";

export interface Engines extends AsyncDisposable {
  /** One shell command for each of them, in which `{}` stands for its name and places. */
  each(command: (tool: string) => string): Record<string, string>;
}

// podman's containers cannot be removed where the mount of their network namespace was another mount namespace's.
function endMonitors(folder: string): void {
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      if (!readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(folder) || !readFileSync(`/proc/${pid}/comm`, "utf8").startsWith("conmon")) continue;
      const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").filter(Boolean);
      for (const child of [...children, pid]) process.kill(Number(child), "SIGKILL");
    } catch {
      // it has ended meanwhile
    }
  }
}

/** @param networks whether they may make some: in a network namespace of their own */
export async function startEngines(folder: string, networks = false): Promise<Engines> {
  mkdirSync(folder, { recursive: true });
  const tar = join(folder, "bb.tar");
  makeBusyboxTar(tar);
  const dockerd = await startDockerd(folder, networks ? ["--bip", "172.29.0.1/16"] : WITHOUT_NETWORKS);
  const podman = podmanPeer(folder);
  if (networks) podman.command.push("--network-config-dir", join(folder, "networks"));
  const berth: Peer = { command: [BERTH], env: { BERTH_ROOT: join(folder, "berth") } };
  const peers: Record<string, Peer> = { berth, docker: dockerd, podman };
  const each: Engines["each"] = (command) =>
    Object.fromEntries(Object.entries(peers).map(([name, peer]) => [name, command(name).replaceAll("{}", shellCommand(peer))]));
  for (const command of Object.values(each(() => `{} import ${tar} ${IMAGE}`))) sh(command);
  return {
    each,
    async [Symbol.asyncDispose]() {
      const all = each((tool) => `ids=$({} ps -aq); [ -z "$ids" ] || {} rm -f ${tool === "podman" ? "-t 0" : ""} $ids`);
      for (const command of Object.values(all)) Bun.spawnSync(["sh", "-c", command]);
      endMonitors(folder);
      await dockerd.stop();
    },
  };
}
