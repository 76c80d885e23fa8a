/** `logs`: reads a container's log, from the end where only that is asked for, and follows it. */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { hasCode } from "../../ffi/libc.ts";
import { type ContainerRecord, getContainer } from "../store/containers.ts";
import type { Engine } from "./engine.ts";
import { reconcile } from "./reconcile.ts";

export interface LogEntry {
  /** With its newline, but for a line that was never finished. */
  log: string;
  stream: "stdout" | "stderr";
  /** RFC 3339. */
  time: string;
}

export interface LogOptions {
  follow: boolean;
  /** Lines from the end; undefined for all. */
  tail: number | undefined;
  /** Milliseconds since 1970. */
  since: number | undefined;
  until: number | undefined;
}

const BLOCK = 1 << 20;
const NEWLINE = 10;
const POLL_INTERVAL = 100; // milliseconds between looks at a followed log

/** Calls back with entries, many at a time, until the end of the log or, following, of the container. */
export async function readLog(engine: Engine, record: ContainerRecord, options: LogOptions, receive: (entries: LogEntry[]) => void): Promise<void> {
  let fd: number;
  try {
    fd = openSync(engine.layout.containerLog(record.id), "r");
  } catch (error) {
    if (!hasCode(error, "ENOENT")) throw error;
    if (!options.follow) return; // never started
    fd = await awaitLog(engine, record);
    if (fd < 0) return;
  }
  try {
    let at = options.tail === undefined ? 0 : startOfTail(fd, options.tail);
    for (;;) {
      // Asked before reading: what was written by then is read below.
      const ended = !options.follow || !isRunning(engine, record.id);
      const next = readEntries(fd, at, options, receive);
      const past = options.until !== undefined && Date.now() > options.until;
      if ((ended && next === at) || past) return;
      if (next === at) await Bun.sleep(POLL_INTERVAL);
      at = next;
    }
  } finally {
    closeSync(fd);
  }
}

async function awaitLog(engine: Engine, record: ContainerRecord): Promise<number> {
  while (getContainer(engine.db, record.id)) {
    try {
      return openSync(engine.layout.containerLog(record.id), "r");
    } catch {
      await Bun.sleep(POLL_INTERVAL);
    }
  }
  return -1;
}

function isRunning(engine: Engine, id: string): boolean {
  const stored = getContainer(engine.db, id);
  const record = stored && reconcile(engine, stored);
  return record?.status === "running" || record?.status === "paused" || record?.status === "starting";
}

// Reads whole records from `at` on; gives where the first one begins that is not whole yet.
function readEntries(fd: number, at: number, options: LogOptions, receive: (entries: LogEntry[]) => void): number {
  const block = Buffer.allocUnsafe(BLOCK);
  let position = at;
  let size = BLOCK;
  for (;;) {
    const buffer = size === BLOCK ? block : Buffer.allocUnsafe(size);
    const n = readSync(fd, buffer, 0, size, position);
    const last = buffer.lastIndexOf(NEWLINE, n - 1);
    if (n === 0) return position;
    if (last < 0) {
      if (n < size) return position;
      size *= 2; // a record longer than the block
      continue;
    }
    const entries = parseRecords(buffer.toString("utf8", 0, last)).filter((entry) => isWithin(entry, options));
    if (entries.length > 0) receive(entries);
    position += last + 1;
    size = BLOCK;
  }
}

function parseRecords(text: string): LogEntry[] {
  try {
    // One call of the parser for the whole block is several times faster than one a line.
    return JSON.parse(`[${text.replaceAll("\n", ",")}]`) as LogEntry[];
  } catch {
    return text.split("\n").flatMap((line) => {
      try {
        return [JSON.parse(line) as LogEntry];
      } catch {
        return []; // torn by a crash of the machine
      }
    });
  }
}

function isWithin(entry: LogEntry, { since, until }: LogOptions): boolean {
  if (since === undefined && until === undefined) return true;
  const time = Date.parse(entry.time);
  return (since === undefined || time >= since) && (until === undefined || time <= until);
}

// Where the last `lines` records begin: block by block from the end, so that a long log costs no more than a short one.
function startOfTail(fd: number, lines: number): number {
  let position = fstatSync(fd).size;
  if (lines === 0) return position;
  const block = Buffer.allocUnsafe(1 << 16);
  let newlines = 0;
  while (position > 0) {
    const size = Math.min(block.length, position);
    position -= size;
    readSync(fd, block, 0, size, position);
    for (let at = block.lastIndexOf(NEWLINE, size - 1); at >= 0; at = at === 0 ? -1 : block.lastIndexOf(NEWLINE, at - 1)) {
      // The first one found ends the last record.
      if (newlines++ === lines) return position + at + 1;
    }
  }
  return 0;
}
