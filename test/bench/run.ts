// Measures berth beside its peers: hyperfine runs the commands of a row in turn, and the
// ratios count, not the milliseconds of a shared machine. `npm run bench [-- ROW…]`.
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BERTH, type Row } from "./row.ts";
import { ociRow, runRow } from "./rows/containers.ts";
import { type ImageRows, imageRows } from "./rows/images.ts";

const PACKAGES: Record<string, string> = {
  "/usr/bin/hyperfine": "hyperfine",
  "/usr/sbin/runc": "runc",
  "/usr/bin/crun": "crun",
  "/usr/bin/podman": "podman",
};
const IMAGE_PACKAGES: Record<string, string> = {
  "/usr/sbin/dockerd": "docker.io",
  "/usr/bin/docker-registry": "docker-registry",
  "/usr/bin/mmdebstrap": "mmdebstrap",
};
const CONTAINER_ROWS: Record<string, (folder: string) => Row> = { oci: ociRow, run: runRow };
const IMAGE_ROWS = ["import", "save-layered", "save-debian", "commit", "load", "pull-layered", "pull-debian", "push-layered", "push-debian"];
const RUNS = 20;

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

// crun refuses hybrid cgroups: in a mount namespace of its own a row sees v1 alone.
const WITHOUT_HYBRID = ["unshare", "-m", "sh", "-c", 'mount --make-rprivate /; umount /sys/fs/cgroup/unified 2>/dev/null; exec "$@"', "sh"];

interface Measured {
  command: string;
  median: number;
  stddev: number;
  user: number;
  system: number;
  mean: number;
}

async function measure({ title, commands, prepare = {}, runs = RUNS }: Row): Promise<void> {
  const out = join(folder, "result.json");
  for (const [name, command] of Object.entries(commands)) {
    const { exitCode, stderr } = Bun.spawnSync([...WITHOUT_HYBRID, "sh", "-c", `${prepare[name] ?? "true"}; ${command}`]);
    if (exitCode === 0) continue;
    console.log(`${title}: ${name} cannot run here: ${stderr.toString().trim().split("\n").at(-1)}`);
    delete commands[name];
  }
  const names = Object.keys(commands);
  const flags = names.flatMap((name) => ["-n", name, ...(prepare[name] ? ["--prepare", prepare[name]] : [])]);
  const command = ["hyperfine", "-w", "1", "-r", String(runs), "--export-json", out, ...flags, ...Object.values(commands)];
  const child = Bun.spawn([...WITHOUT_HYBRID, ...command], { stdout: "ignore", stderr: "pipe" });
  if ((await child.exited) !== 0) {
    console.log(`${title}: cannot be run here: ${(await new Response(child.stderr).text()).trim().split("\n").at(-1)}`);
    return;
  }
  const { results } = JSON.parse(readFileSync(out, "utf8")) as { results: Measured[] };
  const berth = results[0]?.median ?? 1;
  console.log(`${title}, median of ${runs}`);
  for (const { command, median, stddev, user, system, mean } of results) {
    const time = `${(median * 1000).toFixed(1).padStart(7)} ms ± ${(stddev * 1000).toFixed(1).padStart(5)}`;
    console.log(`  ${command.padEnd(8)} ${time}   ${(median / berth).toFixed(2).padStart(5)}   ${((user + system) / mean).toFixed(2)} CPUs`);
  }
  if (names[0] !== "berth" || !prepare.berth) return;
  Bun.spawnSync(["sh", "-c", prepare.berth]);
  // The shell's, or its largest child's.
  const { maxRSS = 0 } =
    Bun.spawnSync(["sh", "-c", `exec ${commands.berth?.replace(/^\{ |; \}.*$/g, "").replace(/^(\w+=\S+ )/, "env $1")}`]).resourceUsage ?? {};
  console.log(`  berth takes ${(maxRSS / 1e6).toFixed(0)} MB of memory`);
}

const wanted = process.argv.slice(2);
const known = [...Object.keys(CONTAINER_ROWS), ...IMAGE_ROWS];
const unknown = wanted.find((name) => !known.includes(name));
if (unknown !== undefined) {
  console.error(`bench: unknown row ${unknown}: expected ${known.join(", ")}`);
  process.exit(2);
}
if (!existsSync(BERTH)) {
  console.error("bench: dist/berth is missing: run `npm run build` first");
  process.exit(2);
}
const isWanted = (name: string) => wanted.length === 0 || wanted.includes(name);
let images: ImageRows | undefined;
try {
  await installPeers(PACKAGES);
  for (const [name, make] of Object.entries(CONTAINER_ROWS)) if (isWanted(name)) await measure(make(folder));
  if (IMAGE_ROWS.some(isWanted)) {
    await installPeers(IMAGE_PACKAGES);
    images = await imageRows(folder);
    for (const name of IMAGE_ROWS) if (isWanted(name)) await measure((images.rows[name] as () => Row)());
  }
} finally {
  await images?.stop();
  rmSync(folder, { recursive: true, force: true });
}
