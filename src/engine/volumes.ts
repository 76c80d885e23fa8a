/** The verbs of volumes. */
import { mkdirSync, rmSync } from "../../ffi/files.ts";
import { dirname } from "../../ffi/path.ts";
import { writeTransaction } from "../store/database.ts";
import { containersOfVolume, deleteVolume, getVolume, insertVolume, listVolumes, type VolumeRecord } from "../store/volumes.ts";
import type { Engine } from "./engine.ts";
import { EngineError, NotFound } from "./errors.ts";
import { booleanOf, type FilterTest } from "./filters.ts";
import { folderSize } from "./folder-size.ts";
import { goMap } from "./go-map.ts";
import { hasLabel } from "./list-containers.ts";
import { randomId } from "./random-id.ts";
import { reconcileAll } from "./reconcile.ts";

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;
const OPTIONS = ["type", "device", "o"];

export interface VolumeOptions {
  labels: Record<string, string>;
  options: Record<string, string>;
}

/** Makes a volume; one of that name stays as it is. Gives its name. Throws {@link EngineError}. */
export function createVolume(engine: Engine, wanted: string | undefined, { labels, options }: VolumeOptions): string {
  const name = wanted ?? randomId();
  if (!NAME.test(name))
    throw new EngineError(
      `create ${name}: "${name}" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed`,
    );
  checkVolumeOptions(name, options);
  writeTransaction(engine.db, () => {
    const found = getVolume(engine.db, name);
    if (found && JSON.stringify(found.options) !== JSON.stringify(options) && Object.keys(options).length > 0)
      throw new EngineError(`create ${name}: a volume of that name is there with other options`);
    if (!found) insertVolume(engine.db, { name, anonymous: wanted === undefined, labels, options });
  });
  mkdirSync(engine.layout.volume(name), { recursive: true, mode: 0o755 });
  return name;
}

/** Throws {@link EngineError} where the driver `local` cannot have such options. */
export function checkVolumeOptions(name: string, options: VolumeOptions["options"]): void {
  const unknown = Object.keys(options).find((key) => !OPTIONS.includes(key));
  if (unknown !== undefined) throw new EngineError(`create ${name}: invalid option: ${JSON.stringify(unknown)}, expected ${OPTIONS.join(", ")}`);
  if (options.type === undefined && Object.keys(options).length > 0) throw new EngineError(`create ${name}: missing required option: "type"`);
}

/** Throws {@link NotFound} with docker's words. */
export function resolveVolume({ db }: Engine, name: string): VolumeRecord {
  const found = getVolume(db, name);
  if (!found) throw new NotFound(`get ${name}: no such volume`);
  return found;
}

/** Removes a volume with all that is in it. Throws {@link EngineError} where a container uses it. */
export function removeVolume(engine: Engine, name: string): void {
  resolveVolume(engine, name);
  reconcileAll(engine);
  writeTransaction(engine.db, () => {
    const users = containersOfVolume(engine.db, name);
    if (users.length > 0) throw new EngineError(`remove ${name}: volume is in use - [${users.join(", ")}]`);
    deleteVolume(engine.db, name);
  });
  rmSync(dirname(engine.layout.volume(name)), { recursive: true, force: true });
}

/** A test for one of `volume ls`'s filters. Throws {@link EngineError} where it knows none. */
export function volumeTest({ db }: Engine, key: string, value: string): FilterTest<VolumeRecord> {
  switch (key) {
    case "dangling": {
      const wanted = booleanOf(key, value);
      return ({ name }) => (containersOfVolume(db, name).length === 0) === wanted;
    }
    case "driver":
      return () => value === "local";
    case "label":
      return ({ labels }) => hasLabel(labels, value);
    case "label!":
      return ({ labels }) => !hasLabel(labels, value);
    case "name":
      return ({ name }) => name.includes(value);
    default:
      throw new EngineError(`invalid filter '${key}': expected dangling, driver, label or name`);
  }
}

/** Removes volumes that no container uses, of those that nobody named unless `all`. Gives names and bytes. */
export function pruneVolumes(engine: Engine, all: boolean, isWanted: FilterTest<VolumeRecord>): { names: string[]; bytes: number } {
  reconcileAll(engine);
  const result = { names: [] as string[], bytes: 0 };
  for (const volume of listVolumes(engine.db)) {
    if ((!all && !volume.anonymous) || containersOfVolume(engine.db, volume.name).length > 0 || !isWanted(volume)) continue;
    const bytes = folderSize(engine.layout.volume(volume.name));
    try {
      removeVolume(engine, volume.name);
    } catch (error) {
      if (error instanceof EngineError) continue; // used by now
      throw error;
    }
    result.names.push(volume.name);
    result.bytes += bytes;
  }
  return result;
}

/** In docker's shape. */
export function inspectVolume({ layout }: Engine, { name, createdAt, labels, options }: VolumeRecord): Record<string, unknown> {
  return {
    CreatedAt: new Date(createdAt).toISOString().replace(/\.\d+/, ""), // as docker has it, of seconds
    Driver: "local",
    Labels: Object.keys(labels).length > 0 ? goMap(labels) : null,
    Mountpoint: layout.volume(name),
    Name: name,
    Options: Object.keys(options).length > 0 ? goMap(options) : null,
    Scope: "local",
  };
}
