/** Has processes go on from a snapshot before any other does: whether it works here, and which of its pages they change. */
import { spawnSync } from "node:child_process";
import { closeSync, openSync, readFileSync, rmSync } from "node:fs";
import type { OwnedFd } from "../../ffi/fd.ts";
import { PAGE, type Range, type SnapshotKind, TRIAL_NAME } from "./environment.ts";
import { ROOT, TRIAL_PASSED } from "./trial.ts";

/**
 * What has pages of its own that it changes, by the word that stands for it on a command line; the OCI runtime's begin with a
 * plus. In step with ffi/restore.h.
 */
export const NAMED = ["run", "exec", "ps", "inspect", "logs", "stop", "start", "rm", "create", "+create", "+start", "+delete"] as const;
export type Named = (typeof NAMED)[number];

/** Pages that are changed soon after the start. */
export interface Change extends Range {
  /** By whom: 1 by everybody, 2 and its powers by those of {@link NAMED}. */
  by: number;
}

/** Now and then the kernel puts something, the stack most of all, where the snapshot is to be: that process starts as without one. */
const TRIALS = 3;

interface Trial {
  line?: string[];
  env?: Record<string, string>;
  connection?: OwnedFd;
}

/** @throws where it does not work */
export async function tryOut(path: string, kind: SnapshotKind): Promise<Change[]> {
  const folder = `${path}.tmp`;
  if (kind === "monitor") return changesOf(await tryMonitor(path, folder));
  const { eachLine } = await import("./warm-command.ts");
  const always = attempt(path, {});
  const named = new Map<Named, Range[]>();
  try {
    await eachLine(folder, (name, line) => {
      const changed = runTrial(path, { line });
      if (changed) named.set(name, changed);
    });
  } catch (error) {
    if (error instanceof TrialFailure) throw error;
  } // there can be no containers
  return changesOf(always, named);
}

// What it does later; what leads to that, and changes other pages, is done here.
async function tryMonitor(path: string, folder: string): Promise<Range[]> {
  const { withRequest } = await import("./warm-monitor.ts");
  try {
    return await withRequest(folder, (connection) => attempt(path, { env: { [ROOT]: folder }, connection }));
  } catch (error) {
    if (error instanceof TrialFailure) throw error;
    return attempt(path, {}); // there can be no containers
  }
}

class TrialFailure extends Error {}

function attempt(path: string, trial: Trial): Range[] {
  const changed = runTrial(path, trial);
  if (!changed) throw new TrialFailure("the trial failed");
  return changed;
}

/** @returns undefined where it failed in order; throws {@link TrialFailure} where it was killed */
function runTrial(path: string, { line = [], env = {}, connection }: Trial): Range[] | undefined {
  // No pipe: a container that stays would have it open.
  const said = `${path}.said`;
  for (let left = TRIALS; left > 0; left--) {
    const out = openSync(said, "w", 0o600);
    const stdio = ["ignore", out, "ignore", ...(connection ? [connection.fd] : [])] as const;
    const { status } = spawnSync("/proc/self/exe", [path, ...line], { argv0: TRIAL_NAME, env, cwd: "/", timeout: 10_000, stdio: [...stdio] });
    closeSync(out);
    const text = readFileSync(said, "utf8");
    rmSync(said);
    if (status === TRIAL_PASSED) return JSON.parse(text.trimEnd().split("\n").at(-1) ?? "") as Range[];
    if (status === null) throw new TrialFailure("the trial was killed");
    if (text !== "") break;
  }
  return undefined;
}

// Runs of pages that the same ones change.
function changesOf(always: Range[], named = new Map<Named, Range[]>()): Change[] {
  const pages = new Map<number, number>();
  const note = (ranges: Range[], bit: number) => {
    for (const { address, length } of ranges) for (let at = address; at < address + length; at += PAGE) pages.set(at, (pages.get(at) ?? 0) | bit);
  };
  note(always, 1);
  for (const [name, ranges] of named) note(ranges, 2 << NAMED.indexOf(name));
  const changes: Change[] = [];
  for (const [address, by] of [...pages].sort(([a], [b]) => a - b)) {
    const last = changes.at(-1);
    const who = by & 1 ? 1 : by;
    if (last && last.address + last.length === address && last.by === who) last.length += PAGE;
    else changes.push({ address, length: PAGE, by: who });
  }
  return changes;
}
