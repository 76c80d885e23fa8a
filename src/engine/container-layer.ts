/**
 * A container's own layer on disk: the upper folder of an overlay, or, where the kernel
 * or the file system below has none, a copy of all its layers.
 */
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { inUserNamespace } from "../../ffi/credentials.ts";
import * as fd from "../../ffi/fd.ts";
import { canMount } from "../../ffi/mount.ts";
import type { Owners } from "../../ffi/owners.ts";
import { mergeLayers } from "../image/merge.ts";
import { Snapshot } from "../image/snapshot.ts";
import type { TarWriter } from "../image/tar-writer.ts";
import { type TreeOptions, writeTree } from "../image/tree.ts";
import { RuntimeFailure } from "../runtime/errors.ts";
import { openIdMapping } from "../runtime/id-mapping.ts";
import { openIdMappedRoot } from "../runtime/rootfs/idmapped-root.ts";
import type { Root } from "../runtime/rootfs/root.ts";
import type { ContainerRecord } from "../store/containers.ts";
import { layerFolder } from "../store/layout.ts";
import { bootId } from "../store/process-identity.ts";
import type { Engine } from "./engine.ts";
import { EngineError } from "./errors.ts";
import { temporaryLayerFolder } from "./sweep-layers.ts";

const UPPER = "upper";
const WORK = "work";
const COPY = "root";
/** In its place where the copy has the owners of a user namespace. */
const MAPPED_COPY = "mapped-root";
const SNAPSHOT = "snapshot";

/** As `info` and `inspect` name it, docker's words. */
export type StorageDriver = "overlay2" | "vfs";

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

/** How roots are made here. */
export const storageDriver = (engine: Engine): StorageDriver => (tried(engine, "storage-driver", tryOverlay) ? "overlay2" : "vfs");

/** Whether mounts can show the files of a layer with other owners. */
export const canMapOwners = (engine: Engine): boolean => storageDriver(engine) === "overlay2" && tried(engine, "owners-mapped", tryMapping);

// What a kernel and a file system can do is tried once a boot.
function tried(engine: Engine, name: string, attempt: (engine: Engine) => boolean): boolean {
  const { layout } = engine;
  const known = join(layout.run, name);
  try {
    const [boot, answer] = readFileSync(known, "latin1").split(" ");
    if (boot === bootId() && (answer === "yes" || answer === "no")) return answer === "yes";
  } catch {
    // not tried yet
  }
  const answer = attempt(engine);
  mkdirSync(layout.run, { recursive: true, mode: 0o711 });
  writeFileSync(`${known}.${process.pid}`, `${bootId()} ${answer ? "yes" : "no"}`);
  renameSync(`${known}.${process.pid}`, known);
  return answer;
}

function tryMapping(engine: Engine): boolean {
  const folder = temporaryLayerFolder(engine);
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

/** Owners as they are on disk in a copy that a container in a user namespace has. */
export function ownersOf({ layout }: Engine, { id, config }: Pick<ContainerRecord, "id" | "config">): Owners | undefined {
  return config.idMappings && existsSync(join(layout.container(id), MAPPED_COPY)) ? config.idMappings : undefined;
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
  for (const name of [COPY, MAPPED_COPY]) {
    const copy = join(layout.container(id), name);
    if (existsSync(copy)) return { type: "folder", path: copy };
  }
  const own = `containers/${id}`;
  return { type: "overlay", base: layout.data, lower, upper: `${own}/${UPPER}`, work: `${own}/${WORK}` };
}

/** Writes what a container changed, as a layer. */
export function writeContainerLayer(engine: Engine, record: ContainerRecord, writer: TarWriter, exclude: TreeOptions["exclude"]): void {
  const folder = engine.layout.container(record.id);
  const copy = [COPY, MAPPED_COPY].find((name) => existsSync(join(folder, name)));
  using root = fd.openat(fd.AT_FDCWD, join(folder, copy ?? UPPER), fd.O_RDONLY | fd.O_DIRECTORY);
  const owners = ownersOf(engine, record);
  writeTree(writer, root, { whiteouts: !copy, exclude, owners, ...(copy && { before: Snapshot.load(join(folder, SNAPSHOT)) }) });
}
