/** A container's own layer on disk: the upper folder of an overlay, or, where there is none, a copy of its layers (copied-layer.ts). */
import { closeSync, existsSync, mkdirSync, openSync } from "../../ffi/files.ts";
import type { Owners } from "../../ffi/owners.ts";
import { join } from "../../ffi/path.ts";
import type { ContainerRecord } from "../store/containers.ts";
import type { Engine } from "./engine.ts";
import { EngineError } from "./errors.ts";
import { canMapOwners, MAPPED_COPY, storageDriver, UPPER, WORK } from "./storage-driver.ts";

// Seldom needed.
const loadCopies = () => require("./copied-layer.ts") as typeof import("./copied-layer.ts");

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
  loadCopies().copyLayers(engine, folder, layers, isMapped ? owners : undefined);
}

/** Makes the file by which scripts know that they are in a container. Not in a copy, where an image's link of that name would be followed. */
export function markContainer(engine: Engine, id: string, owners: Owners | undefined): void {
  const hasOverlay = storageDriver(engine) === "overlay2" && (!owners || canMapOwners(engine));
  if (hasOverlay) closeSync(openSync(join(engine.layout.container(id), UPPER, ".dockerenv"), "w", 0o755));
}

/** Owners as they are on disk in a copy that a container in a user namespace has. */
export function ownersOf({ layout }: Engine, { id, config }: Pick<ContainerRecord, "id" | "config">): Owners | undefined {
  return config.idMappings && existsSync(join(layout.container(id), MAPPED_COPY)) ? config.idMappings : undefined;
}
