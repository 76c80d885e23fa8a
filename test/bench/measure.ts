/** Measures a row with hyperfine. */
import { appendFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { MEASUREMENTS, type Measurement, type Row } from "./row.ts";

const RUNS = 20;

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

/** Prints medians and ratios, and keeps them. */
export async function measure({ name: row, title, commands, prepare = {}, runs = RUNS, budget, wanted }: Row, folder: string): Promise<void> {
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
  const kept: Measurement = { name: row, title, runs, budget, wanted, results: {} };
  for (const { command, median, stddev, user, system } of results) kept.results[command] = { median, stddev, cpu: user + system };
  appendFileSync(join(folder, MEASUREMENTS), `${JSON.stringify(kept)}\n`);
  console.log(`${title}, median of ${runs}${budget === undefined ? "" : `, may take ${budget} ms`}`);
  for (const { command, median, stddev, user, system, mean } of results) {
    const time = `${(median * 1000).toFixed(1).padStart(7)} ms ± ${(stddev * 1000).toFixed(1).padStart(5)}`;
    const target = wanted?.[command];
    const verdict = target === undefined ? "" : `   wanted ${target}`;
    console.log(
      `  ${command.padEnd(8)} ${time}   ${(median / berth).toFixed(2).padStart(5)}   ${((user + system) / mean).toFixed(2)} CPUs${verdict}`,
    );
  }
  if (names[0] !== "berth" || !prepare.berth) return;
  Bun.spawnSync(["sh", "-c", prepare.berth]);
  // The shell's, or its largest child's.
  const { maxRSS = 0 } =
    Bun.spawnSync(["sh", "-c", `exec ${commands.berth?.replace(/^\{ |; \}.*$/g, "").replace(/^(\w+=\S+ )/, "env $1")}`]).resourceUsage ?? {};
  console.log(`  berth takes ${(maxRSS / 1e6).toFixed(0)} MB of memory`);
}
