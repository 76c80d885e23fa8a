/** The root file system itself: an overlay of layers, or a folder. */

import { inUserNamespace } from "../../../ffi/credentials.ts";
import { AT_FDCWD, O_DIRECTORY, O_PATH, type OwnedFd, openat } from "../../../ffi/fd.ts";
import { readFileSync, rmSync } from "../../../ffi/files.ts";
import { hasCode, reasonOf } from "../../../ffi/libc.ts";
import { MOUNT_DATA_MAX, MS_BIND, MS_PRIVATE, MS_REC, mount } from "../../../ffi/mount.ts";
import { join } from "../../../ffi/path.ts";
import { chdir } from "../../../ffi/process.ts";
import { RuntimeFailure } from "../errors.ts";

/** How the root is made. Paths are of the host. */
export type Root =
  | {
      type: "overlay";
      /** A folder that `lower`, `upper` and `work` are relative to, so that mount(2)'s one page holds many. */
      base: string;
      /** Layers, the topmost first; at least one. */
      lower: string[];
      /** Absent for an overlay that is only read; then there are at least two layers. */
      upper: string | undefined;
      work: string | undefined;
      /** Whether what is written may be lost with the machine: nothing waits for the disk then, neither fsync(2) nor the unmounting. */
      isVolatile?: boolean;
      /** MS_* for the mount. */
      flags?: number;
      owners?: RootOwners;
    }
  | { type: "folder"; path: string; owners?: RootOwners };

/**
 * For a container in a user namespace, which may not open its root itself: whether owners
 * are to appear as that maps them, or are its own already. See idmapped-root.ts.
 */
export type RootOwners = "mapped" | "own";

/** Mounts the root at `target`, in this process's mount namespace. */
export function mountRoot(root: Root, target: string): void {
  if (root.type === "folder") {
    try {
      mount(root.path, target, null, MS_BIND | MS_REC);
      mount(null, target, null, MS_PRIVATE);
    } catch (error) {
      throw new RuntimeFailure(`cannot mount root ${root.path}: ${reasonOf(error)}`, "setup", { cause: error });
    }
    return;
  }
  mountOverlay(root, target);
}

// In lowerdir a colon separates and a backslash escapes; in all options a comma ends one.
const escapePath = (path: string) => path.replace(/[\\:,]/g, "\\$&");

export function mountOverlay(root: Root & { type: "overlay" }, target: string): void {
  chdir(root.base);
  const own = root.upper === undefined || root.work === undefined ? "" : `,upperdir=${escapePath(root.upper)},workdir=${escapePath(root.work)}`;
  // In a user namespace its marks are where users may set them.
  const marks = inUserNamespace() ? ",userxattr" : "";
  const options = (lower: string[]) => `lowerdir=${lower.map(escapePath).join(":")}${own}${marks}`;
  let data = options(root.lower);
  const opened: OwnedFd[] = [];
  try {
    if (data.length + VOLATILE.length > MOUNT_DATA_MAX) {
      // Layers by descriptor: 20 bytes each instead of 72.
      for (const lower of root.lower) opened.push(openat(AT_FDCWD, lower, O_PATH | O_DIRECTORY));
      data = options(opened.map((layer) => layer.path));
    }
    const mountWith = (more: string) => mount("overlay", target, "overlay", root.flags ?? 0, data + more);
    if (root.isVolatile && root.work !== undefined) mountVolatile(root.work, mountWith);
    else mountWith("");
  } catch (error) {
    const layers = root.lower.length;
    const hint = isMissing("overlay") ? "; this kernel has no overlay file system" : layers > 128 ? `; it has ${layers} layers` : "";
    throw new RuntimeFailure(`cannot mount overlay of ${layers} layers on ${root.base}: ${reasonOf(error)}${hint}`, "setup", { cause: error });
  } finally {
    for (const layer of opened) layer.close();
    chdir("/");
  }
}

const VOLATILE = ",volatile";

// Linux 5.10 and later; one that was mounted so before has a mark in its work folder that must go (overlayfs.rst, "Volatile mount").
function mountVolatile(work: string, mountWith: (more: string) => void): void {
  for (const more of [VOLATILE, VOLATILE, ""]) {
    try {
      mountWith(more);
      return;
    } catch (error) {
      if (more === "" || !hasCode(error, "EINVAL")) throw error;
      rmSync(join(work, "work", "incompat", "volatile"), { recursive: true, force: true });
    }
  }
}

function isMissing(type: string): boolean {
  try {
    return !readFileSync("/proc/filesystems", "utf8").split(/\s/).includes(type);
  } catch {
    return false;
  }
}
