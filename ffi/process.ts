/** Processes: execve(2), prctl(2), resource limits, the identity of a process. */

import { readFileSync } from "./files.ts";
import { addressOf, call, cString, tryCall, utf8 } from "./libc.ts";
import { memoryAt } from "./native.ts";
import { endTrace } from "./trace.ts";

/** linux/prctl.h */
export const PR_SET_DUMPABLE = 4;
export const PR_SET_NAME = 15;
export const PR_SET_KEEPCAPS = 8;
export const PR_CAPBSET_READ = 23;
export const PR_CAPBSET_DROP = 24;
export const PR_SET_NO_NEW_PRIVS = 38;
export const PR_CAP_AMBIENT = 47;
export const PR_CAP_AMBIENT_RAISE = 2;
export const PR_CAP_AMBIENT_CLEAR_ALL = 4;

export function prctl(option: number, a: number | string = 0, b = 0, c = 0, d = 0): number {
  return call("prctl", option, a, b, c, d);
}

/** As {@link prctl}; gives the negative errno instead of throwing. */
export function tryPrctl(option: number, a = 0, b = 0, c = 0, d = 0): number {
  return tryCall("prctl", option, a, b, c, d);
}

// A NULL-terminated array of pointers to strings.
function pointers(strings: string[]): BigUint64Array {
  // One block for all strings: arguments can be many and megabytes long.
  const encoded = strings.map(cString);
  const memory = Buffer.concat(encoded);
  const array = new BigUint64Array(strings.length + 1);
  let at = addressOf(memory);
  encoded.forEach((bytes, i) => {
    array[i] = at;
    at += BigInt(bytes.length);
  });
  return array;
}

/**
 * execve(2): becomes another program. Must be called on the main thread; the others end.
 *
 * @throws {SyscallError} where it cannot; it returns in no other case
 */
export function execve(path: string, argv: string[], env: string[]): never {
  endTrace();
  call("execve", path, pointers(argv), pointers(env));
  throw new Error("unreachable");
}

const lastActions: (() => void)[] = [];

/** Calls back before the process ends, by {@link exitNow} or by itself. */
export function onExit(action: () => void): void {
  lastActions.push(action);
  process.on("exit", action);
}

/**
 * Ends the process at once, after what {@link onExit} was told. What else Bun would do
 * at the end costs milliseconds, and closing the last connection to a SQLite database
 * in WAL mode writes it all back and waits for the disk.
 */
export function exitNow(code: number): never {
  endTrace();
  for (const action of lastActions) action();
  call("exit_group", code);
  throw new Error("unreachable");
}

/** execveat(2) of an open file. As {@link execve}; returns where somebody else carries it out later. */
export function execveDescriptor(fd: number, argv: string[], env: string[]): void {
  const AT_EMPTY_PATH = 0x1000;
  call("execveat", fd, cString(""), pointers(argv), pointers(env), AT_EMPTY_PATH);
}

/** A session keyring of its own for what this process becomes (keyctl(2)); nothing where the kernel has no keys. */
export function joinNewKeyring(): void {
  const KEYCTL_JOIN_SESSION_KEYRING = 1;
  tryCall("keyctl", KEYCTL_JOIN_SESSION_KEYRING, null);
}

/** Resource numbers of asm-generic/resource.h by their OCI names. */
export const RLIMITS = {
  RLIMIT_CPU: 0,
  RLIMIT_FSIZE: 1,
  RLIMIT_DATA: 2,
  RLIMIT_STACK: 3,
  RLIMIT_CORE: 4,
  RLIMIT_RSS: 5,
  RLIMIT_NPROC: 6,
  RLIMIT_NOFILE: 7,
  RLIMIT_MEMLOCK: 8,
  RLIMIT_AS: 9,
  RLIMIT_LOCKS: 10,
  RLIMIT_SIGPENDING: 11,
  RLIMIT_MSGQUEUE: 12,
  RLIMIT_NICE: 13,
  RLIMIT_RTPRIO: 14,
  RLIMIT_RTTIME: 15,
} as const;

/** RLIM_INFINITY */
export const UNLIMITED = 0xffffffffffffffffn;

export interface ResourceLimit {
  soft: bigint;
  hard: bigint;
}

/** Reads a limit of a process (0: this one). */
export function getResourceLimit(pid: number, resource: number): ResourceLimit {
  const old = new BigUint64Array(2);
  call("prlimit64", pid, resource, null, old);
  return { soft: old[0] as bigint, hard: old[1] as bigint };
}

/** Sets a limit of a process (0: this one). */
export function setResourceLimit(pid: number, resource: number, limit: ResourceLimit): void {
  call("prlimit64", pid, resource, new BigUint64Array([limit.soft, limit.hard]), null);
}

export function sethostname(name: string): void {
  call("sethostname", name, Buffer.byteLength(name));
}

export function setdomainname(name: string): void {
  call("setdomainname", name, Buffer.byteLength(name));
}

export function setsid(): void {
  call("setsid");
}

export function umask(mask: number): void {
  call("umask", mask);
}

export function chroot(path: string): void {
  call("chroot", path);
}

export function chdir(path: string): void {
  call("chdir", path);
}

export function fchdir(fd: number): void {
  call("fchdir", fd);
}

/**
 * Hides this process's command line behind a name, until the result is called: everybody can read it (proc(5), cmdline),
 * also in a PID namespace where a process has it that shares this one's memory.
 */
export function coverCommandLine(name: string): () => void {
  // Where it lies: arg_start and arg_end, fields 48 and 49.
  const [start = 0, end = 0] = fieldsOf("self").slice(45, 47).map(Number);
  if (start === 0) return () => {};
  const line = new Uint8Array(memoryAt(start, end - start));
  const before = line.slice();
  line.fill(0);
  line.set(utf8(name).subarray(0, line.length - 1));
  return () => line.set(before);
}

// From the third on: the command name before them stands in parentheses and may hold anything.
function fieldsOf(pid: number | "self"): string[] {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}

/**
 * When a process started, in clock ticks after boot: with its number and the boot
 * id it names one process for ever (field 22 of /proc/PID/stat, proc(5)).
 *
 * @returns undefined where there is no such process, or only its zombie
 */
export function processStartTime(pid: number): number | undefined {
  let fields: string[];
  try {
    fields = fieldsOf(pid);
  } catch {
    return undefined;
  }
  return fields[0] === "Z" || fields[0] === "X" ? undefined : Number(fields[19]);
}
