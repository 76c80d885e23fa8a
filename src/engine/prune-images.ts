/** `image prune`: images that nobody names, or uses. */
import { containersOfImage, type ImageRecord, listImages } from "../store/images.ts";
import type { Engine } from "./engine.ts";
import { EngineError } from "./errors.ts";
import { type ImageRemoval, removeImage } from "./remove-image.ts";

export interface PruneOptions {
  /** Also named ones that no container uses. */
  all: boolean;
  isWanted(image: { labels: Record<string, string>; createdAt: number }): boolean;
}

const filterable = ({ config }: ImageRecord) => ({ labels: config.config?.Labels ?? {}, createdAt: Date.parse(config.created ?? "") || 0 });

/** Removes images; gives what was removed, and how many bytes of files they had. */
export function pruneImages(engine: Engine, { all, isWanted }: PruneOptions): ImageRemoval & { bytes: number } {
  const { db } = engine;
  const result: ImageRemoval & { bytes: number } = { untagged: [], deleted: [], bytes: 0 };
  for (const image of listImages(db)) {
    if ((!all && image.names.length > 0) || containersOfImage(db, image.id).length > 0 || !isWanted(filterable(image))) continue;
    try {
      const removed = removeImage(engine, image.id, true);
      result.untagged.push(...removed.untagged);
      result.deleted.push(...removed.deleted);
      result.bytes += image.size;
    } catch (error) {
      if (!(error instanceof EngineError)) throw error; // used by now: then it stays
    }
  }
  return result;
}
