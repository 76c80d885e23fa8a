/** A container's files, for `export` and `cp`. */

import * as fd from "../../ffi/fd.ts";
import { mkdirSync } from "../../ffi/files.ts";
import { MNT_DETACH, MS_RDONLY, umount } from "../../ffi/mount.ts";
import { CLONE_NEWNS, unshare } from "../../ffi/namespace.ts";
import type { Owners } from "../../ffi/owners.ts";
import { mountInRoot } from "../runtime/rootfs/mounts.ts";
import { detachFromHost } from "../runtime/rootfs/pivot.ts";
import { mountRoot, type Root } from "../runtime/rootfs/root.ts";
import type { ContainerRecord } from "../store/containers.ts";
import { ownersOf } from "./container-layer.ts";
import { buildRoot, ownMounts } from "./container-spec.ts";
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

/** A container's files with its volumes and binds; see {@link openContainerRoot}. */
export interface ContainerFiles extends Disposable {
  root: fd.OwnedFd;
  /** Owners as this process sees them, where they are not the container's. */
  owners: Owners | undefined;
}

/** Opens what a container sees: by its processes where it runs, else mounted where nobody else sees it. */
export function openContainerFiles(engine: Engine, record: ContainerRecord, mountPoint = engine.layout.mountPoint): ContainerFiles {
  const { process, config } = record;
  if (process) {
    const root = fd.openat(fd.AT_FDCWD, `/proc/${process.pid}/root`, fd.O_PATH | fd.O_DIRECTORY);
    return { root, owners: config.idMappings, [Symbol.dispose]: () => root.close() };
  }
  mkdirSync(mountPoint, { recursive: true, mode: 0o711 });
  unshare(CLONE_NEWNS);
  detachFromHost();
  mountRoot(buildRoot(engine, record), mountPoint);
  const root = fd.openat(fd.AT_FDCWD, mountPoint, fd.O_PATH | fd.O_DIRECTORY);
  for (const mount of ownMounts(engine, record)) mountInRoot(root.fd, mount);
  return {
    root,
    owners: ownersOf(engine, record),
    [Symbol.dispose]: () => {
      root.close();
      umount(mountPoint, MNT_DETACH);
    },
  };
}
