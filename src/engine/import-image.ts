/** `import`: a tar of a root file system becomes an image of one layer. */
import { mkdirSync, renameSync, rmSync } from "node:fs";
import { applyChange } from "../image/changes.ts";
import { formatReference, parseReference } from "../image/reference.ts";
import { unpackLayer } from "../image/unpack.ts";
import { writeTransaction } from "../store/database.ts";
import { hasLayer, type ImageConfig, insertImage } from "../store/images.ts";
import type { Engine } from "./engine.ts";
import { layerPath, sweepLayers, temporaryLayerFolder } from "./sweep-layers.ts";

export interface ImportOptions {
  /** Reference to give the image, if any. */
  name: string | undefined;
  /** Dockerfile instructions for its configuration. */
  changes: string[];
  message: string;
}

/**
 * Imports a tar stream.
 *
 * @returns the image's id, `sha256:…`
 * @throws {LayerError} where it is no tar, is cut off or wants to write outside
 */
export async function importImage(engine: Engine, source: ReadableStream<Uint8Array<ArrayBuffer>>, options: ImportOptions): Promise<string> {
  const { db } = engine;
  // Before the long work: what is wrong with the words is told at once.
  const name = options.name === undefined ? undefined : formatReference(parseReference(options.name));
  const config: NonNullable<ImageConfig["config"]> = {};
  for (const change of options.changes) applyChange(config, change);

  sweepLayers(engine);
  const unpacking = temporaryLayerFolder(engine);
  mkdirSync(unpacking, { recursive: true, mode: 0o755 });
  try {
    const { diffId, size } = await unpackLayer(source, unpacking);
    const created = new Date().toISOString();
    const image: ImageConfig = {
      created,
      architecture: process.arch === "x64" ? "amd64" : process.arch,
      os: "linux",
      config,
      rootfs: { type: "layers", diff_ids: [diffId] },
      history: [{ created, comment: options.message }],
    };
    const text = JSON.stringify(image);
    const id = `sha256:${new Bun.CryptoHasher("sha256").update(text).digest("hex")}`;
    // Under the write lock, so that nobody removes the same layer at this moment.
    writeTransaction(db, () => {
      if (!hasLayer(db, diffId)) {
        const folder = layerPath(engine, diffId);
        rmSync(folder, { recursive: true, force: true }); // of an import that was killed right here
        renameSync(unpacking, folder);
      }
      insertImage(db, { id, config: text, layers: [{ diffId, size }], name });
    });
    return id;
  } finally {
    rmSync(unpacking, { recursive: true, force: true });
  }
}
