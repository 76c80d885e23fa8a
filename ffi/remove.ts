/** Removes what a name stands for, with all below it; by descriptor, so that no symlink is followed. */
import * as fd from "./fd.ts";
import { listNames } from "./file-name.ts";

export function removeAt(folder: number, name: string): void {
  if ((fd.statat(folder, name).mode & fd.S_IFMT) !== fd.S_IFDIR) {
    fd.unlinkat(folder, name);
    return;
  }
  {
    using inside = fd.openat(folder, name, fd.O_RDONLY | fd.O_DIRECTORY | fd.O_NOFOLLOW);
    for (const child of listNames(inside.path)) removeAt(inside.fd, child);
  }
  fd.unlinkat(folder, name, fd.AT_REMOVEDIR);
}
