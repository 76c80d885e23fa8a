/** Extended attributes (xattr(7)), never following a last symlink. */
import { call, tryCall } from "./libc.ts";

/** Names of a file's attributes; none where the file system has no such thing. */
export function listXattrs(path: string): string[] {
  const size = tryCall("llistxattr", path, null, 0);
  if (size <= 0) return [];
  const buffer = Buffer.alloc(size + 256);
  const n = call("llistxattr", path, buffer, buffer.length);
  return buffer
    .toString("utf8", 0, n)
    .split("\0")
    .filter((name) => name !== "");
}

/** The value, or undefined where it is absent. */
export function getXattr(path: string, name: string): Buffer | undefined {
  const buffer = Buffer.alloc(65536); // XATTR_SIZE_MAX
  const n = tryCall("lgetxattr", path, name, buffer, buffer.length);
  return n < 0 ? undefined : buffer.subarray(0, n);
}

export function setXattr(path: string, name: string, value: Uint8Array): void {
  call("lsetxattr", path, name, value, value.length, 0);
}
