/** Removes what a name stands for, with all below it; by descriptor, so that no symlink is followed. */
import * as fd from "./fd.ts";
import { entriesOf } from "./folder.ts";
import { hasCode } from "./libc.ts";

/** Folders below each other that are open at once; what is deeper, node:fs removes. */
const MAX_DEPTH = 64;

/** @throws {SyscallError} ENOENT where it is not there; what somebody else removes below it meanwhile is no matter */
export function removeAt(folder: number, name: string): void {
  try {
    fd.unlinkat(folder, name);
  } catch (error) {
    if (!hasCode(error, "EISDIR")) throw error;
    removeFolder(folder, name, 0);
  }
}

function removeFolder(folder: number, name: string, depth: number): void {
  if (depth === MAX_DEPTH) {
    const { rmSync } = require("node:fs") as typeof import("node:fs");
    rmSync(`/proc/self/fd/${folder}/${name}`, { recursive: true, force: true });
    return;
  }
  {
    using inside = fd.openat(folder, name, fd.O_RDONLY | fd.O_DIRECTORY | fd.O_NOFOLLOW);
    for (const child of entriesOf(inside.fd)) {
      try {
        if (child.type === fd.S_IFDIR) removeFolder(inside.fd, child.name, depth + 1);
        else fd.unlinkat(inside.fd, child.name);
      } catch (error) {
        if (!hasCode(error, "ENOENT")) throw error;
      }
    }
  }
  fd.unlinkat(folder, name, fd.AT_REMOVEDIR);
}
