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

const RUNNING = ["running", "paused", "starting"];

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
    const users = containersOfImage(db, image.id);
    if (name) {
      const [user] = users;
      // Without its last name it would be there for this container only.
      if (user && !force && image.names.length === 1) {
        const container = user.id.slice(0, 12);
        throw new EngineError(
          `conflict: unable to remove repository reference "${text}" (must force) - container ${container} is using its referenced image ${image.id.slice(7, 19)}`,
        );
      }
      removeImageName(db, name);
      if (image.names.length > 1 || user) return { untagged: [short(name)], deleted: [] };
    } else {
      const refuse = (how: string, why: string) => new EngineError(`conflict: unable to delete ${image.id.slice(7, 19)} (${how}) - ${why}`);
      if (image.names.length > 1 && !force) throw refuse("must be forced", "image is referenced in multiple repositories");
      const running = users.find(({ status }) => RUNNING.includes(status));
      if (running) throw refuse("cannot be forced", `image is being used by running container ${running.id.slice(0, 12)}`);
      const [user] = users;
      if (user && !force) throw refuse("must be forced", `image is being used by stopped container ${user.id.slice(0, 12)}`);
      // What a container is made of stays with it.
      if (user) {
        for (const full of image.names) removeImageName(db, full);
        return { untagged: image.names.map(short), deleted: [] };
      }
    }
    const orphans = deleteImage(db, image.id);
    return { untagged: image.names.map(short), deleted: [image.id, ...orphans] };
  });
  if (result.deleted.length > 0) sweepLayers(engine);
  return result;
}
