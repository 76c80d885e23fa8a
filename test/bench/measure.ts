/** Measures a row with hyperfine. */
import { appendFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { MEASUREMENTS, type Measurement, type Row } from "./row.ts";

const RUNS = 20;
/** Each has a part of its runs before it is the next one's turn: what else a machine does comes and goes. */
const TURNS = 4;

// crun refuses hybrid cgroups: in a mount namespace of its own its row sees v1 alone.
const WITHOUT_HYBRID = ["unshare", "-m", "sh", "-c", 'mount --make-rprivate /; umount /sys/fs/cgroup/unified 2>/dev/null; exec "$@"', "sh"];

/** Of hyperfine's, in seconds. */
interface Measured {
  command: string;
  times: number[];
  user: number;
  system: number;
}

function summarize(command: string, turns: Measured[]) {
  const times = turns.flatMap((turn) => turn.times).sort((a, b) => a - b);
  const mean = times.reduce((sum, time) => sum + time, 0) / times.length;
  const middle = times.length / 2;
  const median = ((times[Math.floor(middle)] as number) + (times[Math.ceil(middle) - 1] as number)) / 2;
  const stddev = Math.sqrt(times.reduce((sum, time) => sum + (time - mean) ** 2, 0) / Math.max(1, times.length - 1));
  const cpu = turns.reduce((sum, { user, system }) => sum + user + system, 0) / turns.length;
  return { command, median, stddev, mean, cpu };
}

/** Prints medians and ratios, and keeps them. */
export async function measure(
  { name: row, title, commands, prepare = {}, runs = RUNS, budget: own, budgetAbove, wanted }: Row,
  folder: string,
): Promise<void> {
  const out = join(folder, "result.json");
  const around = "crun" in commands ? WITHOUT_HYBRID : [];
  for (const [name, command] of Object.entries(commands)) {
    const { exitCode, stderr } = Bun.spawnSync([...around, "sh", "-c", `${prepare[name] ?? "true"}; ${command}`]);
    if (exitCode === 0) continue;
    console.log(`${title}: ${name} cannot run here: ${stderr.toString().trim().split("\n").at(-1)}`);
    delete commands[name];
  }
  const names = Object.keys(commands);
  const flags = names.flatMap((name) => ["-n", name, ...(prepare[name] ? ["--prepare", prepare[name]] : [])]);
  const turns: Measured[] = [];
  const turn = Math.ceil(runs / TURNS);
  for (let left = runs; left > 0; left -= turn) {
    const command = ["hyperfine", "-w", "1", "-r", String(Math.min(turn, left)), "--export-json", out, ...flags, ...Object.values(commands)];
    const child = Bun.spawn([...around, ...command], { stdout: "ignore", stderr: "pipe" });
    if ((await child.exited) !== 0) {
      console.log(`${title}: cannot be run here: ${(await new Response(child.stderr).text()).trim().split("\n").at(-1)}`);
      return;
    }
    turns.push(...(JSON.parse(readFileSync(out, "utf8")) as { results: Measured[] }).results);
  }
  const results = names.map((name) =>
    summarize(
      name,
      turns.filter(({ command }) => command === name),
    ),
  );
  const berth = results[0]?.median ?? 1;
  const other = results.find(({ command }) => command === budgetAbove?.other)?.median;
  const budget = other === undefined || !budgetAbove ? own : other * 1000 + budgetAbove.milliseconds;
  const kept: Measurement = { name: row, title, runs, budget, wanted, results: {} };
  for (const { command, median, stddev, cpu } of results) kept.results[command] = { median, stddev, cpu };
  appendFileSync(join(folder, MEASUREMENTS), `${JSON.stringify(kept)}\n`);
  console.log(`${title}, median of ${runs}${budget === undefined ? "" : `, may take ${budget.toFixed(1)} ms`}`);
  for (const { command, median, stddev, cpu, mean } of results) {
    const time = `${(median * 1000).toFixed(1).padStart(7)} ms ± ${(stddev * 1000).toFixed(1).padStart(5)}`;
    const target = wanted?.[command];
    const verdict = target === undefined ? "" : `   wanted ${target}`;
    console.log(`  ${command.padEnd(8)} ${time}   ${(median / berth).toFixed(2).padStart(5)}   ${(cpu / mean).toFixed(2)} CPUs${verdict}`);
  }
  if (names[0] !== "berth" || !prepare.berth) return;
  Bun.spawnSync(["sh", "-c", prepare.berth]);
  // The shell's, or its largest child's.
  const { maxRSS = 0 } =
    Bun.spawnSync(["sh", "-c", `exec ${commands.berth?.replace(/^\{ |; \}.*$/g, "").replace(/^(\w+=\S+ )/, "env $1")}`]).resourceUsage ?? {};
  console.log(`  berth takes ${(maxRSS / 1e6).toFixed(0)} MB of memory`);
}
