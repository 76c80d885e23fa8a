/** `image prune`: images that nobody names, or uses. */
import { existsSync, rmSync } from "../../ffi/files.ts";
import { join } from "../../ffi/path.ts";
import { containersOfImage, type ImageRecord, layerSize, listBuildCache, listImages } from "../store/images.ts";
import type { Engine } from "./engine.ts";
import { EngineError } from "./errors.ts";
import { folderSize } from "./folder-size.ts";
import { type ImageRemoval, removeImage } from "./remove-image.ts";

export interface PruneOptions {
  /** Also named ones that no container uses. */
  all: boolean;
  isWanted(image: { labels: Record<string, string>; createdAt: number }): boolean;
}

const filterable = ({ config }: ImageRecord) => ({ labels: config.config?.Labels ?? {}, createdAt: Date.parse(config.created ?? "") || 0 });

export type Pruned = ImageRemoval & { bytes: number };

/** Removes images; gives what was removed, and how many bytes of files they had. */
export function pruneImages(engine: Engine, { all, isWanted }: PruneOptions): Pruned {
  return removeUnused(
    engine,
    listImages(engine.db).filter((image) => (all || image.names.length === 0) && isWanted(filterable(image))),
  );
}

/** Removes what steps of builds made and kept for later ones, and the folders of `RUN --mount=type=cache`. */
export function pruneBuildCache(engine: Engine, isWanted: PruneOptions["isWanted"]): Pruned {
  const pruned = removeUnused(
    engine,
    listBuildCache(engine.db).filter((image) => isWanted(filterable(image))),
  );
  const folder = join(engine.layout.data, "build-cache");
  const bytes = existsSync(folder) ? folderSize(folder) : 0;
  rmSync(folder, { recursive: true, force: true });
  return { ...pruned, bytes: pruned.bytes + bytes };
}

function removeUnused(engine: Engine, images: ImageRecord[]): Pruned {
  const { db } = engine;
  const result: Pruned = { untagged: [], deleted: [], bytes: 0 };
  for (const image of images) {
    if (containersOfImage(db, image.id).length > 0) continue;
    const sizes = new Map(image.layers.map((diffId) => [diffId, layerSize(db, diffId)]));
    try {
      const removed = removeImage(engine, image.id, true);
      result.untagged.push(...removed.untagged);
      result.deleted.push(...removed.deleted);
      // Layers that others have stay.
      result.bytes += removed.deleted.slice(1).reduce((sum, diffId) => sum + (sizes.get(diffId) ?? 0), 0);
    } catch (error) {
      if (!(error instanceof EngineError)) throw error; // used by now: then it stays
    }
  }
  return result;
}
