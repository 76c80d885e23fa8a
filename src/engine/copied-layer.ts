/** A container's own layer where it is a copy of all its image's layers: where there can be no overlay, or none that maps owners. */

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
import { ownersOf } from "./container-layer.ts";
import type { Engine } from "./engine.ts";
import { COPY, MAPPED_COPY, UPPER } from "./storage-driver.ts";

const SNAPSHOT = "snapshot";

/**
 * @param folder the container's
 * @param layers diff ids, the lowest first
 * @param owners of its user namespace, if they are to be on disk
 */
export function copyLayers(engine: Engine, folder: string, layers: string[], owners: Owners | undefined): void {
  const copy = join(folder, owners ? MAPPED_COPY : COPY);
  mkdirSync(copy, { mode: 0o755 });
  using root = fd.openat(fd.AT_FDCWD, copy, fd.O_RDONLY | fd.O_DIRECTORY);
  mergeLayers(
    layers.map((diffId) => join(engine.layout.layers, layerFolder(diffId))),
    root,
    owners,
  );
  chmodSync(copy, 0o755); // as an upper folder has it
  Snapshot.take(root).save(join(folder, SNAPSHOT));
}

/** Writes what a container changed, as a layer. */
export function writeContainerLayer(engine: Engine, record: ContainerRecord, writer: TarWriter, exclude: TreeOptions["exclude"]): void {
  const folder = engine.layout.container(record.id);
  const copy = [COPY, MAPPED_COPY].find((name) => existsSync(join(folder, name)));
  using root = fd.openat(fd.AT_FDCWD, join(folder, copy ?? UPPER), fd.O_RDONLY | fd.O_DIRECTORY);
  const owners = ownersOf(engine, record);
  writeTree(writer, root, { whiteouts: !copy, exclude, owners, ...(copy && { before: Snapshot.load(join(folder, SNAPSHOT)) }) });
}
