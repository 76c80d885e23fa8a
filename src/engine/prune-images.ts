/** `image prune`: images that nobody names, or uses. */
import { containersOfImage, type ImageRecord, listImages } from "../store/images.ts";
import type { Engine } from "./engine.ts";
import { EngineError } from "./errors.ts";
import { hasLabel } from "./list-containers.ts";
import { type ImageRemoval, removeImage } from "./remove-image.ts";

export interface PruneOptions {
  /** Also named ones that no container uses. */
  all: boolean;
  /** Every one of these must hold. */
  tests: ((image: ImageRecord) => boolean)[];
}

/** A test for `until=TIME` (milliseconds since 1970) or `label[!]=…`. */
export function pruneTest(key: string, value: string, until: (text: string) => number): (image: ImageRecord) => boolean {
  switch (key) {
    case "until": {
      const limit = until(value);
      return (image) => (Date.parse(image.config.created ?? "") || 0) < limit;
    }
    case "label":
      return (image) => hasLabel(image.config.config?.Labels ?? {}, value);
    case "label!":
      return (image) => !hasLabel(image.config.config?.Labels ?? {}, value);
    default:
      throw new EngineError(`invalid filter '${key}': expected until or label`);
  }
}

/** Removes images; gives what was removed, and how many bytes of files they had. */
export function pruneImages(engine: Engine, { all, tests }: PruneOptions): ImageRemoval & { bytes: number } {
  const { db } = engine;
  const result: ImageRemoval & { bytes: number } = { untagged: [], deleted: [], bytes: 0 };
  for (const image of listImages(db)) {
    if ((!all && image.names.length > 0) || containersOfImage(db, image.id).length > 0 || !tests.every((test) => test(image))) continue;
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
