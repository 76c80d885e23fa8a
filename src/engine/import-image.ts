/** `import`: a tar of a root file system becomes an image of one layer. */
import { applyChanges } from "../image/changes.ts";
import type { FileRange } from "../image/file-range.ts";
import { ownPlatform, type Platform } from "../image/media-types.ts";
import { formatReference, parseReference } from "../image/reference.ts";
import type { Bytes } from "../image/unpack.ts";
import { FileDigester } from "../store/file-digester.ts";
import { addImageEvent, type ImageConfig } from "../store/images.ts";
import type { Engine } from "./engine.ts";
import { commitImage, discardStaged, stageFile, stageLayer } from "./stage-image.ts";
import { sweepLayers } from "./sweep-layers.ts";

export interface ImportOptions {
  /** Reference to give the image, if any. */
  name: string | undefined;
  /** Dockerfile instructions for its configuration. */
  changes: string[];
  message: string;
  /** What it is for; this machine's where undefined. */
  platform: Platform | undefined;
}

/**
 * Imports a tar: a stream, or a file.
 *
 * @returns the image's id, `sha256:…`
 * @throws {LayerError} where it is no tar, is cut off or wants to write outside
 */
export async function importImage(engine: Engine, source: AsyncIterable<Bytes> | FileRange, options: ImportOptions): Promise<string> {
  // Before the long work: what is wrong with the words is told at once.
  const name = options.name === undefined ? undefined : formatReference(parseReference(options.name));
  const config = applyChanges({}, options.changes);

  sweepLayers(engine);
  using digester = new FileDigester();
  const layer = await ("fd" in source ? stageFile(engine, source, digester, { lowers: [] }) : stageLayer(engine, source, { lowers: [] }));
  try {
    const created = new Date().toISOString();
    const image: ImageConfig = {
      created,
      ...(options.platform ?? ownPlatform()),
      config,
      rootfs: { type: "layers", diff_ids: [layer.diffId] },
      history: [{ created, comment: options.message }],
    };
    const id = commitImage(engine, { config: JSON.stringify(image), layers: [layer], names: name === undefined ? [] : [name], digests: [] });
    addImageEvent(engine.db, "import", id, options.name ?? id);
    return id;
  } finally {
    discardStaged([layer]);
  }
}
