/** `logs`: reads a container's log through all its files, from the end where only that is asked for, and follows it. */
import { closeSync, fstatSync, openSync, readdirSync, readSync, statIfThere } from "../../ffi/files.ts";
import { IN_CREATE, IN_MODIFY, IN_MOVED_TO } from "../../ffi/inotify.ts";
import { hasCode } from "../../ffi/libc.ts";
import { basename, dirname, join } from "../../ffi/path.ts";
import { ProcessHandle } from "../../ffi/process-handle.ts";
import { originalInode } from "../monitor/log/inode-tag.ts";
import { type ContainerRecord, getContainer } from "../store/containers.ts";
import { isAlive } from "../store/process-identity.ts";
import { StoreWatch } from "../store/store-watch.ts";
import type { Engine } from "./engine.ts";
import { EngineError } from "./errors.ts";
import { joinJson, type LogEntry, parseCri, parseJson } from "./log-entries.ts";
import { isReadable } from "./log-settings.ts";
import { reconcile } from "./reconcile.ts";

export interface LogOptions {
  follow: boolean;
  /** Lines from the end; undefined for all. */
  tail: number | undefined;
  /** Milliseconds since 1970. */
  since: number | undefined;
  until: number | undefined;
  /** Whether lines may come together, many in one entry. */
  joined: boolean;
}

type Receive = (entries: LogEntry[]) => void;
type Parse = (records: string) => LogEntry[];

const BLOCK = 1 << 17; // bytes
const NEWLINE = 10;
/** Milliseconds after which a follower looks even if it was told of nothing. */
const LOOK_INTERVAL = 1000;
/** How often the names of files are read again that change meanwhile. */
const ATTEMPTS = 20;

/** Calls back with entries, many at a time, until the end of the log or, following, of the container. */
export async function readLog(engine: Engine, record: ContainerRecord, options: LogOptions, receive: Receive): Promise<void> {
  const settings = record.config.log ?? { driver: "json-file", options: {} };
  if (!isReadable(settings)) throw new EngineError("configured logging driver does not support reading");
  const path = engine.layout.containerLog(record.id, settings.driver);
  const within: Receive = (entries) => {
    const wanted = entries.filter((entry) => isWithin(entry, options));
    if (wanted.length > 0) receive(wanted);
  };
  const isJoined = options.joined && options.since === undefined && options.until === undefined;
  const parseRecords: Parse = isJoined ? (records) => joinJson(records) ?? parseJson(records) : parseJson;
  const reader = new LogReader(path, settings.driver === "json-file" ? parseRecords : parseCri, within);
  // Asked before reading, too.
  const isLive = options.follow && findRunning(engine, record.id) !== undefined;
  try {
    await reader.readAll(options.tail);
    if (isLive) await follow(engine, record, reader, path, options.until);
  } finally {
    reader.close();
  }
}

async function follow(engine: Engine, { id }: ContainerRecord, reader: LogReader, path: string, until: number | undefined): Promise<void> {
  using watch = new StoreWatch(engine.layout.database); // the container's end
  watch.add(engine.layout.container(id), IN_MODIFY | IN_CREATE | IN_MOVED_TO);
  for (;;) {
    // Asked before reading: what was written by then is read below.
    const running = findRunning(engine, id);
    await reader.readNew(path);
    if (!running || (until !== undefined && Date.now() > until)) return;
    using process = running.process && isAlive(running.process) ? handleOf(running.process.pid) : undefined;
    const limit = until === undefined ? LOOK_INTERVAL : Math.max(0, Math.min(LOOK_INTERVAL, until - Date.now() + 1));
    watch.wait(limit, process?.descriptors ?? []);
    // Its process ended: its monitor needs a moment to write that down.
    if (process && running.process && !isAlive(running.process)) watch.wait(10);
  }
}

function handleOf(pid: number): ProcessHandle | undefined {
  try {
    return ProcessHandle.open(pid);
  } catch {
    return undefined; // gone
  }
}

function findRunning(engine: Engine, id: string): ContainerRecord | undefined {
  const stored = getContainer(engine.db, id);
  const record = stored && reconcile(engine, stored);
  return record &&
    ["running", "paused", "starting", "created"].includes(record.status) &&
    (record.status !== "created" || record.startedAt === undefined)
    ? record
    : undefined;
}

/** The files of a log, oldest first. */
interface OpenFile {
  fd: number;
  inode: bigint;
  isCompressed: boolean;
}

class LogReader {
  readonly #path: string;
  readonly #parse: Parse;
  readonly #receive: Receive;
  /** Opened and not yet read to their end; what is put aside or removed meanwhile is read all the same. */
  #files: OpenFile[] = [];
  /** Of the first of them. */
  #position = 0;
  #last: bigint | undefined;

  constructor(path: string, parse: Parse, receive: Receive) {
    this.#path = path;
    this.#parse = parse;
    this.#receive = receive;
  }

  close(): void {
    for (const { fd } of this.#files.splice(0)) closeSync(fd);
  }

  /** Reads what there is; only the last lines where so many are asked for. */
  async readAll(tail: number | undefined): Promise<void> {
    this.#files = openFiles(this.#path);
    if (tail !== undefined) await this.#skipTo(tail);
    await this.#read();
  }

  /** Reads what has come since. */
  async readNew(path: string): Promise<void> {
    if (this.#files.length > 0) this.#position = readFrom((this.#files[0] as OpenFile).fd, this.#position, this.#parse, this.#receive);
    if (inodeOf(path) === this.#last) return;
    // Another file has begun; what came into this one before is read first.
    const before = this.#last;
    const files = openFiles(path);
    // The last of that number: it is held open, so nothing younger has it; something older, compressed since, may have had it.
    const known = files.findLastIndex(({ inode }) => inode === before);
    for (const { fd } of files.splice(0, known + 1)) closeSync(fd);
    this.#files.push(...files);
    await this.#read();
  }

  // All files to their ends; the youngest stays open.
  async #read(): Promise<void> {
    for (;;) {
      const [file] = this.#files;
      if (!file) return;
      this.#last = file.inode;
      if (file.isCompressed) await readCompressed(file.fd, this.#parse, this.#receive, this.#position);
      else this.#position = readFrom(file.fd, this.#position, this.#parse, this.#receive);
      if (this.#files.length === 1 && !file.isCompressed) return;
      closeSync(file.fd);
      this.#files.shift();
      this.#position = 0;
    }
  }

  // From the youngest file back, so that a long log costs no more than a short one.
  async #skipTo(lines: number): Promise<void> {
    let missing = lines;
    let first = this.#files.length;
    while (first > 0 && (missing > 0 || first === this.#files.length)) {
      const file = this.#files[--first] as OpenFile;
      const { position, found } = file.isCompressed ? await lastCompressedLines(file.fd, missing) : lastLines(file.fd, missing);
      missing -= found;
      this.#position = position;
    }
    for (const { fd } of this.#files.splice(0, first)) closeSync(fd);
  }
}

// Oldest first. Opened from the youngest on: one that is put aside meanwhile is met twice, and none is missed. Where that
// happened they are opened again; a number alone does not tell it, as a file system gives it to another file again.
function openFiles(path: string): OpenFile[] {
  for (let attempt = 0; ; attempt++) {
    const files: OpenFile[] = [];
    let isWhole = true;
    for (const name of fileNames(path)) {
      const file = openFile(name) ?? (name.endsWith(".gz") ? undefined : openFile(`${name}.gz`));
      if (!file) isWhole = false;
      else files.unshift(file);
    }
    if (isWhole && files.at(-1)?.inode === inodeOf(path)) return files;
    if (attempt === ATTEMPTS) return withoutDoubles(files);
    for (const { fd } of files) closeSync(fd);
    Bun.sleepSync(1);
  }
}

function withoutDoubles(files: OpenFile[]): OpenFile[] {
  return files.filter((file, i) => {
    const isDouble = files[i + 1]?.inode === file.inode;
    if (isDouble) closeSync(file.fd);
    return !isDouble;
  });
}

// The youngest first.
function fileNames(path: string): string[] {
  const prefix = basename(path);
  const numbered = listFolder(dirname(path)).flatMap((name) => {
    const number = name.startsWith(prefix) ? /^(?:\.(\d+)(?:\.gz)?)?$/.exec(name.slice(prefix.length)) : null;
    return number ? [{ number: Number(number[1] ?? 0), name: join(dirname(path), name) }] : [];
  });
  // One that was just compressed is there twice.
  const ordered = numbered.sort((a, b) => a.number - b.number || a.name.length - b.name.length);
  return ordered.filter(({ number }, i) => ordered[i - 1]?.number !== number).map(({ name }) => name);
}

function listFolder(path: string): string[] {
  try {
    return readdirSync(path);
  } catch (error) {
    if (!hasCode(error, "ENOENT")) throw error;
    return []; // removed with its container
  }
}

function openFile(path: string): OpenFile | undefined {
  try {
    const fd = openSync(path, "r");
    const isCompressed = path.endsWith(".gz");
    return { fd, inode: originalInode(fd, isCompressed), isCompressed };
  } catch (error) {
    if (!hasCode(error, "ENOENT")) throw error;
    return undefined;
  }
}

// Reads whole records from `at` on; gives where the first one begins that is not whole yet.
function readFrom(fd: number, at: number, parse: Parse, receive: Receive): number {
  const block = Buffer.allocUnsafe(BLOCK);
  let position = at;
  let size = BLOCK;
  for (;;) {
    const buffer = size === BLOCK ? block : Buffer.allocUnsafe(size);
    const n = readSync(fd, buffer, 0, size, position);
    if (n === 0) return position;
    const last = buffer.lastIndexOf(NEWLINE, n - 1);
    if (last < 0) {
      if (n < size) return position;
      size *= 2; // a record longer than the block
      continue;
    }
    receive(parse(buffer.toString("utf8", 0, last)));
    position += last + 1;
    size = BLOCK;
  }
}

/** @param from where to begin, in what it was before it was compressed */
async function readCompressed(fd: number, parse: Parse, receive: Receive, from: number): Promise<void> {
  let rest = Buffer.alloc(0);
  let skip = from;
  for await (const piece of unpacked(fd)) {
    if (skip >= piece.length) {
      skip -= piece.length;
      continue;
    }
    const chunk = Buffer.concat([rest, piece.subarray(skip)]);
    skip = 0;
    const last = chunk.lastIndexOf(NEWLINE);
    if (last >= 0) receive(parse(chunk.toString("utf8", 0, last)));
    rest = chunk.subarray(last + 1);
  }
}

function unpacked(fd: number): AsyncIterable<Buffer> {
  const { createReadStream } = require("node:fs") as typeof import("node:fs");
  const { createGunzip } = require("node:zlib") as typeof import("node:zlib");
  return createReadStream("", { fd, start: 0, autoClose: false, highWaterMark: 1 << 18 }).pipe(createGunzip({ chunkSize: 1 << 18 }));
}

function isWithin(entry: LogEntry, { since, until }: LogOptions): boolean {
  if (since === undefined && until === undefined) return true;
  const time = Date.parse(entry.time);
  return (since === undefined || time >= since) && (until === undefined || time <= until);
}

const inodeOf = (path: string) => statIfThere(path)?.ino;

interface Found {
  /** Where the last `lines` records begin. */
  position: number;
  /** How many there are of them. */
  found: number;
}

function lastLines(fd: number, lines: number): Found {
  let position = fstatSync(fd).size;
  if (lines === 0) return { position, found: 0 };
  const block = Buffer.allocUnsafe(1 << 16);
  let newlines = 0;
  while (position > 0) {
    const size = Math.min(block.length, position);
    position -= size;
    readSync(fd, block, 0, size, position);
    for (let at = block.lastIndexOf(NEWLINE, size - 1); at >= 0; at = at === 0 ? -1 : block.lastIndexOf(NEWLINE, at - 1)) {
      // The first one found ends the last record.
      if (newlines++ === lines) return { position: position + at + 1, found: lines };
    }
  }
  return { position: 0, found: newlines };
}

// Where each of the last lines begins is remembered in passing.
async function lastCompressedLines(fd: number, lines: number): Promise<Found> {
  const starts: number[] = [];
  let at = 0;
  let next = 0;
  for await (const piece of unpacked(fd)) {
    for (let newline = piece.indexOf(NEWLINE); newline >= 0; newline = piece.indexOf(NEWLINE, newline + 1)) {
      starts.push(next);
      next = at + newline + 1;
      if (starts.length > 2 * lines + 1024) starts.splice(0, starts.length - lines);
    }
    at += piece.length;
  }
  const found = Math.min(lines, starts.length);
  return { position: found === 0 ? at : (starts[starts.length - found] as number), found };
}
