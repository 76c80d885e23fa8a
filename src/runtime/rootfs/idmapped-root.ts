/**
 * The root of a container in a user namespace, with the owners its files have on disk
 * mapped into it: made by its parent, since only the host's root may map them.
 */

import { asFileOwner } from "../../../ffi/credentials.ts";
import { AT_FDCWD, O_PATH, O_RDONLY, type OwnedFd, openat } from "../../../ffi/fd.ts";
import { mkdirSync } from "../../../ffi/files.ts";
import { reasonOf } from "../../../ffi/libc.ts";
import { attachTree, cloneTree, MOUNT_ATTR_IDMAP, mount, setMountAttributes } from "../../../ffi/mount.ts";
import { CLONE_NEWNS, enterMountNamespace, unshare } from "../../../ffi/namespace.ts";
import { dirname, join } from "../../../ffi/path.ts";
import { RuntimeFailure } from "../errors.ts";
import { detachFromHost } from "./pivot.ts";
import { mountOverlay, type Root } from "./root.ts";

/**
 * Opens the root, mounted nowhere yet.
 *
 * @param staging an empty folder; nothing is seen in it afterwards
 * @param userNamespace the container's
 * @param owner its root, as the host has it
 * @throws {RuntimeFailure}
 */
export function openIdMappedRoot(root: Root, staging: string, userNamespace: OwnedFd, owner: { uid: number; gid: number }): OwnedFd {
  const open = (path: string) => {
    const tree = cloneTree(AT_FDCWD, path, false);
    if (root.owners === "mapped") setMountAttributes(tree.fd, "", false, { set: MOUNT_ATTR_IDMAP, userNamespace: userNamespace.fd });
    return tree;
  };
  try {
    if (root.type === "folder") return open(root.path);
    // An overlay takes its layers from mounts of the same namespace only: one that nobody else has, for a moment.
    using own = openat(AT_FDCWD, "/proc/self/ns/mnt", O_RDONLY);
    unshare(CLONE_NEWNS);
    try {
      detachFromHost();
      mount("tmpfs", staging, "tmpfs", 0, "mode=755");
      const place = (path: string, name: string) => {
        mkdirSync(join(staging, name));
        using target = openat(AT_FDCWD, join(staging, name), O_PATH);
        using tree = open(join(root.base, path));
        attachTree(tree.fd, target.fd);
        return name;
      };
      const lower = root.lower.map((path, i) => place(path, String(i)));
      const parts = root.upper !== undefined && root.work !== undefined && { upper: root.upper, work: root.work };
      if (parts) place(dirname(parts.upper), "own");
      const inside = (path: string) => join("own", path.slice(dirname(path).length));
      mkdirSync(join(staging, "merged"));
      const overlay = { ...root, base: staging, lower, upper: parts ? inside(parts.upper) : undefined, work: parts ? inside(parts.work) : undefined };
      // Overlay works in its upper folder as who mounted it, whom the mapping must know.
      asFileOwner(owner.uid, owner.gid, () => mountOverlay(overlay, join(staging, "merged")));
      return cloneTree(AT_FDCWD, join(staging, "merged"), false);
    } finally {
      enterMountNamespace(own.fd);
    }
  } catch (error) {
    const why = error instanceof RuntimeFailure ? error.message : reasonOf(error);
    throw new RuntimeFailure(`cannot map the owners of the root's files: ${why} (that needs Linux 5.19 and a file system that can)`, "setup", {
      cause: error,
    });
  }
}
