/** Writes a snapshot down, as ffi/restore.h reads it, out of a copy of its maker that does nothing. Only the maker does this. */
import { closeSync, openSync, readdirSync, readFileSync, readlinkSync, readSync, renameSync, rmSync, statSync, writeSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { call, tryCall } from "../../ffi/libc.ts";
import type { Passed } from "./adopt.ts";
import { type Area, PAGE, type Range, SNAPSHOT_ENVIRONMENT, type SnapshotKind } from "./environment.ts";
import { type Change, NAMED, tryOut } from "./try-out.ts";

const MAGIC = 0x31746f687370616en;
const HEAD = 32768; // bytes at most before the pages
const ZEROS = Buffer.alloc(PAGE);
/** Pages in between that are written, too, where a mapping more would cost more. */
const GAP = 32;
/** Bytes that the main thread's stack may grow to. */
const STACK = 8 << 20;
const SPECIALS = 4;
const SIGNALS = 64;
/** Milliseconds for which what is not of this build, or not finished, stays. */
const KEPT = 3_600_000;
const SIGKILL = 9;
/** linux/prctl.h and asm/prctl.h */
const ARCH_GET_FS = 0x1003;
/** Bytes of glibc's struct pthread in which the thread's number is looked for. */
const THREAD_BLOCK = 0x800;

/** Above are code, which nothing on /run may be, and, but for one area, what may be given back and had again as zeros: see `advise` in ffi/restore.h. */
const ARENAS_END = 0x600000000000;

/** enum source of ffi/restore.h; from the last one on, files. */
const SOURCE = { anonymous: 0, smallPages: 1, snapshot: 2, copy: 3, protect: 4, firstFile: 5 } as const;

const [READ, WRITE, EXECUTE] = [1, 2, 4];

/** A line of /proc/PID/maps. */
interface MappedArea extends Area {
  protection: number;
  offset: number;
  path: string;
  /** Whether huge pages are not for it. */
  isSmall: boolean;
}

interface Mapping extends Range {
  /** In a file. */
  offset: number;
  protection: number;
  source: number;
  /** What is there, if that is in the snapshot. */
  bytes?: Buffer;
}

interface Memory {
  /** What is mapped where there is nothing yet, and what is put over that. */
  base: Mapping[];
  over: Mapping[];
  specials: MappedArea[];
  files: string[];
}

/** Writes it, proves that it works, and puts it in its place. Ends the process. */
export async function finishSnapshot(
  copy: number,
  kind: SnapshotKind,
  path: string,
  { passed, structures }: { passed: Passed; structures: Area },
): Promise<never> {
  // Of its own: where a maker takes long, another one may have been launched.
  const beside = `${path}.${process.pid}.new`;
  try {
    const held = describeHeld(passed); // before this process does more
    const memory = describeMemory(copy, structures);
    writePrivately(beside, encode(memory, [], held));
    writePrivately(beside, encode(memory, await tryOut(beside, kind), held));
    await tryOut(beside, kind);
    renameSync(beside, path);
    rmSync(`${path}.new`, { force: true });
    sweep(path);
  } catch (error) {
    if (process.env.BERTH_DEBUG) console.error(error);
    rmSync(beside, { force: true });
    process.exitCode = 1; // the loader's file stays: it keeps others from trying the same at once
  }
  call("kill", copy, SIGKILL);
  process.exit();
}

function writePrivately(path: string, bytes: Buffer): void {
  const out = openSync(path, "w", 0o600);
  if (writeSync(out, bytes) < bytes.length) throw new Error(`${path}: no room`);
  closeSync(out);
}

// Those of other builds, and what killed makers left.
function sweep(path: string): void {
  const folder = dirname(path);
  const [build = ""] = basename(path).split("-");
  for (const name of readdirSync(folder)) {
    if (Object.keys(SNAPSHOT_ENVIRONMENT).some((kind) => name === `${build}-${kind}`)) continue;
    const other = join(folder, name);
    try {
      if (Date.now() - statSync(other).mtimeMs > KEPT) rmSync(other, { recursive: true });
    } catch {} // somebody else does the same
  }
}

/** @param changed what is changed soon: to have such a page copied at once takes less long than when it has been looked at */
function encode({ base, over, specials, files }: Memory, changed: Change[], held: Held): Buffer {
  const words: bigint[] = [MAGIC, 0n, ...textWords(readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim(), 40)];
  const { signals, loop } = held;
  words.push(...held.thread);
  words.push(
    BigInt(specials.length),
    ...Array.from({ length: SPECIALS }, (_, i) => [specials[i]?.start ?? 0, specials[i]?.end ?? 0].map(BigInt)).flat(),
  );
  words.push(...NAMED.flatMap((name) => textWords(name, 16)));
  words.push(BigInt(loop.epoll), BigInt(loop.event), loop.events, loop.data);
  words.push(...[signals.length, files.length, base.length + over.length, base.length, changed.length].map(BigInt), ...signals.flat());
  for (const file of files) {
    const { ino, size, mtimeNs } = statSync(file, { bigint: true });
    words.push(...textWords(file, 128), ino, size, mtimeNs / 1_000_000_000n, mtimeNs % 1_000_000_000n);
  }
  const bytes = (words.length + 4 * (base.length + over.length) + 2 * changed.length) * 8;
  // With fewer of them, or none, it works as well, if not as fast.
  const fewer = changed.filter(({ by }) => by === 1);
  if (bytes > HEAD && changed.length > 0) return encode({ base, over, specials, files }, fewer.length < changed.length ? fewer : [], held);
  if (bytes > HEAD) throw new Error(`${bytes} bytes before the pages, ${HEAD} at most`);
  const first = Math.ceil(bytes / PAGE) * PAGE;
  words[1] = BigInt(bytes);
  const pages: Buffer[] = [];
  let at = first;
  for (const { address, length, offset, protection, source, bytes } of [...base, ...over]) {
    words.push(BigInt(address), BigInt(length), BigInt(bytes ? at : offset), BigInt(protection) | (BigInt(source) << 32n));
    if (bytes) pages.push(bytes);
    at += bytes?.length ?? 0;
  }
  for (const { address, length, by } of changed) words.push(BigInt(address), BigInt(length) | (BigInt(by) << 32n));
  const head = Buffer.alloc(first);
  words.forEach((word, i) => {
    head.writeBigUInt64LE(word, i * 8);
  });
  return Buffer.concat([head, ...pages]);
}

function textWords(text: string, bytes: number): bigint[] {
  const memory = Buffer.alloc(bytes);
  if (memory.write(text, "latin1") !== text.length || text.length >= bytes) throw new Error(`${text} is longer than ${bytes - 1} bytes`);
  return [...new BigUint64Array(memory.buffer, memory.byteOffset, bytes / 8)];
}

function describeMemory(pid: number, structures: Area): Memory {
  const exe = readlinkSync(`/proc/${pid}/exe`);
  const files: string[] = [];
  const specials: MappedArea[] = [];
  const base: Mapping[] = [];
  const over: Mapping[] = [];
  const pagemap = openSync(`/proc/${pid}/pagemap`, "r");
  const memory = openSync(`/proc/${pid}/mem`, "r");
  for (const area of areasOf(pid)) {
    const { start, end, protection, path } = area;
    if (path === "[vsyscall]") continue;
    if (path.startsWith("[vvar") || path === "[vdso]") {
      specials.push(area);
      continue;
    }
    const isFile = path.startsWith("/");
    const isCode = (protection & EXECUTE) !== 0;
    if (path !== exe) base.push(baseOf(area, files));
    for (const { address, length } of ownPages(pagemap, memory, area)) {
      const source = isFile || end < ARENAS_END || start === structures.start ? SOURCE.snapshot : SOURCE.copy;
      over.push({ address, length, offset: 0, protection, source, bytes: readMemory(memory, address, length) });
    }
    if (isCode && !isFile && !(protection & WRITE)) over.push({ address: start, length: end - start, offset: 0, protection, source: SOURCE.protect });
  }
  closeSync(pagemap);
  closeSync(memory);
  if (specials.at(-1)?.path !== "[vdso]" || specials.length > SPECIALS) throw new Error("expected a vDSO, and what it reads before it");
  return { base, over, specials, files };
}

function baseOf({ start, end, protection, offset, path, isSmall }: MappedArea, files: string[]): Mapping {
  const address = path === "[stack]" ? end - STACK : start;
  const mapping = { address, length: end - address, offset, protection };
  if (!path.startsWith("/")) {
    // Code that nobody may write is written first.
    const writable = protection & EXECUTE ? protection | WRITE : protection;
    return { ...mapping, offset: 0, protection: writable, source: isSmall ? SOURCE.smallPages : SOURCE.anonymous };
  }
  const known = files.indexOf(path);
  return { ...mapping, source: SOURCE.firstFile + (known >= 0 ? known : files.push(path) - 1) };
}

function areasOf(pid: number): MappedArea[] {
  const areas: MappedArea[] = [];
  for (const line of readFileSync(`/proc/${pid}/smaps`, "latin1").split("\n")) {
    const found = /^([0-9a-f]+)-([0-9a-f]+) (\S+) (\w+) \S+ \d+\s*(.*)$/.exec(line);
    const last = areas.at(-1);
    if (found) {
      const [, start = "", end = "", flags = "", offset = "", path = ""] = found;
      const protection = (flags[0] === "r" ? READ : 0) | (flags[1] === "w" ? WRITE : 0) | (flags[2] === "x" ? EXECUTE : 0);
      if (flags[3] !== "p") throw new Error(`${path} is shared memory`);
      const [from, to, at] = [start, end, offset].map((text) => Number.parseInt(text, 16)) as [number, number, number];
      areas.push({ start: from, end: to, protection, offset: at, path, isSmall: false });
    } else if (last && line.startsWith("VmFlags:")) {
      last.isSmall = line.split(" ").includes("nh");
    }
  }
  return areas;
}

function readMemory(memory: number, address: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let done = 0; done < length; ) done += readSync(memory, bytes, done, length - done, address + done);
  return bytes;
}

/** Runs of pages that are the process's own, and not a file's or none (proc_pid_pagemap(5)), nor nothing but zeros. */
function ownPages(pagemap: number, memory: number, { start, end, path }: MappedArea): { address: number; length: number }[] {
  const runs: { address: number; length: number }[] = [];
  const entries = Buffer.alloc(1 << 17);
  const step = (entries.length / 8) * PAGE;
  for (let at = start; at < end; at += step) {
    const got = readSync(pagemap, entries, 0, Math.min(entries.length, ((end - at) / PAGE) * 8), (at / PAGE) * 8);
    const halves = new Uint32Array(entries.buffer, entries.byteOffset, got / 4);
    for (let i = 0; i < got / 8; i++) {
      const flags = (halves[2 * i + 1] as number) >>> 29;
      const [isPresent, isSwapped, isShared] = [flags & 4, flags & 2, flags & 1];
      if (!(isPresent || isSwapped) || isShared) continue;
      const address = at + i * PAGE;
      if (!path.startsWith("/") && readMemory(memory, address, PAGE).equals(ZEROS)) continue;
      const last = runs.at(-1);
      if (last && address - last.address - last.length <= GAP * PAGE) last.length = address + PAGE - last.address;
      else runs.push({ address, length: PAGE });
    }
  }
  return runs;
}

/** What the kernel holds of the process, and where it is entered; 64-bit words. */
function describeHeld({ stack, resume, given }: Passed) {
  return { thread: [stack, resume, given, ...threadWords()], loop: findEventLoop(), signals: handledSignals() };
}
type Held = ReturnType<typeof describeHeld>;

function handledSignals(): bigint[][] {
  return Array.from({ length: SIGNALS }, (_, i): bigint[] => {
    const action = new BigUint64Array(4); // the kernel's struct sigaction
    return tryCall("rt_sigaction", i + 1, null, action, 8) < 0 || action[0] === 0n ? [] : [BigInt(i + 1), ...action];
  }).filter((words) => words.length > 0);
}

/** What the kernel holds of the thread, and where the C library has its number. */
function threadWords(): bigint[] {
  const pointer = new BigUint64Array(1);
  call("arch_prctl", ARCH_GET_FS, pointer);
  const [block = 0n] = pointer;
  const robust = new BigUint64Array(2);
  call("get_robust_list", 0, robust.subarray(0, 1), robust.subarray(1));
  const alternate = new BigUint64Array(3); // stack_t
  call("sigaltstack", null, alternate);
  const memory = openSync("/proc/self/mem", "r");
  const bytes = Buffer.alloc(THREAD_BLOCK);
  readSync(memory, bytes, 0, bytes.length, block);
  closeSync(memory);
  const tid = call("gettid");
  const places = Array.from({ length: bytes.length / 4 }, (_, i) => 4 * i).filter((at) => bytes.readUInt32LE(at) === tid);
  if (places.length !== 1) throw new Error(`the thread's number stands at ${places.length} places`);
  return [block, block + BigInt(places[0] as number), ...robust, ...alternate];
}

/** The event loop's descriptors: epoll(7), and the eventfd(2) that wakes it. */
function findEventLoop(): { epoll: number; event: number; events: bigint; data: bigint } {
  const folder = "/proc/self/fd";
  const [epoll, ...more] = readdirSync(folder).filter((fd) => {
    try {
      return readlinkSync(join(folder, fd)) === "anon_inode:[eventpoll]";
    } catch {
      return false; // of the listing itself
    }
  });
  const info = epoll === undefined ? "" : readFileSync(`/proc/self/fdinfo/${epoll}`, "latin1");
  const [found, ...others] = info.matchAll(/tfd:\s*(\d+) events:\s*(\w+) data:\s*(\w+)/g);
  if (!found || more.length + others.length > 0) throw new Error("expected an event loop that waits for one descriptor");
  const [, event, events, data] = found;
  return { epoll: Number(epoll), event: Number(event), events: BigInt(`0x${events}`), data: BigInt(`0x${data}`) };
}
