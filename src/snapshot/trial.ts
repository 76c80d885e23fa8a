/** Whether a snapshot works on this machine: asked of a process that has gone on from it, before any other does. */

import { AT_FDCWD, O_RDONLY, openat } from "../../ffi/fd.ts";
import { readFileSync, readSync } from "../../ffi/files.ts";
import { PAGE, type Range } from "./environment.ts";

/** The variable that names the engine's folder to a monitor: whose trial it is has its request on the usual descriptor. */
export const ROOT = "BERTH_ROOT";

/** Its exit code; nobody else has it. */
export const TRIAL_PASSED = 42;

/**
 * Does what all processes of berth's do (memory, time, threads, children, SQLite), after what its kind does most, and prints
 * as JSON which of the snapshot's pages that has changed.
 *
 * @param path of the snapshot
 * @param line a command line to run instead
 */
export async function passTrial(path: string, line: string[]): Promise<never> {
  if (line.length > 0) {
    const { runLine } = await import("./warm-command.ts");
    if ((await runLine(line)) !== 0) process.exit(1);
    console.log(JSON.stringify(changedPages(path)));
    process.exit(TRIAL_PASSED);
  }
  // Of commands, what they all have changed by now; monitors all do the same.
  const common = path.includes("-command") ? changedPages(path) : undefined;
  try {
    if (process.env[ROOT] !== undefined) await (await import("../monitor/role.ts")).serveOne(false);
    else if (common) await (await import("./warm-command.ts")).tryOnce(`${path}.tmp`);
  } catch {} // there can be no containers: the maker has met this, too
  console.log(JSON.stringify(common ?? changedPages(path)));
  const isRight = (await hasMemory()) && (await hasTheRest());
  process.exit(isRight ? TRIAL_PASSED : 1);
}

// Memory that is let go of and had again must be as it ought to be.
async function hasMemory(): Promise<boolean> {
  for (let round = 0; round < 4; round++) {
    const lists = Array.from({ length: 2000 }, (_, i) => new Array(i % 64).fill({ round, i, text: `${i}`.repeat(9) }));
    const shapes = Array.from({ length: 500 }, (_, i) => ({ [`p${round}x${i}`]: i }));
    const blocks = Array.from({ length: 64 }, (_, i) => Buffer.alloc(1 << 14, i));
    if (blocks.some((block, i) => block[9999] !== i) || lists[63]?.[62].i !== 63 || shapes[99]?.[`p${round}x99`] !== 99) return false;
    if (new Uint8Array(1 << 20).some(Boolean)) return false;
    Bun.gc(true);
  }
  return true;
}

async function hasTheRest(): Promise<boolean> {
  const { Database } = await import("bun:sqlite");
  using db = new Database(":memory:");
  const sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100) SELECT sum(i) AS sum FROM n";
  const [{ sum }] = db.query(sql).all() as [{ sum: number }];
  const text = await Bun.file("/proc/self/stat").text();
  await Bun.sleep(1);
  const child = Bun.spawnSync(["/proc/self/exe", "version", "--short"], { env: { BERTH_SNAPSHOT: "off" } });
  return sum === 5050 && text.startsWith(`${process.pid} `) && child.exitCode === 0 && child.stdout.includes(BERTH_VERSION);
}

// Of those that are mapped (proc_pid_pagemap(5)): present, and not the file's any more.
function changedPages(path: string): Range[] {
  using pagemap = openat(AT_FDCWD, "/proc/self/pagemap", O_RDONLY);
  const ranges: Range[] = [];
  for (const line of readFileSync("/proc/self/maps", "latin1").split("\n")) {
    if (!line.endsWith(path)) continue;
    const [start = 0, end = 0] = (line.split(" ")[0] as string).split("-").map((text) => Number.parseInt(text, 16));
    const entries = Buffer.alloc(((end - start) / PAGE) * 8);
    readSync(pagemap.fd, entries, 0, entries.length, (start / PAGE) * 8);
    for (let i = 0; i < entries.length / 8; i++) {
      if ((entries[8 * i + 7] as number) >> 5 !== 4) continue;
      const address = start + i * PAGE;
      const last = ranges.at(-1);
      if (last && last.address + last.length === address) last.length += PAGE;
      else ranges.push({ address, length: PAGE });
    }
  }
  return ranges;
}
