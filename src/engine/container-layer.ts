/**
 * A container's own layer on disk: the upper folder of an overlay, or, where the kernel
 * or the file system below has none, a copy of all its layers.
 */

import * as fd from "../../ffi/fd.ts";
import { chmodSync, existsSync, mkdirSync } from "../../ffi/files.ts";
import type { Owners } from "../../ffi/owners.ts";
import { join } from "../../ffi/path.ts";
import { mergeLayers } from "../image/merge.ts";
import { Snapshot } from "../image/snapshot.ts";
import type { TarWriter } from "../image/tar-writer.ts";
import { type TreeOptions, writeTree } from "../image/tree.ts";
import type { ContainerRecord } from "../store/containers.ts";
import { layerFolder } from "../store/layout.ts";
import type { Engine } from "./engine.ts";
import { EngineError } from "./errors.ts";
import { COPY, canMapOwners, MAPPED_COPY, storageDriver, UPPER, WORK } from "./storage-driver.ts";

const SNAPSHOT = "snapshot";

/**
 * Makes the folders of a container.
 *
 * @param layers diff ids, the lowest first; undefined for a root folder of the user's
 * @param owners of its user namespace, if it has one
 */
export function makeContainerLayer(engine: Engine, id: string, layers: string[] | undefined, owners: Owners | undefined): void {
  const folder = engine.layout.container(id);
  mkdirSync(join(folder, UPPER), { recursive: true, mode: 0o755 });
  mkdirSync(join(folder, WORK), { mode: 0o700 });
  const isMapped = owners !== undefined && !canMapOwners(engine);
  if (storageDriver(engine) === "overlay2" && !isMapped) return;
  if (!layers && isMapped) throw new EngineError("--rootfs in a user namespace needs mounts that map owners (Linux 5.19)");
  if (!layers) throw new EngineError(`--rootfs needs an overlay file system, which cannot be had on ${engine.layout.data}`);
  const copy = join(folder, isMapped ? MAPPED_COPY : COPY);
  mkdirSync(copy, { mode: 0o755 });
  using root = fd.openat(fd.AT_FDCWD, copy, fd.O_RDONLY | fd.O_DIRECTORY);
  mergeLayers(
    layers.map((diffId) => join(engine.layout.layers, layerFolder(diffId))),
    root,
    isMapped ? owners : undefined,
  );
  chmodSync(copy, 0o755); // as an upper folder has it
  Snapshot.take(root).save(join(folder, SNAPSHOT));
}

/** Owners as they are on disk in a copy that a container in a user namespace has. */
export function ownersOf({ layout }: Engine, { id, config }: Pick<ContainerRecord, "id" | "config">): Owners | undefined {
  return config.idMappings && existsSync(join(layout.container(id), MAPPED_COPY)) ? config.idMappings : undefined;
}

/** Writes what a container changed, as a layer. */
export function writeContainerLayer(engine: Engine, record: ContainerRecord, writer: TarWriter, exclude: TreeOptions["exclude"]): void {
  const folder = engine.layout.container(record.id);
  const copy = [COPY, MAPPED_COPY].find((name) => existsSync(join(folder, name)));
  using root = fd.openat(fd.AT_FDCWD, join(folder, copy ?? UPPER), fd.O_RDONLY | fd.O_DIRECTORY);
  const owners = ownersOf(engine, record);
  writeTree(writer, root, { whiteouts: !copy, exclude, owners, ...(copy && { before: Snapshot.load(join(folder, SNAPSHOT)) }) });
}
