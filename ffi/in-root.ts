/**
 * Paths inside a container's root, resolved so that no symlink of an image leads
 * outside of it: `..` and absolute links stop at the root, as after chroot(2).
 */
import * as fd from "./fd.ts";
import { type Call, failureOf, hasCode, SyscallError, tryCalls } from "./libc.ts";

const MAX_LINKS = 40; // as the kernel's own limit, MAXSYMLINKS

const EPERM = 1;
const ENOENT = 2;
const EAGAIN = 11;
const ENOSYS = 38;

const RESOLVE = fd.RESOLVE_IN_ROOT | fd.RESOLVE_NO_MAGICLINKS;
let openat2Works = true;

/**
 * Opens a path inside the folder `root` stands for.
 *
 * @throws {SyscallError} ENOENT, ELOOP, ENOTDIR and so on, as openat2(2)
 */
export function openInRoot(root: number, path: string, flags: number): fd.OwnedFd {
  const result = tryOpenat2(root, path, flags);
  if (result === undefined) return walk(root, path, flags, undefined);
  if (result >= 0) return new fd.OwnedFd(result);
  throw failureOf(result, "openat2", root, path);
}

/** As {@link openInRoot}; undefined where there is nothing. */
export function findInRoot(root: number, path: string, flags: number): fd.OwnedFd | undefined {
  const result = tryOpenat2(root, path, flags);
  if (result === -ENOENT) return undefined;
  if (result !== undefined && result >= 0) return new fd.OwnedFd(result);
  if (result !== undefined) throw failureOf(result, "openat2", root, path);
  try {
    return walk(root, path, flags, undefined);
  } catch (error) {
    if (hasCode(error, "ENOENT")) return undefined;
    throw error;
  }
}

/** As {@link openInRoot}, of several paths; undefined for those where there is nothing, or nothing that may be opened. */
export function findAllInRoot(root: number, paths: readonly string[], flags: number): (fd.OwnedFd | undefined)[] {
  const how = fd.openHow(flags, RESOLVE);
  const results = openat2Works ? tryCalls(paths.map((path): Call => ["openat2", root, path, how, how.byteLength])) : [];
  return paths.map((path, i) => {
    const result = results[i];
    if (result === -ENOENT) return undefined;
    if (result !== undefined && result >= 0) return new fd.OwnedFd(result);
    try {
      return openInRoot(root, path, flags);
    } catch (error) {
      if (hasCode(error, "ENOENT", "ENOTDIR", "EACCES")) return undefined;
      throw error;
    }
  });
}

// The number, or the negative errno; undefined where the kernel has no openat2(2).
function tryOpenat2(root: number, path: string, flags: number): number | undefined {
  for (let attempt = 0; openat2Works; attempt++) {
    const result = fd.tryOpenat2(root, path, flags, RESOLVE);
    // EAGAIN: something was renamed while the kernel walked over "..".
    if (result === -EAGAIN && attempt < 32) continue;
    if (result !== -ENOSYS && result !== -EPERM && result !== -EAGAIN) return result;
    openat2Works = false;
  }
  return undefined;
}

/** What {@link makeInRoot} makes where the path is missing. */
export interface Missing {
  /** What the last component becomes. */
  last: "directory" | "file";
  /** Mode of what is made. */
  mode: number;
}

/** Opens a path inside `root` with O_PATH, making missing folders and the last component. */
export function makeInRoot(root: number, path: string, missing: Missing): fd.OwnedFd {
  return findInRoot(root, path, fd.O_PATH) ?? makeLast(root, path, missing) ?? walk(root, path, fd.O_PATH, missing);
}

// Where but the last component is missing, and it is no link: undefined in all other cases.
function makeLast(root: number, path: string, missing: Missing): fd.OwnedFd | undefined {
  const [, above = "", name = ""] = /^(.*?)\/*([^/]+)\/*$/.exec(path) ?? [];
  if (!openat2Works || name === "" || name === "." || name === "..") return undefined;
  using folder = above === "" ? undefined : findInRoot(root, above, fd.O_PATH | fd.O_DIRECTORY);
  if (!folder && above !== "") return undefined;
  make(folder?.fd ?? root, name, missing);
  return findInRoot(root, path, fd.O_PATH);
}

/**
 * The walk that openat2(2) does in the kernel: component by component, never
 * following a link by itself, `..` by the stack of opened folders.
 */
export function walk(root: number, path: string, flags: number, missing: Missing | undefined): fd.OwnedFd {
  const folders: fd.OwnedFd[] = [];
  const top = () => folders.at(-1)?.fd ?? root;
  const queue = path.split("/").filter((c) => c !== "" && c !== ".");
  let links = 0;
  try {
    for (let component = queue.shift(); component !== undefined; component = queue.shift()) {
      if (component === "..") {
        folders.pop()?.close();
        continue;
      }
      const next = openComponent(top(), component, queue.length === 0, missing);
      const type = fd.fileTypeAt(next.fd, "");
      if (type === fd.S_IFLNK && !(queue.length === 0 && (flags & fd.O_NOFOLLOW) !== 0)) {
        using link = next;
        if (++links > MAX_LINKS) throw new SyscallError("openat", "ELOOP", [path]);
        const target = fd.readlinkat(link.fd, "");
        if (target.startsWith("/")) for (const folder of folders.splice(0)) folder.close();
        queue.unshift(...target.split("/").filter((c) => c !== "" && c !== "."));
        continue;
      }
      if (queue.length > 0 && type !== fd.S_IFDIR) {
        next.close();
        throw new SyscallError("openat", "ENOTDIR", [path]);
      }
      folders.push(next);
    }
    const last = folders.pop();
    if (!last) return fd.openat(root, ".", flags);
    if ((flags & fd.O_PATH) !== 0) return last;
    using target = last;
    // The descriptor is what was walked to; /proc reopens it with the access asked for.
    return fd.openat(fd.AT_FDCWD, target.path, flags & ~fd.O_NOFOLLOW);
  } finally {
    for (const folder of folders) folder.close();
  }
}

function openComponent(parent: number, name: string, isLast: boolean, missing: Missing | undefined): fd.OwnedFd {
  try {
    return fd.openat(parent, name, fd.O_PATH | fd.O_NOFOLLOW);
  } catch (error) {
    if (!missing || !hasCode(error, "ENOENT")) throw error;
  }
  make(parent, name, isLast ? missing : { last: "directory", mode: 0o755 });
  return fd.openat(parent, name, fd.O_PATH | fd.O_NOFOLLOW);
}

// Unless it is there by now.
function make(parent: number, name: string, { last, mode }: Missing): void {
  try {
    if (last === "file") fd.openat(parent, name, fd.O_CREAT | fd.O_EXCL | fd.O_WRONLY | fd.O_NOFOLLOW, mode).close();
    else fd.mkdirat(parent, name, mode);
  } catch (error) {
    if (!hasCode(error, "EEXIST")) throw error;
  }
}
