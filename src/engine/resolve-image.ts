/** From what a user typed to an image's record. */
import { parsePlatform } from "../image/media-types.ts";
import { formatReference, parseReference, repositoryOf } from "../image/reference.ts";
import { findImageByDigest, findImageByName, findImagesById, getImage, type ImageRecord } from "../store/images.ts";
import type { Engine } from "./engine.ts";
import { EngineError, NotFound } from "./errors.ts";

export interface ResolvedImage {
  image: ImageRecord;
  /** The full name it was found by; undefined where it was found by id. */
  name: string | undefined;
}

/**
 * An image by name or by its id, whole or in part.
 *
 * @throws {NotFound} with docker's words
 * @throws {InvalidReference} where the text can be neither
 */
export function resolveImage(engine: Engine, text: string): ResolvedImage {
  const hex = /^(?:sha256:)?([0-9a-f]{4,64})$/.exec(text)?.[1];
  if (hex?.length === 64) {
    const image = getImage(engine.db, `sha256:${hex}`);
    if (image) return { image, name: undefined };
    throw new NotFound(`No such image: ${text}`);
  }
  if (!text.startsWith("sha256:")) {
    const reference = parseReference(text);
    if (reference.digest !== undefined) {
      const image = findImageByDigest(engine.db, repositoryOf(reference), reference.digest);
      if (!image) throw new NotFound(`No such image: ${text}`);
      return { image, name: undefined };
    }
    const name = formatReference(reference);
    const image = findImageByName(engine.db, name);
    if (image) return { image, name };
    if (!hex) throw new NotFound(`No such image: ${/:[^/]*$/.test(text) ? text : `${text}:latest`}`);
  }
  const found = hex ? findImagesById(engine.db, hex) : [];
  if (found.length > 1) throw new EngineError(`${text} is the beginning of more than one image id`);
  if (!found[0]) throw new NotFound(`No such image: ${text}`);
  return { image: found[0], name: undefined };
}

/** Makes sure that an image is for a platform (`OS/ARCH[/VARIANT]`), where one is asked for: the store has one of each. Throws {@link NotFound}. */
export function requirePlatform({ config }: ImageRecord, name: string, platform: string | undefined): void {
  if (platform === undefined) return;
  const { os, architecture } = parsePlatform(platform);
  if (os !== config.os || architecture !== config.architecture)
    throw new NotFound(
      `image with reference ${name} was found but does not provide the specified platform (${platform}): it is for ${config.os}/${config.architecture}`,
    );
}
