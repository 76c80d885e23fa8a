/** Extended attributes (xattr(7)). A last symlink is not followed unless asked for, as with /proc's own of a descriptor. */
import { decodeName } from "./file-name.ts";
import { call, tryCall } from "./libc.ts";

/** Names of a file's attributes; none where the file system has no such thing. */
export function listXattrs(path: string, follow = false): string[] {
  const name = follow ? "listxattr" : "llistxattr";
  const size = tryCall(name, path, null, 0);
  if (size <= 0) return [];
  const buffer = Buffer.alloc(size + 256);
  const n = call(name, path, buffer, buffer.length);
  return decodeName(buffer.subarray(0, n))
    .split("\0")
    .filter((name) => name !== "");
}

/** The value, or undefined where it is absent. */
export function getXattr(path: string, name: string, follow = false): Buffer | undefined {
  const buffer = Buffer.alloc(65536); // XATTR_SIZE_MAX
  const n = tryCall(follow ? "getxattr" : "lgetxattr", path, name, buffer, buffer.length);
  return n < 0 ? undefined : buffer.subarray(0, n);
}

export function setXattr(path: string, name: string, value: Uint8Array): void {
  call("lsetxattr", path, name, value, value.length, 0);
}
