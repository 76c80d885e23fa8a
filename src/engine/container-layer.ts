/**
 * A container's own layer on disk: the upper folder of an overlay, or, where the kernel
 * or the file system below has none, a copy of all its layers.
 */
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { inUserNamespace } from "../../ffi/credentials.ts";
import * as fd from "../../ffi/fd.ts";
import { canMount } from "../../ffi/mount.ts";
import { mergeLayers } from "../image/merge.ts";
import { Snapshot } from "../image/snapshot.ts";
import type { TarWriter } from "../image/tar-writer.ts";
import { type TreeOptions, writeTree } from "../image/tree.ts";
import type { Root } from "../runtime/rootfs/root.ts";
import { layerFolder } from "../store/layout.ts";
import { bootId } from "../store/process-identity.ts";
import type { Engine } from "./engine.ts";
import { EngineError } from "./errors.ts";
import { temporaryLayerFolder } from "./sweep-layers.ts";

const UPPER = "upper";
const WORK = "work";
const COPY = "root";
const SNAPSHOT = "snapshot";

/** As `info` and `inspect` name it, docker's words. */
export type StorageDriver = "overlay2" | "vfs";

/** Makes the folders of a container. `layers` are diff ids, the lowest first; undefined for a root folder of the user's. */
export function makeContainerLayer(engine: Engine, id: string, layers: string[] | undefined): void {
  const folder = engine.layout.container(id);
  mkdirSync(join(folder, UPPER), { recursive: true, mode: 0o755 });
  mkdirSync(join(folder, WORK), { mode: 0o700 });
  if (storageDriver(engine) === "overlay2") return;
  if (!layers) throw new EngineError(`--rootfs needs an overlay file system, which cannot be had on ${engine.layout.data}`);
  const copy = join(folder, COPY);
  mkdirSync(copy, { mode: 0o755 });
  using root = fd.openat(fd.AT_FDCWD, copy, fd.O_RDONLY | fd.O_DIRECTORY);
  mergeLayers(
    layers.map((diffId) => join(engine.layout.layers, layerFolder(diffId))),
    root,
  );
  chmodSync(copy, 0o755); // as an upper folder has it
  Snapshot.take(root).save(join(folder, SNAPSHOT));
}

/** How roots are made here: tried once a boot. */
export function storageDriver(engine: Engine): StorageDriver {
  const { layout } = engine;
  const known = join(layout.run, "storage-driver");
  try {
    const [boot, driver] = readFileSync(known, "latin1").split(" ");
    if (boot === bootId() && (driver === "overlay2" || driver === "vfs")) return driver;
  } catch {
    // not tried yet
  }
  const driver = tryOverlay(engine) ? "overlay2" : "vfs";
  mkdirSync(layout.run, { recursive: true, mode: 0o711 });
  writeFileSync(`${known}.${process.pid}`, `${bootId()} ${driver}`);
  renameSync(`${known}.${process.pid}`, known);
  return driver;
}

function tryOverlay(engine: Engine): boolean {
  const folder = temporaryLayerFolder(engine);
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

/** The root of a container over its lower folders, the topmost first, relative to the engine's data. */
export function containerRoot({ layout }: Engine, id: string, lower: string[]): Root {
  const copy = join(layout.container(id), COPY);
  if (existsSync(copy)) return { type: "folder", path: copy };
  const own = `containers/${id}`;
  return { type: "overlay", base: layout.data, lower, upper: `${own}/${UPPER}`, work: `${own}/${WORK}` };
}

/** Writes what a container changed, as a layer. */
export function writeContainerLayer({ layout }: Engine, id: string, writer: TarWriter, exclude: TreeOptions["exclude"]): void {
  const folder = layout.container(id);
  const isCopy = existsSync(join(folder, COPY));
  using root = fd.openat(fd.AT_FDCWD, join(folder, isCopy ? COPY : UPPER), fd.O_RDONLY | fd.O_DIRECTORY);
  writeTree(writer, root, { whiteouts: !isCopy, exclude, ...(isCopy && { before: Snapshot.load(join(folder, SNAPSHOT)) }) });
}
