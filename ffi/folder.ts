/** What is in a folder. */
import * as fd from "./fd.ts";
import { decodeName } from "./file-name.ts";
import { call } from "./libc.ts";

/** S_IFMT by dirent's type. */
const DT = { 4: fd.S_IFDIR, 8: fd.S_IFREG, 10: fd.S_IFLNK, 6: fd.S_IFBLK, 2: fd.S_IFCHR, 1: fd.S_IFIFO, 12: fd.S_IFSOCK } as Record<number, number>;

export interface FolderEntry {
  name: string;
  /** Its S_IFMT. */
  type: number;
}

/** What is in an open folder (getdents64(2)), in no order. */
export function entriesOf(folder: number): FolderEntry[] {
  const found: FolderEntry[] = [];
  const buffer = Buffer.allocUnsafe(32_768);
  for (;;) {
    const filled = call("getdents64", folder, buffer, buffer.length);
    if (filled === 0) return found;
    // struct linux_dirent64: inode, offset, length of the record, type, name.
    for (let at = 0; at < filled; at += buffer.readUInt16LE(at + 16)) {
      const name = decodeName(buffer.subarray(at + 19, buffer.indexOf(0, at + 19)));
      if (name === "." || name === "..") continue;
      // Some file systems do not tell.
      found.push({ name, type: DT[buffer[at + 18] as number] ?? fd.fileTypeAt(folder, name) });
    }
  }
}

export function readFolder(path: string): FolderEntry[] {
  using folder = fd.openat(fd.AT_FDCWD, path, fd.O_RDONLY | fd.O_DIRECTORY);
  return entriesOf(folder.fd);
}

/** Names, in no order. */
export const readdirSync = (path: string): string[] => readFolder(path).map(({ name }) => name);
