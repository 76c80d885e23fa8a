/** A row of the benchmark: one job, done by several in turn. */
import { join } from "node:path";
import type { Peer } from "../fixtures/peers.ts";

export const BERTH = join(import.meta.dir, "../../dist/berth");

export interface Row {
  name: string;
  title: string;
  /** Shell commands by who does the job, berth first. */
  commands: Record<string, string>;
  /** What each does before every run, uncounted. */
  prepare?: Record<string, string>;
  /** Fewer than usual for long jobs. */
  runs?: number;
  /** Milliseconds that berth may take. */
  budget?: number;
  /** The same as what another one takes, and some milliseconds. */
  budgetAbove?: { other: string; milliseconds: number };
  /** How many times as long the others are to take. */
  wanted?: Record<string, number>;
}

/** What came of a row: seconds, medians with their deviations, by who did the job. */
export interface Measurement {
  name: string;
  title: string;
  runs: number;
  budget?: number | undefined;
  wanted?: Record<string, number> | undefined;
  results: Record<string, { median: number; stddev: number; cpu: number }>;
}

/** In a benchmark's folder, a line of JSON for each row: rows are measured by several processes. */
export const MEASUREMENTS = "measurements.jsonl";

/** How a command's time grows with what there is. */
export interface Curve {
  title: string;
  /** Of what there are more and more. */
  unit: string;
  /** Medians. */
  points: { count: number; milliseconds: number }[];
}

/** As {@link MEASUREMENTS}, of curves. */
export const GROWTH = "growth.jsonl";

/** The beginning of a shell command that calls a peer. */
export function shellCommand({ command, env }: Peer): string {
  return [...Object.entries(env).map(([name, value]) => `${name}=${value}`), ...command].join(" ");
}
