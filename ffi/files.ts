/**
 * Files by path, named as node:fs names them, by system calls of our own: loading node:fs takes a process a millisecond,
 * and a container is the work of three. Errors are {@link SyscallError}, names strings of file-name.ts.
 */
import * as fd from "./fd.ts";
import { call, hasCode, tryCall, utf8 } from "./libc.ts";
import { dirname } from "./path.ts";
import { removeAt } from "./remove.ts";

const { AT_FDCWD } = fd;
const O_TRUNC = 0o1000;
const O_APPEND = 0o2000;
const DEFAULT_MODE = 0o666;
const FIRST_READ = 8192; // bytes

/** fopen(3)'s, as far as they are used; `x`: it must not be there. */
const FLAGS = {
  r: fd.O_RDONLY,
  w: fd.O_WRONLY | fd.O_CREAT | O_TRUNC,
  wx: fd.O_WRONLY | fd.O_CREAT | O_TRUNC | fd.O_EXCL,
  a: fd.O_WRONLY | fd.O_CREAT | O_APPEND,
} as const;
type Flag = keyof typeof FLAGS;

export const openSync = (path: string, flag: Flag | number, mode = DEFAULT_MODE): number =>
  fd.openat(AT_FDCWD, path, typeof flag === "number" ? flag : FLAGS[flag], mode).release();

export const closeSync = (descriptor: number): void => void call("close", descriptor);

/** Reads once; gives how many bytes came. Without a position from where the last read ended. */
export function readSync(
  descriptor: number,
  buffer: Uint8Array,
  offset = 0,
  length = buffer.length - offset,
  position: number | null = null,
): number {
  if (length === 0) return 0;
  const target = buffer.subarray(offset, offset + length);
  return position === null ? call("read", descriptor, target, length) : call("pread64", descriptor, target, length, position);
}

/** Writes once; gives how many bytes were taken. */
export function writeSync(descriptor: number, data: string | Uint8Array, offset = 0): number {
  const bytes = (typeof data === "string" ? utf8(data) : data).subarray(offset);
  return bytes.length === 0 ? 0 : call("write", descriptor, bytes, bytes.length);
}

// Most files fit, and what does not is copied out of it at once.
const first = Buffer.allocUnsafeSlow(FIRST_READ);

export function readFileSync(path: string): Buffer;
export function readFileSync(path: string, encoding: BufferEncoding): string;
export function readFileSync(path: string, encoding?: BufferEncoding): Buffer | string {
  const file = call("openat", AT_FDCWD, path, fd.O_RDONLY | fd.O_CLOEXEC);
  try {
    let buffer = first;
    let length = 0;
    for (;;) {
      const n = call("read", file, length === 0 ? buffer : buffer.subarray(length), buffer.length - length);
      if (n === 0) break;
      length += n;
      // The size is asked for only where a file is larger than most, and files of /proc have none.
      if (length === buffer.length) buffer = Buffer.concat([buffer], Math.max(2 * length, Number(fd.statat(file, "").size) + 1));
    }
    if (encoding !== undefined) return buffer.toString(encoding, 0, length);
    return buffer === first ? Buffer.concat([first], length) : buffer.subarray(0, length);
  } finally {
    tryCall("close", file);
  }
}

export function writeFileSync(path: string, data: string | Uint8Array, { mode, flag = "w" }: { mode?: number; flag?: Flag } = {}): void {
  using file = fd.openat(AT_FDCWD, path, FLAGS[flag], mode ?? DEFAULT_MODE);
  fd.writeAll(file.fd, typeof data === "string" ? utf8(data) : data);
}

export const appendFileSync = (path: string, data: string): void => writeFileSync(path, data, { flag: "a" });

/** What a file is. Sizes in bytes. */
export class FileStats {
  readonly mode: number;
  readonly size: number;
  readonly uid: number;
  readonly gid: number;
  readonly ino: bigint;
  readonly rdevMajor: number;
  readonly rdevMinor: number;

  constructor(status: fd.FileStatus) {
    this.mode = status.mode;
    this.size = Number(status.size);
    this.uid = status.uid;
    this.gid = status.gid;
    this.ino = status.ino;
    this.rdevMajor = status.rdevMajor;
    this.rdevMinor = status.rdevMinor;
  }

  get type(): number {
    return this.mode & fd.S_IFMT;
  }
  isFile(): boolean {
    return this.type === fd.S_IFREG;
  }
  isDirectory(): boolean {
    return this.type === fd.S_IFDIR;
  }
  isBlockDevice(): boolean {
    return this.type === fd.S_IFBLK;
  }
  isSocket(): boolean {
    return this.type === fd.S_IFSOCK;
  }
  isCharacterDevice(): boolean {
    return this.type === fd.S_IFCHR;
  }
}

/** Of what a last symlink leads to. */
export const statSync = (path: string): FileStats => new FileStats(fd.statat(AT_FDCWD, path, true));
export const lstatSync = (path: string): FileStats => new FileStats(fd.statat(AT_FDCWD, path));
export const fstatSync = (descriptor: number): FileStats => new FileStats(fd.statat(descriptor, ""));

/** As {@link statSync}; undefined where there is nothing. */
export function statIfThere(path: string): FileStats | undefined {
  try {
    return statSync(path);
  } catch (error) {
    if (hasCode(error, "ENOENT", "ENOTDIR")) return undefined;
    throw error;
  }
}

export const existsSync = (path: string): boolean => !path.includes("\0") && path !== "" && tryCall("faccessat", AT_FDCWD, path, 0 /* F_OK */) === 0;

export const [W_OK, X_OK] = [2, 1];

/** Whether this process may write, or execute, a file (access(2)). @throws {SyscallError} where it may not */
export const accessSync = (path: string, mode: number): void => void call("faccessat", AT_FDCWD, path, mode);

/** How often what is above may be gone again. */
const ATTEMPTS = 20;

export function mkdirSync(path: string, { recursive = false, mode = 0o777 }: { recursive?: boolean; mode?: number } = {}): void {
  for (let attempt = 1; ; attempt++) {
    try {
      fd.mkdirat(AT_FDCWD, path, mode);
      return;
    } catch (error) {
      if (!recursive) throw error;
      if (hasCode(error, "EEXIST") && statIfThere(path)?.isDirectory()) return;
      const above = dirname(path);
      // Also what sysfs says, where nobody can make a folder.
      if (!hasCode(error, "ENOENT") || above === path || above === "." || attempt === ATTEMPTS) throw error;
      mkdirSync(above, { recursive, mode });
    }
  }
}

export { readdirSync, readFolder } from "./folder.ts";

export const renameSync = (from: string, to: string): void => void call("renameat2", AT_FDCWD, from, AT_FDCWD, to, 0);
export const unlinkSync = (path: string): void => fd.unlinkat(AT_FDCWD, path);
export const rmdirSync = (path: string): void => fd.unlinkat(AT_FDCWD, path, fd.AT_REMOVEDIR);
export const readlinkSync = (path: string): string => fd.readlinkat(AT_FDCWD, path);
export const symlinkSync = (target: string, path: string): void => fd.symlinkat(target, AT_FDCWD, path);
export const chmodSync = (path: string, mode: number): void => void call("fchmodat", AT_FDCWD, path, mode);
export const chownSync = (path: string, uid: number, gid: number): void => void call("fchownat", AT_FDCWD, path, uid, gid, 0);
export const ftruncateSync = (descriptor: number, length: number): void => void call("ftruncate", descriptor, length);

/** Removes a file; with `recursive` a folder and all below, with `force` also where there is none. Never what a symlink leads to. */
export function rmSync(path: string, { recursive = false, force = false }: { recursive?: boolean; force?: boolean } = {}): void {
  try {
    if (recursive) removeAt(AT_FDCWD, path);
    else fd.unlinkat(AT_FDCWD, path);
  } catch (error) {
    if (!force || !hasCode(error, "ENOENT")) throw error;
  }
}
