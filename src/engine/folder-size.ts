/** How much a folder holds. */
import * as fd from "../../ffi/fd.ts";
import { readdirSync } from "../../ffi/files.ts";
import { hasCode } from "../../ffi/libc.ts";

/** Bytes of all files below a folder, each counted once; 0 where it is not there. Other file systems are left out. */
export function folderSize(path: string): number {
  try {
    using folder = fd.openat(fd.AT_FDCWD, path, fd.O_RDONLY | fd.O_DIRECTORY | fd.O_NOFOLLOW);
    const { devMajor, devMinor } = fd.statat(folder.fd, "");
    return sizeOf(folder, `${devMajor}:${devMinor}`, new Set());
  } catch (error) {
    if (hasCode(error, "ENOENT", "ENOTDIR")) return 0;
    throw error;
  }
}

function sizeOf(folder: fd.OwnedFd, device: string, counted: Set<bigint>): number {
  let bytes = 0;
  for (const name of readdirSync(folder.path)) {
    try {
      const status = fd.statat(folder.fd, name);
      if (`${status.devMajor}:${status.devMinor}` !== device) continue;
      if ((status.mode & fd.S_IFMT) === fd.S_IFDIR) {
        using child = fd.openat(folder.fd, name, fd.O_RDONLY | fd.O_DIRECTORY | fd.O_NOFOLLOW);
        bytes += sizeOf(child, device, counted);
        continue;
      }
      if (status.nlink > 1 && counted.has(status.ino)) continue;
      if (status.nlink > 1) counted.add(status.ino);
      bytes += Number(status.size);
    } catch (error) {
      if (!hasCode(error, "ENOENT", "ENOTDIR", "ELOOP")) throw error; // changed meanwhile
    }
  }
  return bytes;
}
