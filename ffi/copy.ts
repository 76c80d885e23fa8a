/** Copies of files and trees with all that belongs to them. */
import { inUserNamespace } from "./credentials.ts";
import * as fd from "./fd.ts";
import { readdirSync } from "./folder.ts";
import { call, hasCode } from "./libc.ts";
import { namespaceCapabilities, type Owners, toHost } from "./owners.ts";
import { getXattr, listXattrs, setXattr } from "./xattr.ts";

const CHUNK = 1 << 30;

/**
 * Copies the content of one folder into another, with owners, modes, times,
 * extended attributes, links and device nodes. No symlink is followed: both sides
 * are walked by descriptor, since others may write in the target meanwhile.
 */
export function copyTree(source: number, target: number): void {
  copyFolder(source, target);
}

function copyFolder(source: number, target: number): void {
  for (const name of readdirSync(`/proc/self/fd/${source}`)) copyEntry(source, target, name);
  copyMetadata(fd.statat(source, ""), `/proc/self/fd/${source}`, target, "");
}

function copyEntry(source: number, target: number, name: string): void {
  const status = fd.statat(source, name);
  if ((status.mode & fd.S_IFMT) === fd.S_IFDIR) {
    fd.mkdirat(target, name, 0o700);
    using from = fd.openat(source, name, fd.O_RDONLY | fd.O_DIRECTORY | fd.O_NOFOLLOW);
    using to = fd.openat(target, name, fd.O_RDONLY | fd.O_DIRECTORY | fd.O_NOFOLLOW);
    copyFolder(from.fd, to.fd);
    return;
  }
  using file = fd.openat(source, name, fd.O_PATH | fd.O_NOFOLLOW);
  copyFile(file, target, name);
}

/** Copies what a descriptor (O_PATH will do) stands for, which is no folder, to a name that is free. */
export function copyFile(source: fd.OwnedFd, target: number, name: string, owners?: Owners): void {
  const status = fd.statat(source.fd, "");
  const type = status.mode & fd.S_IFMT;
  if (type === fd.S_IFREG) {
    using from = fd.openat(fd.AT_FDCWD, source.path, fd.O_RDONLY);
    using to = fd.openat(target, name, fd.O_WRONLY | fd.O_CREAT | fd.O_EXCL | fd.O_NOFOLLOW, 0o600);
    copyBytes(from.fd, to.fd);
  } else if (type === fd.S_IFLNK) {
    fd.symlinkat(fd.readlinkat(source.fd, ""), target, name);
  } else {
    fd.mknodat(target, name, status.mode, fd.makedev(status.rdevMajor, status.rdevMinor));
  }
  copyMetadata(status, type === fd.S_IFLNK ? undefined : source.path, target, name, owners);
}

function copyBytes(from: number, to: number): void {
  copyRange(from, undefined, to, Number.MAX_SAFE_INTEGER);
}

/**
 * Copies a part of a file behind what another one holds, sharing blocks where the file
 * system can; less where the file ends before. Without an offset from where it stands.
 */
export function copyRange(from: number, offset: number | undefined, to: number, size: number): void {
  const position = offset === undefined ? null : new BigInt64Array([BigInt(offset)]);
  let left = size;
  while (left > 0) {
    let n: number;
    try {
      n = call("copy_file_range", from, position, to, null, Math.min(CHUNK, left), 0);
    } catch {
      break; // other file systems, old kernels
    }
    if (n === 0) return;
    left -= n;
  }
  const buffer = Buffer.allocUnsafeSlow(1 << 18);
  while (left > 0) {
    const wanted = Math.min(buffer.length, left);
    const n = position ? call("pread64", from, buffer, wanted, position[0] as bigint) : call("read", from, buffer, wanted);
    if (n === 0) return;
    fd.writeAll(to, buffer.subarray(0, n));
    if (position) position[0] = (position[0] as bigint) + BigInt(n);
    left -= n;
  }
}

/** Changes an owner; where this user namespace has no such ids, the file stays ours. */
export function giveTo(folder: number, name: string, uid: number, gid: number): void {
  try {
    fd.chownat(folder, name, uid, gid);
  } catch (error) {
    if (!(hasCode(error, "EINVAL") && inUserNamespace())) throw error;
  }
}

/**
 * Gives a name another file's owner, mode, times and attributes.
 *
 * @param from where attributes are read; a link has none that matter
 * @param owners what the owners become, where they do not stay
 */
export function copyMetadata(status: fd.FileStatus, from: string | undefined, target: number, name: string, owners?: Owners): void {
  if (owners) fd.chownat(target, name, toHost(owners.uids, status.uid), toHost(owners.gids, status.gid));
  else giveTo(target, name, status.uid, status.gid);
  if (from !== undefined) {
    const to = `/proc/self/fd/${target}/${name}`;
    for (const attribute of listXattrs(from, true)) {
      const value = attribute.startsWith("trusted.overlay.") ? undefined : getXattr(from, attribute, true);
      if (value) setXattr(to, attribute, value);
    }
    if (owners) namespaceCapabilities(to, toHost(owners.uids, 0));
    call("fchmodat", target, name === "" ? "." : name, status.mode & 0o7777);
  }
  fd.utimensat(target, name === "" ? "." : name, status.mtime, status.mtime);
}
