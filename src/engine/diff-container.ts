/** `diff`: what a container changed of its image's files. */

import * as fd from "../../ffi/fd.ts";
import { mkdirSync, readdirSync } from "../../ffi/files.ts";
import { openInRoot } from "../../ffi/in-root.ts";
import { hasCode } from "../../ffi/libc.ts";
import { MNT_DETACH, MS_RDONLY, umount } from "../../ffi/mount.ts";
import { CLONE_NEWNS, unshare } from "../../ffi/namespace.ts";
import { isOverlayOpaque, isOverlayWhiteout } from "../image/whiteouts.ts";
import { detachFromHost } from "../runtime/rootfs/pivot.ts";
import { mountRoot, type Root } from "../runtime/rootfs/root.ts";
import { buildRoot } from "./container-spec.ts";
import type { Engine } from "./engine.ts";
import { EngineError } from "./errors.ts";
import { mountPlaces } from "./mount-places.ts";
import { resolveContainer } from "./resolve-container.ts";

/** Docker's: added, changed, deleted. */
export interface Difference {
  kind: "A" | "C" | "D";
  path: string;
}

/** Differences in the order of their paths. Throws {@link EngineError} where the container has a copy of its layers. */
export function diffContainer(engine: Engine, text: string): Difference[] {
  const record = resolveContainer(engine, text);
  const root = buildRoot(engine, record);
  if (root.type !== "overlay" || root.upper === undefined)
    throw new EngineError("diff needs an overlay file system: this container has a copy of its layers");
  const exclude = mountPlaces(engine, record);
  using upper = fd.openat(fd.AT_FDCWD, `${root.base}/${root.upper}`, fd.O_RDONLY | fd.O_DIRECTORY);
  return withImageRoot(engine, root, (image) => {
    const found: Difference[] = [];
    compare(upper, image, "", exclude, found);
    return found.sort((a, b) => (a.path < b.path ? -1 : 1));
  });
}

function withImageRoot<T>(engine: Engine, root: Root & { type: "overlay" }, action: (image: fd.OwnedFd) => T): T {
  const { mountPoint } = engine.layout;
  mkdirSync(mountPoint, { recursive: true, mode: 0o711 });
  unshare(CLONE_NEWNS); // what it mounts is seen by nobody, and ends with this process
  detachFromHost();
  const [only = ""] = root.lower;
  // An overlay that is only read needs two layers.
  const below: Root =
    root.lower.length > 1
      ? { ...root, upper: undefined, work: undefined, flags: MS_RDONLY }
      : { type: "folder", path: only.startsWith("/") ? only : `${root.base}/${only}` };
  mountRoot(below, mountPoint);
  try {
    using folder = fd.openat(fd.AT_FDCWD, mountPoint, fd.O_PATH | fd.O_DIRECTORY);
    return action(folder);
  } finally {
    umount(mountPoint, MNT_DETACH);
  }
}

// What is of the name in the image; undefined where there is nothing.
function inImage(image: fd.OwnedFd, path: string): fd.FileStatus | undefined {
  try {
    using file = openInRoot(image.fd, path, fd.O_PATH | fd.O_NOFOLLOW);
    return fd.statat(file.fd, "");
  } catch (error) {
    if (hasCode(error, "ENOENT", "ENOTDIR", "ELOOP")) return undefined;
    throw error;
  }
}

// Gives whether anything in the folder is told.
function compare(folder: fd.OwnedFd, image: fd.OwnedFd, prefix: string, exclude: ReadonlySet<string>, found: Difference[]): boolean {
  const before = found.length;
  const names = readdirSync(folder.path);
  if (prefix !== "" && isOverlayOpaque(`${folder.path}/.`) && inImage(image, prefix)) {
    // The whole folder was replaced: what is not there any more is gone.
    using old = openInRoot(image.fd, prefix, fd.O_RDONLY | fd.O_DIRECTORY);
    for (const name of readdirSync(old.path)) if (!names.includes(name)) found.push({ kind: "D", path: `/${prefix}/${name}` });
  }
  for (const name of names) {
    const path = prefix === "" ? name : `${prefix}/${name}`;
    if (exclude.has(path)) continue;
    const status = fd.statat(folder.fd, name);
    if (isOverlayWhiteout(status)) {
      found.push({ kind: "D", path: `/${path}` });
      continue;
    }
    const old = inImage(image, path);
    if ((status.mode & fd.S_IFMT) !== fd.S_IFDIR) {
      found.push({ kind: old ? "C" : "A", path: `/${path}` });
      continue;
    }
    using child = fd.openat(folder.fd, name, fd.O_RDONLY | fd.O_DIRECTORY | fd.O_NOFOLLOW);
    const hasMore = compare(child, image, path, exclude, found);
    // Folders on the way to a mount are there without anybody having changed them.
    const isOnTheWay = [...exclude].some((place) => place.startsWith(`${path}/`));
    const isFolder = old !== undefined && (old.mode & fd.S_IFMT) === fd.S_IFDIR;
    const isOther = isFolder && (old.mode !== status.mode || old.uid !== status.uid || old.gid !== status.gid);
    if (hasMore || isOther || !isOnTheWay) found.push({ kind: isFolder ? "C" : "A", path: `/${path}` });
  }
  return found.length > before;
}
