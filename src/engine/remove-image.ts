/** `rmi`: takes names from an image, and with the last one the image itself. */
import { familiarName } from "../image/reference.ts";
import { writeTransaction } from "../store/database.ts";
import { containersOfImage, deleteImage, removeImageName } from "../store/images.ts";
import type { Engine } from "./engine.ts";
import { EngineError } from "./errors.ts";
import { reconcileAll } from "./reconcile.ts";
import { resolveImage } from "./resolve-image.ts";
import { sweepLayers } from "./sweep-layers.ts";

/** What was done, in the order docker tells it. */
export interface ImageRemoval {
  untagged: string[];
  /** Ids of the image and its layers. */
  deleted: string[];
}

/** Removes an image by name or id. Throws {@link EngineError} where containers use it. */
export function removeImage(engine: Engine, text: string, force: boolean): ImageRemoval {
  const { db } = engine;
  reconcileAll(engine);
  const result = writeTransaction(db, (): ImageRemoval => {
    const { image, name } = resolveImage(engine, text);
    const short = (full: string) => {
      const { repository, tag } = familiarName(full);
      return `${repository}:${tag}`;
    };
    if (name && image.names.length > 1) {
      removeImageName(db, name);
      return { untagged: [short(name)], deleted: [] };
    }
    if (!name && image.names.length > 1 && !force) {
      throw new EngineError(`conflict: unable to delete ${text} (must be forced) - image is referenced in multiple repositories`);
    }
    const users = containersOfImage(db, image.id);
    const [running] = users.filter((c) => c.status === "running" || c.status === "paused" || c.status === "starting");
    const user = running ?? users[0];
    if (user) {
      const what = running ? "running" : "stopped";
      // The layers of a container's root stay under it in any case, forced or not.
      throw new EngineError(
        `conflict: unable to remove ${name ? `repository reference "${text}"` : text} - container ${user.id.slice(0, 12)} (${what}) is using its referenced image ${image.id.slice(7, 19)}`,
      );
    }
    const orphans = deleteImage(db, image.id);
    return { untagged: image.names.map(short), deleted: [image.id, ...orphans] };
  });
  if (result.deleted.length > 0) sweepLayers(engine);
  return result;
}
