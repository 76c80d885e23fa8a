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
}

/** The beginning of a shell command that calls a peer. */
export function shellCommand({ command, env }: Peer): string {
  return [...Object.entries(env).map(([name, value]) => `${name}=${value}`), ...command].join(" ");
}
