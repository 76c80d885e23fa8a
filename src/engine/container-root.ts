/** A container's files as it sees them, for `export`: mounted where nobody else sees it. */
import { mkdirSync } from "node:fs";
import * as fd from "../../ffi/fd.ts";
import { MNT_DETACH, MS_RDONLY, umount } from "../../ffi/mount.ts";
import { CLONE_NEWNS, unshare } from "../../ffi/namespace.ts";
import { detachFromHost } from "../runtime/rootfs/pivot.ts";
import { mountRoot, type Root } from "../runtime/rootfs/root.ts";
import type { ContainerRecord } from "../store/containers.ts";
import { buildRoot } from "./container-spec.ts";
import type { Engine } from "./engine.ts";

function readOnly(root: Root): Root {
  if (root.type === "folder") return root;
  const lower = root.upper === undefined ? root.lower : [root.upper, ...root.lower];
  return { ...root, lower, upper: undefined, work: undefined, flags: MS_RDONLY };
}

/** Calls back with the root, read-only, without the container's mounts. */
export function withContainerRoot<T>(engine: Engine, record: ContainerRecord, action: (root: fd.OwnedFd) => T): T {
  const { mountPoint } = engine.layout;
  mkdirSync(mountPoint, { recursive: true, mode: 0o711 });
  const root = buildRoot(engine, record);
  // For this thread only: what it mounts ends with this process, whatever happens.
  unshare(CLONE_NEWNS);
  detachFromHost();
  // A container that runs keeps its upper folder; as a lower one it is only read.
  mountRoot(readOnly(root), mountPoint);
  try {
    using folder = fd.openat(fd.AT_FDCWD, mountPoint, fd.O_RDONLY | fd.O_DIRECTORY);
    return action(folder);
  } finally {
    umount(mountPoint, MNT_DETACH);
  }
}
