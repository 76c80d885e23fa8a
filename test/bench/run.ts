// Measures berth beside its peers: hyperfine runs the commands of a row in turn, and the
// ratios count, not the milliseconds of a shared machine. `npm run bench [-- ROW…]`; with
// --write they go into docs/benchmarks.md, with --check it fails where they got worse.
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { measure } from "./measure.ts";
import { lostGround, readCurves, readFigures, readMeasurements, writeReport } from "./report.ts";
import { BERTH, type Row } from "./row.ts";
import { type Engines, startEngines } from "./rows/engines.ts";
import { idleRows, measureIdle } from "./rows/idle.ts";
import { type ImageRows, imageRows } from "./rows/images.ts";
import { logRows } from "./rows/logs.ts";
import { ociRow } from "./rows/oci.ts";
import { startupRows } from "./rows/startup.ts";

const PACKAGES: Record<string, string> = {
  "/usr/bin/hyperfine": "hyperfine",
  "/usr/sbin/runc": "runc",
  "/usr/bin/crun": "crun",
  "/usr/bin/podman": "podman",
};
const ENGINE_PACKAGES: Record<string, string> = { "/usr/sbin/dockerd": "docker.io" };
const IMAGE_PACKAGES: Record<string, string> = {
  ...ENGINE_PACKAGES,
  "/usr/bin/docker-registry": "docker-registry",
  "/usr/bin/mmdebstrap": "mmdebstrap",
};
const NETWORK_PACKAGES: Record<string, string> = {
  "/usr/bin/iperf3": "iperf3",
  "/usr/bin/wrk": "wrk",
  "/usr/lib/podman/netavark": "netavark",
  "/usr/sbin/iptables": "iptables",
};
/** Several rows. */
const STARTUP_ROW = "startup";
/** An hour, to be asked for. */
const SOAK = "soak";
/** Curves, in a network namespace of their own; takes minutes, so it is to be asked for. */
const GROWTH_ROW = "growth";
/** Several rows at once, in a network namespace of their own. */
const NETWORK_ROW = "network";
const CONTAINER_ROWS: Record<string, (folder: string) => Row> = { oci: ociRow };
/** In a network namespace of their own as well. */
const LIFE_ROWS = ["cpu", "run", "run-none", "run-port", "run-d", "rm", "exec", "cp", "show", "many", "ps", "run-beside"];
const LOG_ROWS = ["log", "log-rotated", "log-cat", "log-read", "stdout"];
/** Several rows beside a hundred containers. */
const IDLE_ROW = "idle";
const IMAGE_ROWS = [
  "import",
  "save-layered",
  "save-random",
  "commit",
  "export",
  "load",
  "pull-layered",
  "pull-random",
  "push-layered",
  "push-random",
];

// In memory: a disk would be measured as much as what writes to it.
const folder = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "berth-bench-"));

async function installPeers(packages: Record<string, string>): Promise<void> {
  const missing = Object.entries(packages).flatMap(([path, name]) => (existsSync(path) ? [] : [name]));
  if (missing.length === 0) return;
  console.log(`installing ${missing.join(" ")}`);
  await Bun.spawn(["apt-get", "update", "-qq"], { stdout: "ignore" }).exited;
  const install = Bun.spawn(["apt-get", "install", "-qq", "-y", "--no-install-recommends", ...missing], {
    stdout: "ignore",
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
  });
  if ((await install.exited) !== 0) throw new Error(`cannot install ${missing.join(" ")}`);
}

const FLAGS = ["--write", "--check"];
const flags = process.argv.slice(2).filter((word) => FLAGS.includes(word));
const wanted = process.argv.slice(2).filter((word) => !FLAGS.includes(word));
const known = [...Object.keys(CONTAINER_ROWS), STARTUP_ROW, GROWTH_ROW, SOAK, ...LIFE_ROWS, NETWORK_ROW, ...LOG_ROWS, IDLE_ROW, ...IMAGE_ROWS];
const unknown = wanted.find((name) => !known.includes(name));
if (unknown !== undefined) {
  console.error(`bench: unknown row ${unknown}: expected ${known.join(", ")}`);
  process.exit(2);
}
if (!existsSync(BERTH)) {
  console.error("bench: dist/berth is missing: run `npm run build` first");
  process.exit(2);
}
const EXECUTABLES = ["docker", "dockerd", "containerd", "containerd-shim-runc-v2", "podman", "conmon", "runc", "crun"];

// All as on a machine that has started since they were installed: what is in memory as it was written, and not as it was read,
// is mapped in smaller pieces.
function readExecutablesAnew(): void {
  for (const path of [BERTH, ...EXECUTABLES.map((name) => Bun.which(name))]) {
    if (path) Bun.spawnSync(["sh", "-c", 'sync "$0"; exec dd if="$0" iflag=nocache count=0 status=none', path]);
  }
}

const SNAPSHOTS = "/run/berth/snapshot";

// As on a machine that has used berth since it started; the peers' daemons run, too. A container that cannot be made has a
// monitor nevertheless.
async function makeSnapshots(): Promise<void> {
  Bun.spawnSync([BERTH, "--root", join(folder, "snapshots"), "run", "--pull", "never", "none"]);
  const isMaking = () => existsSync(SNAPSHOTS) && readdirSync(SNAPSHOTS).some((name) => name.endsWith(".new"));
  for (let i = 0; i < 200 && isMaking(); i++) await Bun.sleep(100);
}

async function inOwnNetwork(program: string, rows: string[] = []): Promise<void> {
  const command = ["unshare", "-n", "-m", process.execPath, join(import.meta.dir, program), folder, ...rows];
  const child = Bun.spawn(command, { stdout: "inherit", stderr: "inherit" });
  if ((await child.exited) !== 0) process.exitCode = 1;
}

const isWanted = (name: string) => wanted.length === 0 || wanted.includes(name);
let images: ImageRows | undefined;
try {
  await installPeers(PACKAGES);
  readExecutablesAnew();
  await makeSnapshots();
  for (const [name, make] of Object.entries(CONTAINER_ROWS)) if (isWanted(name)) await measure(make(folder), folder);
  if (isWanted(STARTUP_ROW)) {
    using startup = startupRows(folder);
    for (const row of startup.rows) await measure(row, folder);
  }
  if (LIFE_ROWS.some(isWanted)) {
    await installPeers({ ...NETWORK_PACKAGES, ...ENGINE_PACKAGES });
    await inOwnNetwork("lives.ts", LIFE_ROWS.filter(isWanted));
  }
  if (wanted.includes(SOAK)) await inOwnNetwork("soak.ts");
  if (wanted.includes(GROWTH_ROW)) await inOwnNetwork("growth.ts");
  if (isWanted(NETWORK_ROW)) {
    await installPeers({ ...NETWORK_PACKAGES, ...ENGINE_PACKAGES });
    await inOwnNetwork("network.ts");
  }
  if ([...LOG_ROWS, IDLE_ROW].some(isWanted)) {
    await installPeers(ENGINE_PACKAGES);
    const home = join(folder, "engines");
    await using engines: Engines = await startEngines(home);
    const rows = logRows(engines, home);
    for (const name of LOG_ROWS) if (isWanted(name)) await measure((rows[name] as () => Row)(), folder);
    if (isWanted(IDLE_ROW)) {
      await measureIdle(engines, folder);
      for (const row of idleRows(engines)) await measure(row, folder);
    }
  }
  if (IMAGE_ROWS.some(isWanted)) {
    await installPeers(IMAGE_PACKAGES);
    images = await imageRows(folder);
    for (const name of IMAGE_ROWS) if (isWanted(name)) await measure((images.rows[name] as () => Row)(), folder);
  }
  const measured = readMeasurements(folder);
  if (flags.includes("--write")) writeReport(measured, readCurves(folder), readFigures(folder));
  const lost = flags.includes("--check") ? lostGround(measured) : [];
  for (const line of lost) console.error(`bench: ${line}`);
  if (lost.length > 0) process.exitCode = 1;
} finally {
  await images?.stop();
  rmSync(folder, { recursive: true, force: true });
}
