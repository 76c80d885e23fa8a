/** Fills an empty volume or tmpfs with what the image has at that place. */
import { readdirSync } from "node:fs";
import * as fd from "../../../ffi/fd.ts";
import { call } from "../../../ffi/libc.ts";
import { getXattr, listXattrs, setXattr } from "../../../ffi/xattr.ts";

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
  copyMetadata(source, "", target, "");
}

function copyEntry(source: number, target: number, name: string): void {
  const status = fd.statat(source, name);
  const type = status.mode & fd.S_IFMT;
  if (type === fd.S_IFDIR) {
    fd.mkdirat(target, name, 0o700);
    using from = fd.openat(source, name, fd.O_RDONLY | fd.O_DIRECTORY | fd.O_NOFOLLOW);
    using to = fd.openat(target, name, fd.O_RDONLY | fd.O_DIRECTORY | fd.O_NOFOLLOW);
    copyFolder(from.fd, to.fd);
    return;
  }
  if (type === fd.S_IFREG) {
    using from = fd.openat(source, name, fd.O_RDONLY | fd.O_NOFOLLOW);
    using to = fd.openat(target, name, fd.O_WRONLY | fd.O_CREAT | fd.O_EXCL | fd.O_NOFOLLOW, 0o600);
    copyBytes(from.fd, to.fd);
  } else if (type === fd.S_IFLNK) {
    fd.symlinkat(fd.readlinkat(source, name), target, name);
  } else {
    fd.mknodat(target, name, status.mode, fd.makedev(status.rdevMajor, status.rdevMinor));
  }
  copyMetadata(source, name, target, name);
}

function copyBytes(from: number, to: number): void {
  for (;;) {
    let n: number;
    try {
      n = call("copy_file_range", from, null, to, null, CHUNK, 0);
    } catch {
      n = -1; // other file systems, old kernels
    }
    if (n === 0) return;
    if (n > 0) continue;
    const buffer = Buffer.alloc(1 << 18);
    for (let got = call("read", from, buffer, buffer.length); got > 0; got = call("read", from, buffer, buffer.length)) {
      fd.writeAll(to, buffer.subarray(0, got));
    }
    return;
  }
}

function copyMetadata(source: number, sourceName: string, target: number, targetName: string): void {
  const status = fd.statat(source, sourceName);
  const type = status.mode & fd.S_IFMT;
  fd.chownat(target, targetName, status.uid, status.gid);
  const from = `/proc/self/fd/${source}/${sourceName}`;
  const to = `/proc/self/fd/${target}/${targetName}`;
  for (const name of listXattrs(from)) {
    const value = name.startsWith("trusted.overlay.") ? undefined : getXattr(from, name);
    if (value) setXattr(to, name, value);
  }
  if (type !== fd.S_IFLNK) call("fchmodat", target, targetName === "" ? "." : targetName, status.mode & 0o7777);
  fd.utimensat(target, targetName === "" ? "." : targetName, status.mtime, status.mtime);
}
