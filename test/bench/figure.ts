/** What is measured besides time: memory, processor time, sizes, throughput. */
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

export interface Figure {
  /** The row's that it belongs to. */
  name: string;
  title: string;
  unit: string;
  /** Of this unit, what berth may have. */
  budget?: number;
  results: Record<string, number>;
}

/** In a benchmark's folder, a line of JSON for each. */
export const FIGURES = "figures.jsonl";

/** A figure as people read it. */
export const show = (value: number) => (value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2));

/** Prints a figure, and keeps it. */
export function keepFigure(figure: Figure, folder: string): void {
  const { title, unit, budget, results } = figure;
  appendFileSync(join(folder, FIGURES), `${JSON.stringify(figure)}\n`);
  console.log(`${title}${budget === undefined ? "" : `, may be ${budget} ${unit}`}`);
  for (const [name, value] of Object.entries(results)) console.log(`  ${name.padEnd(12)} ${show(value).padStart(9)} ${unit}`);
}

// Nanoseconds on cgroup v1, microseconds on v2.
const USAGES: [path: string, pattern: RegExp, unit: number][] = [
  ["/sys/fs/cgroup/cpuacct/cpuacct.usage", /(\d+)/, 1e-9],
  ["/sys/fs/cgroup/cpu.stat", /usage_usec (\d+)/, 1e-6],
];

/** Seconds that all processors have worked since the machine started; NaN where nobody counts them. */
export function cpuTime(): number {
  const usage = USAGES.find(([path]) => existsSync(path));
  if (!usage) return Number.NaN;
  const [path, pattern, unit] = usage;
  return Number(pattern.exec(readFileSync(path, "utf8"))?.[1]) * unit;
}
