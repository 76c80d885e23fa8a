/** What the kernel can do with the engine's file system, tried. */

import { inUserNamespace } from "../../ffi/credentials.ts";
import * as fd from "../../ffi/fd.ts";
import { mkdirSync, rmSync } from "../../ffi/files.ts";
import { canMount } from "../../ffi/mount.ts";
import { join } from "../../ffi/path.ts";
import { RuntimeFailure } from "../runtime/errors.ts";
import { openIdMapping } from "../runtime/id-mapping.ts";
import { openIdMappedRoot } from "../runtime/rootfs/idmapped-root.ts";
import type { Root } from "../runtime/rootfs/root.ts";
import { temporaryPath } from "../store/temporary.ts";
import type { Engine } from "./engine.ts";
import { UPPER, WORK } from "./storage-driver.ts";

/** Whether overlays work. */
export function tryOverlay(engine: Engine): boolean {
  const folder = temporaryPath(engine.layout.layers);
  for (const name of ["lower", UPPER, WORK]) mkdirSync(join(folder, name), { recursive: true, mode: 0o700 });
  try {
    // By descriptor: options of a mount cannot hold every path.
    using base = fd.openat(fd.AT_FDCWD, folder, fd.O_PATH | fd.O_DIRECTORY);
    return canMount("overlay", {
      lowerdir: `${base.path}/lower`,
      upperdir: `${base.path}/${UPPER}`,
      workdir: `${base.path}/${WORK}`,
      ...(inUserNamespace() && { userxattr: "" }),
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Whether mounts can show files with other owners. */
export function tryMapping(engine: Engine): boolean {
  const folder = temporaryPath(engine.layout.layers);
  for (const name of ["lower", "own/upper", "own/work", "staging"]) mkdirSync(join(folder, name), { recursive: true, mode: 0o700 });
  const first = 0x7000_0000;
  try {
    using namespace = openIdMapping([{ containerID: 0, hostID: first, size: 1 }], [{ containerID: 0, hostID: first, size: 1 }]);
    const root: Root = { type: "overlay", base: folder, lower: ["lower"], upper: "own/upper", work: "own/work", owners: "mapped" };
    openIdMappedRoot(root, join(folder, "staging"), namespace, { uid: first, gid: first }).close();
    return true;
  } catch (error) {
    if (!(error instanceof RuntimeFailure)) throw error;
    return false;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
