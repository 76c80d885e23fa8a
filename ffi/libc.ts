/**
 * The one door to the kernel: `syscall(2)` and `errno` of the C library in this
 * process. Every other file of ffi/ goes through {@link call}.
 */
import { type SyscallName, syscallNumber } from "./arch.ts";
import { encodeName } from "./file-name.ts";
import { dlopen, I32, I64, I64_FAST, POINTER, ptr, read } from "./native.ts";

const { symbols } = dlopen("libc.so.6", {
  syscall: { args: [I64, I64, I64, I64, I64, I64, I64], returns: I64_FAST },
  __errno_location: { args: [], returns: POINTER },
  setenv: { args: [POINTER, POINTER, I32], returns: I32 },
});
// The main thread's errno stays where it is; only that thread makes calls here.
const errnoLocation = symbols.__errno_location();

/** What a system call takes: a number, a string (passed NUL-terminated), memory, or null. */
export type Argument = number | bigint | string | NodeJS.TypedArray | null;

/** The errnos that a user meets (asm-generic/errno.h): number, and text as in strerror(3). */
const ERRNO: Record<string, readonly [number: number, text: string]> = {
  EPERM: [1, "operation not permitted"],
  ENOENT: [2, "no such file or directory"],
  ESRCH: [3, "no such process"],
  EINTR: [4, "interrupted system call"],
  EIO: [5, "input/output error"],
  ENXIO: [6, "no such device or address"],
  E2BIG: [7, "argument list too long"],
  ENOEXEC: [8, "exec format error"],
  EBADF: [9, "bad file descriptor"],
  EAGAIN: [11, "resource temporarily unavailable"],
  ENOMEM: [12, "cannot allocate memory"],
  EACCES: [13, "permission denied"],
  EBUSY: [16, "device or resource busy"],
  EEXIST: [17, "file exists"],
  EXDEV: [18, "invalid cross-device link"],
  ENODEV: [19, "no such device"],
  ENOTDIR: [20, "not a directory"],
  EISDIR: [21, "is a directory"],
  EINVAL: [22, "invalid argument"],
  EMFILE: [24, "too many open files"],
  ETXTBSY: [26, "text file busy"],
  EFBIG: [27, "file too large"],
  ENOSPC: [28, "no space left on device"],
  EROFS: [30, "read-only file system"],
  EPIPE: [32, "broken pipe"],
  ENAMETOOLONG: [36, "file name too long"],
  ENOSYS: [38, "function not implemented"],
  ENOTEMPTY: [39, "directory not empty"],
  ELOOP: [40, "too many levels of symbolic links"],
  EOPNOTSUPP: [95, "operation not supported"],
  EADDRINUSE: [98, "address already in use"],
  EADDRNOTAVAIL: [99, "cannot assign requested address"],
  EDQUOT: [122, "disk quota exceeded"],
};
const EINTR = 4;

/** Name of an errno, `ENOENT`. Node's list is loaded only where ours does not have it. */
export function errnoName(errno: number): string {
  for (const name in ERRNO) if (ERRNO[name]?.[0] === errno) return name;
  const { constants } = require("node:os") as typeof import("node:os");
  return Object.entries(constants.errno).find(([, value]) => value === errno)?.[0] ?? `errno ${errno}`;
}

/** A system call that failed: which, with what, and the errno's name. */
export class SyscallError extends Error {
  override name = "SyscallError";
  constructor(
    /** Name of the system call, as in its man page. */
    readonly call: string,
    /** Name of the errno, e.g. `ENOENT`. */
    readonly code: string,
    /** What it was called with, readable. */
    readonly args: readonly string[],
  ) {
    super(`${call}(${args.join(", ")}): ${ERRNO[code]?.[1] ?? code}`);
  }
  /** The errno in words, as strerror(3) has it. */
  get reason(): string {
    return ERRNO[this.code]?.[1] ?? this.code;
  }
}

/** The words of any error that carries an errno name, the message of others. */
export function reasonOf(error: unknown): string {
  if (error instanceof SyscallError) return error.reason;
  const code = (error as { code?: unknown } | null)?.code;
  if (typeof code === "string" && ERRNO[code]) return ERRNO[code][1];
  return error instanceof Error ? error.message : String(error);
}

/** Whether an error is a failed call (ours or Node's) with one of these errnos. */
export function hasCode(error: unknown, ...codes: string[]): boolean {
  return codes.includes((error as { code?: string } | null)?.code ?? "");
}

const encoder = new TextEncoder();

/** The bytes of a string. Buffer.from is source that each process compiles when it first calls it, 0.15 ms. */
export const utf8 = (text: string): Uint8Array => encoder.encode(text);

/** A string as C has it. Throws where it holds a NUL, which would cut it short. */
export function cString(text: string): Uint8Array {
  if (text.includes("\0")) throw new TypeError(`a NUL byte in ${JSON.stringify(text)}`);
  return text.isWellFormed() ? utf8(`${text}\0`) : Buffer.concat([encodeName(text), Buffer.of(0)]);
}

/** Somebody else who carries out what this thread would call. */
export interface Carrier {
  /**
   * As syscall(2).
   *
   * @param name of the call, for messages
   * @param mayFail whether whoever calls goes on where it fails
   * @param memory what the words point to; to be kept for as long as it is needed
   * @returns its result, or an errno as a negative number
   */
  carry(name: SyscallName, number: number, words: Words, mayFail: boolean, memory: readonly unknown[]): number;
  /**
   * Several, one after the other.
   *
   * @param words of each its number, six arguments, and one more for its result
   * @returns as {@link carry} does
   */
  carryAll?(words: readonly Word[]): number[];
}

/** What a register takes. */
export type Word = number | bigint;
type Words = [Word, Word, Word, Word, Word, Word];

let carrier: Carrier | undefined;

/** Calls back; until it returns, system calls of this file's are the carrier's, or this thread's again (undefined). */
export function carriedBy<T>(by: Carrier | undefined, action: () => T): T {
  const before = carrier;
  carrier = by;
  try {
    return action();
  } finally {
    carrier = before;
  }
}

/**
 * Makes a system call and gives its result.
 *
 * @throws {SyscallError} where the kernel answers with an errno. EINTR is retried.
 */
export function call(name: SyscallName, a?: Argument, b?: Argument, c?: Argument, d?: Argument, e?: Argument, f?: Argument): number {
  const result = perform(name, false, a, b, c, d, e, f);
  if (result >= 0) return result;
  throw failureOf(result, name, a, b, c, d, e, f);
}

/** What {@link call} throws for a result of {@link tryCall} or {@link tryCalls}. */
export function failureOf(result: number, name: SyscallName, ...args: (Argument | undefined)[]): SyscallError {
  return new SyscallError(name, errnoName(-result), args.filter((arg) => arg !== undefined).map(describe));
}

/** As {@link call}, but gives the negative errno instead of throwing. */
export function tryCall(name: SyscallName, a?: Argument, b?: Argument, c?: Argument, d?: Argument, e?: Argument, f?: Argument): number {
  return perform(name, true, a, b, c, d, e, f);
}

/** The name of a system call, and what it is called with. */
export type Call = [name: SyscallName, a?: Argument, b?: Argument, c?: Argument, d?: Argument, e?: Argument, f?: Argument];

/** Makes system calls one after the other, whatever each gives; their results are as those of {@link tryCall}. */
export function tryCalls(calls: readonly Call[]): number[] {
  if (!carrier?.carryAll) return calls.map((one) => perform(one[0], true, one[1], one[2], one[3], one[4], one[5], one[6]));
  const words: Word[] = [];
  for (const [name, a, b, c, d, e, f] of calls) {
    words.push(syscallNumber(name), wordOf(a), wordOf(b), wordOf(c), wordOf(d), wordOf(e), wordOf(f), 0);
  }
  const results = carrier.carryAll(words);
  inUse.length = 0;
  return results;
}

/** As {@link tryCalls}. @throws {SyscallError} for the first that fails; those behind it were made, too */
export function callAll(calls: readonly Call[]): number[] {
  const results = tryCalls(calls);
  for (const [i, result] of results.entries()) if (result < 0) throw failureOf(result, ...(calls[i] as Call));
  return results;
}

/** setenv(3): a variable of the environment as the C library has it, whose strings are its own. */
export function setVariable(name: string, value: string): void {
  symbols.setenv(ptr(cString(name)), ptr(cString(value)), 1);
}

// What the kernel reads of is kept alive here meanwhile.
const inUse: unknown[] = [];

function wordOf(arg: Argument | undefined): Word {
  if (typeof arg === "number" || typeof arg === "bigint") return arg;
  if (arg === undefined || arg === null) return 0;
  const bytes = typeof arg === "string" ? cString(arg) : arg;
  if (bytes.byteLength === 0) return 0;
  inUse.push(bytes);
  return ptr(bytes) as number;
}

function perform(
  name: SyscallName,
  mayFail: boolean,
  a: Argument = 0,
  b: Argument = 0,
  c: Argument = 0,
  d: Argument = 0,
  e: Argument = 0,
  f: Argument = 0,
): number {
  const number = syscallNumber(name);
  // A start makes some seven hundred calls, in code that nothing has compiled.
  const u = typeof a === "number" ? a : wordOf(a);
  const v = typeof b === "number" ? b : wordOf(b);
  const w = typeof c === "number" ? c : wordOf(c);
  const x = typeof d === "number" ? d : wordOf(d);
  const y = typeof e === "number" ? e : wordOf(e);
  const z = typeof f === "number" ? f : wordOf(f);
  for (;;) {
    const result = carrier ? carrier.carry(name, number, [u, v, w, x, y, z], mayFail, inUse) : syscall(number, u, v, w, x, y, z);
    if (result === -EINTR) continue;
    if (inUse.length > 0) inUse.length = 0;
    return result;
  }
}

function syscall(number: number, a: Word, b: Word, c: Word, d: Word, e: Word, f: Word): number {
  const result = Number(symbols.syscall(number, a, b, c, d, e, f));
  return result === -1 ? -read.i32(errnoLocation as never, 0) : result;
}

function describe(arg: Argument): string {
  if (arg === null) return "NULL";
  if (typeof arg === "string") return JSON.stringify(arg.length > 120 ? `${arg.slice(0, 117)}...` : arg);
  if (typeof arg === "number" || typeof arg === "bigint") return arg < 4096 ? String(arg) : `0x${arg.toString(16)}`;
  return `<${arg.byteLength} bytes>`;
}

/** The address of memory, for structs that hold pointers. It is kept alive until the next call has returned. */
export function addressOf(memory: NodeJS.TypedArray): bigint {
  if (memory.byteLength === 0) return 0n;
  inUse.push(memory);
  return BigInt(ptr(memory) as number);
}
