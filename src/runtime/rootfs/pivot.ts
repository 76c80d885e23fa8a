/** The container's root becomes `/`. */

import { AT_FDCWD, O_DIRECTORY, O_PATH, O_RDONLY, type OwnedFd, openat } from "../../../ffi/fd.ts";
import { readFileSync } from "../../../ffi/files.ts";
import { hasCode } from "../../../ffi/libc.ts";
import { MNT_DETACH, MS_MOVE, MS_PRIVATE, MS_REC, MS_SLAVE, mount, pivotRoot, umount } from "../../../ffi/mount.ts";
import { enterMountNamespace } from "../../../ffi/namespace.ts";
import { chdir, chroot, fchdir } from "../../../ffi/process.ts";

// Whether somebody started us in a chroot: "/" is no mount then, and the namespace has more above it.
let inChroot = false;

/** Keeps the mounts of this new namespace from reaching the host's. */
export function detachFromHost(): void {
  inChroot = false;
  try {
    mount(null, "/", null, MS_SLAVE | MS_REC);
    return;
  } catch (error) {
    if (!hasCode(error, "EINVAL")) throw error;
  }
  inChroot = true;
  using chrootFolder = openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY);
  enterNamespaceRoot();
  mount(null, "/", null, MS_SLAVE | MS_REC);
  fchdir(chrootFolder.fd);
  chroot(".");
}

// setns(2) to the own namespace leads to its root, out of any chroot.
function enterNamespaceRoot(): void {
  using own = openat(AT_FDCWD, "/proc/self/ns/mnt", O_RDONLY);
  enterMountNamespace(own.fd);
}

/**
 * Makes a mount the root of this mount namespace and lets go of the old one.
 *
 * @param newRoot where it is
 * @param target its path
 * @param noPivot moves the mount over the old root instead, as where pivot_root(2) cannot work
 */
export function enterRoot(newRoot: OwnedFd, target: string, noPivot: boolean): void {
  // In a chroot the rest of the host would stay above, one chroot(2) of a container's root away.
  if (inChroot) enterNamespaceRoot();
  using oldRoot = openat(AT_FDCWD, "/", O_RDONLY | O_DIRECTORY);
  fchdir(newRoot.fd);
  if (noPivot) {
    moveRoot(target);
    return;
  }
  try {
    pivotRoot(".", ".");
  } catch (error) {
    // The first root of a machine (an initramfs) has no parent to be pivoted to.
    if (!hasCode(error, "EINVAL")) throw error;
    moveRoot(target);
    return;
  }
  // The old root now lies over the new one; what happens to it must not reach the host.
  fchdir(oldRoot.fd);
  mount(null, ".", null, MS_SLAVE | MS_REC);
  umount(".", MNT_DETACH);
  chdir("/");
}

// The old root stays below, out of reach but for whoever could mount again; its
// kernel file systems go, since unmasked copies would allow just that.
function moveRoot(target: string): void {
  const mounts = readFileSync("/proc/self/mountinfo", "utf8").trim().split("\n");
  const outside = mounts
    .map((line) => ({ point: line.split(" ")[4] ?? "/", type: line.slice(line.indexOf(" - ") + 3).split(" ")[0] }))
    .filter(({ point, type }) => point !== "/" && !`${point}/`.startsWith(`${target}/`) && ["proc", "sysfs"].includes(type ?? ""));
  for (const { point } of outside.reverse()) {
    try {
      mount(null, point, null, MS_PRIVATE | MS_REC);
      umount(point, MNT_DETACH);
    } catch (error) {
      if (!hasCode(error, "EINVAL", "ENOENT")) throw error;
    }
  }
  mount(".", "/", null, MS_MOVE);
  chroot(".");
  chdir("/");
}
