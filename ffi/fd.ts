/** Descriptors: opening relative to folders, pipes, flags, ownership. */
import { O_DIRECTORY, O_NOFOLLOW } from "./arch.ts";
import { decodeName } from "./file-name.ts";
import { type Argument, call, cString, errnoName, failureOf, SyscallError, tryCall } from "./libc.ts";

export { O_DIRECTORY, O_NOFOLLOW };
export const AT_FDCWD = -100; // linux/fcntl.h, as all of these
export const AT_EMPTY_PATH = 0x1000;
export const AT_SYMLINK_NOFOLLOW = 0x100;
export const AT_REMOVEDIR = 0x200;
export const O_RDONLY = 0;
export const O_WRONLY = 1;
export const O_RDWR = 2;
export const O_CREAT = 0o100;
export const O_EXCL = 0o200;
export const O_NOCTTY = 0o400;
export const O_NONBLOCK = 0o4000;
export const O_CLOEXEC = 0o2000000;
export const O_PATH = 0o10000000;
/** linux/openat2.h */
export const RESOLVE_NO_MAGICLINKS = 0x02;
export const RESOLVE_IN_ROOT = 0x10;

/** A descriptor with an owner: closed once, by `using` or by hand. */
export class OwnedFd implements Disposable {
  #fd: number;
  constructor(fd: number) {
    this.#fd = fd;
  }
  /** The number. Throws once it is closed. */
  get fd(): number {
    if (this.#fd < 0) throw new Error("descriptor used after it was closed");
    return this.#fd;
  }
  /** Its name under /proc/self/fd, for calls that take only paths. */
  get path(): string {
    return `/proc/self/fd/${this.fd}`;
  }
  /** Hands the number to another owner. */
  release(): number {
    const { fd } = this;
    this.#fd = -1;
    return fd;
  }
  close(): void {
    if (this.#fd >= 0) tryCall("close", this.#fd);
    this.#fd = -1;
  }
  [Symbol.dispose](): void {
    this.close();
  }
}

/** openat(2), always close-on-exec. */
export function openat(dir: number, path: string, flags: number, mode = 0): OwnedFd {
  return new OwnedFd(call("openat", dir, path, flags | O_CLOEXEC, mode));
}

/**
 * openat2(2): as {@link openat} with a rule on how the path is resolved.
 *
 * @returns the descriptor's number, or the negative errno: ENOSYS before Linux 5.6; EAGAIN where a rename raced `..`
 */
export function tryOpenat2(dir: number, path: string, flags: number, resolve: number): number {
  const how = openHow(flags, resolve);
  return tryCall("openat2", dir, path, how, how.byteLength);
}

/** struct open_how of openat2(2); descriptors are close-on-exec. */
export const openHow = (flags: number, resolve: number): Uint32Array => new Uint32Array([flags | O_CLOEXEC, 0, 0, 0, resolve, 0]);

/** Text of a symbolic link; `""` reads the link that `dir` itself is (opened with O_PATH|O_NOFOLLOW). */
export function readlinkat(dir: number, path: string): string {
  const buffer = Buffer.alloc(4096);
  return decodeName(buffer.subarray(0, call("readlinkat", dir, cPath(path), buffer, buffer.length)));
}

// An empty string is an empty path for the *at calls, not NULL.
const cPath = (path: string): Argument => (path === "" ? EMPTY : path);
const EMPTY = cString("");

/** What statx(2) tells of a file. Times in nanoseconds since 1970, size in bytes. */
export interface FileStatus {
  mode: number;
  uid: number;
  gid: number;
  nlink: number;
  size: bigint;
  ino: bigint;
  mtime: bigint;
  ctime: bigint;
  rdevMajor: number;
  rdevMinor: number;
  devMajor: number;
  devMinor: number;
}

function statx(dir: number, path: string, follow: boolean): Buffer {
  const STATX_BASIC_STATS = 0x7ff;
  const status = Buffer.alloc(256);
  call("statx", dir, cPath(path), (follow ? 0 : AT_SYMLINK_NOFOLLOW) | AT_EMPTY_PATH, STATX_BASIC_STATS, status);
  return status;
}

/** What a file is, S_IFDIR and so on, as {@link statat} finds it. */
export function fileTypeAt(dir: number, path: string): number {
  return statx(dir, path, false).readUInt16LE(28) & S_IFMT;
}

/** statx(2), a last symlink followed only where that is asked for. `""` with a descriptor tells of the descriptor itself. */
export function statat(dir: number, path: string, follow = false): FileStatus {
  const b = statx(dir, path, follow);
  return {
    nlink: b.readUInt32LE(16),
    uid: b.readUInt32LE(20),
    gid: b.readUInt32LE(24),
    mode: b.readUInt16LE(28),
    ino: b.readBigUInt64LE(32),
    size: b.readBigUInt64LE(40),
    mtime: b.readBigInt64LE(112) * 1_000_000_000n + BigInt(b.readUInt32LE(120)),
    ctime: b.readBigInt64LE(96) * 1_000_000_000n + BigInt(b.readUInt32LE(104)),
    rdevMajor: b.readUInt32LE(128),
    rdevMinor: b.readUInt32LE(132),
    devMajor: b.readUInt32LE(136),
    devMinor: b.readUInt32LE(140),
  };
}

/** S_IFMT and its values (linux/stat.h). */
export const S_IFMT = 0o170000;
export const S_IFDIR = 0o040000;
export const S_IFREG = 0o100000;
export const S_IFLNK = 0o120000;
export const S_IFCHR = 0o020000;
export const S_IFBLK = 0o060000;
export const S_IFSOCK = 0o140000;
export const S_IFIFO = 0o010000;

/** A device number as mknod(2) takes it (new_encode_dev in linux/kdev_t.h). */
export function makedev(major: number, minor: number): number {
  return (minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12);
}

export function mkdirat(dir: number, path: string, mode: number): void {
  call("mkdirat", dir, path, mode);
}

export function mknodat(dir: number, path: string, mode: number, device: number): void {
  call("mknodat", dir, path, mode, device);
}

/** Makes a fifo (fifo(7)). */
export function makeFifo(path: string, mode: number): void {
  mknodat(AT_FDCWD, path, S_IFIFO | mode, 0);
}

export function symlinkat(target: string, dir: number, path: string): void {
  call("symlinkat", target, dir, path);
}

export function linkat(oldDir: number, oldPath: string, newDir: number, newPath: string, flags = 0): void {
  call("linkat", oldDir, cPath(oldPath), newDir, newPath, flags);
}

export function unlinkat(dir: number, path: string, flags = 0): void {
  call("unlinkat", dir, path, flags);
}

/** fchownat(2), never following a last symlink; `""` changes the descriptor's file. */
export function chownat(dir: number, path: string, uid: number, gid: number): void {
  call("fchownat", dir, cPath(path), uid, gid, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH);
}

/** utimensat(2) on the link itself; times in nanoseconds since 1970. */
export function utimensat(dir: number, path: string, atime: bigint, mtime: bigint): void {
  const second = 1_000_000_000n;
  const split = (t: bigint) => {
    const nanoseconds = ((t % second) + second) % second;
    return [(t - nanoseconds) / second, nanoseconds];
  };
  const times = new BigInt64Array([...split(atime), ...split(mtime)] as bigint[]);
  call("utimensat", dir, path, times, AT_SYMLINK_NOFOLLOW);
}

/** pipe2(2): both ends close-on-exec, plus `flags`. */
export function pipe(flags = 0): { read: OwnedFd; write: OwnedFd } {
  const fds = new Int32Array(2);
  call("pipe2", fds, flags | O_CLOEXEC);
  return { read: new OwnedFd(fds[0] as number), write: new OwnedFd(fds[1] as number) };
}

/** Gives `from` the number `to` as well, inherited over execve. */
export function dup2(from: number, to: number): void {
  if (from === to) call("fcntl", from, 2 /* F_SETFD */, 0);
  else call("dup3", from, to, 0);
}

export function setNonblocking(fd: number, on: boolean): void {
  const flags = call("fcntl", fd, 3 /* F_GETFL */);
  call("fcntl", fd, 4 /* F_SETFL */, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK);
}

/**
 * Makes every descriptor from `first` on close at execve. Before Linux 5.11
 * close_range(2) lacks the flag; then /proc/self/fd is walked by `list`.
 */
export function closeOnExecFrom(first: number, list: () => number[]): void {
  const CLOSE_RANGE_CLOEXEC = 4;
  if (tryCall("close_range", first, 0xffffffff, CLOSE_RANGE_CLOEXEC) === 0) return;
  for (const fd of list()) if (fd >= first) tryCall("fcntl", fd, 2 /* F_SETFD */, 1 /* FD_CLOEXEC */);
}

/** write(2) until all is written, for descriptors that block. */
export function writeAll(fd: number, bytes: Uint8Array): void {
  let rest = bytes;
  while (rest.length > 0) {
    const n = tryCall("write", fd, rest, rest.length);
    if (n === -11 /* EAGAIN: somebody made a shared descriptor non-blocking */) {
      poll([{ fd, events: POLLOUT }], -1);
      continue;
    }
    if (n < 0) throw new SyscallError("write", errnoName(-n), [String(fd)]);
    rest = rest.subarray(n);
  }
}

/** Where the next read or write of a file takes place, in bytes. */
export function position(fd: number): number {
  const SEEK_CUR = 1;
  return call("lseek", fd, 0, SEEK_CUR);
}

/** Leaves a hole of so many bytes where a file ends, and goes on behind it. */
export function writeHole(fd: number, bytes: number): void {
  const SEEK_CUR = 1;
  call("ftruncate", fd, call("lseek", fd, bytes, SEEK_CUR));
}

/** read(2) until `length` bytes or the end; gives fewer bytes only at the end. */
export function readExactly(fd: number, length: number): Buffer {
  const buffer = Buffer.alloc(length);
  let at = 0;
  while (at < length) {
    const n = call("read", fd, buffer.subarray(at), length - at);
    if (n === 0) break;
    at += n;
  }
  return buffer.subarray(0, at);
}

/** How much a pipe holds, in bytes: what may wait there, with nobody woken for it. Where a user has too many already it stays as it is. */
export function setPipeSize(fd: number, size: number): void {
  tryCall("fcntl", fd, 1031 /* F_SETPIPE_SZ */, size);
}

/** Has a part of a file written to its disk, without waiting for it (sync_file_range(2)). Where that cannot be, it happens later. */
export function writeBack(fd: number, from: number, length: number): void {
  tryCall("sync_file_range", fd, from, length, 2 /* SYNC_FILE_RANGE_WRITE */);
}

export const POLLIN = 1;
export const POLLOUT = 4;

/**
 * poll(2), blocking this thread for at most `timeout` milliseconds (-1: for ever).
 *
 * @returns for each entry whether something happened
 */
export function poll(entries: { fd: number; events: number }[], timeout: number): boolean[] {
  const fds = Buffer.alloc(entries.length * 8);
  entries.forEach((e, i) => {
    fds.writeInt32LE(e.fd, i * 8);
    fds.writeInt16LE(e.events, i * 8 + 4);
  });
  const time = timeout < 0 ? null : new BigInt64Array([BigInt(Math.floor(timeout / 1000)), BigInt(Math.floor((timeout % 1000) * 1e6))]);
  call("ppoll", fds, entries.length, time, null, 0);
  return entries.map((_, i) => fds.readInt16LE(i * 8 + 6) !== 0);
}

/**
 * Opens what a descriptor stands for once more, non-blocking: the flag belongs to the
 * open file, which a pipe's or terminal's other users share. Sockets throw ENXIO.
 */
export function reopenNonblocking(fd: number, access: number): OwnedFd {
  return openat(AT_FDCWD, `/proc/self/fd/${fd}`, access | O_NONBLOCK | O_NOCTTY);
}

/**
 * A file without a name whose content nobody can change any more (memfd_create(2)
 * with seals), executable, close-on-exec.
 */
export function sealedFile(name: string, bytes: Uint8Array): OwnedFd {
  const MFD_CLOEXEC = 1;
  const MFD_ALLOW_SEALING = 2;
  const MFD_EXEC = 0x10; // Linux 6.3; EINVAL before
  const F_ADD_SEALS = 1033;
  const ALL_SEALS = 0xf; // of itself, shrinking, growing, writing
  const flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  let fd = tryCall("memfd_create", name, flags | MFD_EXEC);
  if (fd < 0) fd = call("memfd_create", name, flags);
  const file = new OwnedFd(fd);
  writeAll(file.fd, bytes);
  call("fcntl", file.fd, F_ADD_SEALS, ALL_SEALS);
  return file;
}

const LOCK_EX = 2;
const LOCK_NB = 4;
const EWOULDBLOCK = -11;

/** Waits for an open file to be this process's alone, until it is closed (flock(2)). */
export const lock = (file: number): void => void call("flock", file, LOCK_EX);

/** As {@link lock}, without waiting: false where somebody else has it. */
export function tryLock(file: number): boolean {
  const result = tryCall("flock", file, LOCK_EX | LOCK_NB);
  if (result < 0 && result !== EWOULDBLOCK) throw failureOf(result, "flock", file);
  return result === 0;
}

/** File system types of linux/magic.h, as {@link fileSystemType} gives them. */
export const PROC_SUPER_MAGIC = 0x9fa0;

/** The type of the file system a descriptor lies on (fstatfs(2), f_type). */
export function fileSystemType(fd: number): number {
  const b = Buffer.alloc(120);
  call("fstatfs", fd, b);
  return Number(b.readBigUInt64LE(0));
}

/** Bytes that are free on the file system a descriptor lies on (statfs(2): f_bavail blocks of f_bsize). */
export function freeSpace(fd: number): number {
  const status = new BigUint64Array(15);
  call("fstatfs", fd, status);
  return Number((status[1] as bigint) * (status[4] as bigint));
}
