/** Images on their way into the store: nothing of them is there before all of them is. */
import { existsSync, mkdirSync, readSync, renameSync, rmSync } from "../../ffi/files.ts";
import { type FileRange, readRange } from "../image/file-range.ts";
import { LayerError } from "../image/layer-writer.ts";
import { layerMediaType, OCI_LAYER } from "../image/media-types.ts";
import { type Bytes, compressionOf, decompress, unpackLayer } from "../image/unpack.ts";
import { BlobWriter, DigestError, placeBlob, temporaryBlobPath } from "../store/blob-writer.ts";
import { writeTransaction } from "../store/database.ts";
import { algorithmOf, digestOf } from "../store/digest.ts";
import { type FileDigester, WORTHWHILE } from "../store/file-digester.ts";
import { type Blob, hasBlob, hasLayer, insertImage, insertLayer, insertLayerBlob, recordDigest } from "../store/images.ts";
import { temporaryPath } from "../store/temporary.ts";
import type { Download } from "./download-blob.ts";
import type { Engine } from "./engine.ts";
import { EngineError } from "./errors.ts";
import { layerPath } from "./sweep-layers.ts";

/** A layer that is in the store, or waits beside it. */
export interface StagedLayer {
  diffId: string;
  size: number;
  blob: Blob | undefined;
  /** Where the blob waits. */
  blobPath: string | undefined;
  /** Where it waits; undefined for one that is in the store. */
  folder: string | undefined;
}

/** Where a layer is to be read from now. */
export const stagedPath = (engine: Engine, layer: StagedLayer) => layer.folder ?? layerPath(engine, layer.diffId);

export interface StageOptions {
  /** The blob's digest and size, where they are known before. */
  expected?: { digest: string; size: number };
  /** Of the tar inside. */
  diffId?: string | undefined;
  /** Layers below, the topmost first. */
  lowers: StagedLayer[];
  /** Told how many of the blob's bytes are read. */
  progress?(bytes: number): void;
}

/**
 * Unpacks a layer beside the store and keeps its bytes as they came.
 *
 * @throws {LayerError} where it is no layer, or not the one that was expected
 * @throws {DigestError} where its bytes are not
 */
export async function stageLayer(engine: Engine, source: AsyncIterable<Bytes>, options: StageOptions): Promise<StagedLayer> {
  const { expected } = options;
  const algorithm = algorithmOf(expected?.digest ?? "");
  const writer = new BlobWriter(engine.layout, algorithm);
  async function* keep(): AsyncGenerator<Bytes> {
    let first = true;
    for await (const chunk of withKnownCompression(source)) {
      // Of a plain tar the blob's digest is the diff id.
      if (first && algorithm === "sha256" && compressionOf(chunk) === "none") writer.leaveHashing();
      first = false;
      writer.write(chunk);
      if (expected && writer.size > expected.size) throw new LayerError(`the layer has more than the ${expected.size} bytes it was announced with`);
      yield chunk;
    }
  }
  try {
    const unpacked = await unpackBeside(engine, keep(), options);
    return { ...unpacked, blob: { ...writer.finish(expected, unpacked.diffId), mediaType: unpacked.mediaType }, blobPath: writer.path };
  } catch (error) {
    writer.abandon();
    throw error;
  }
}

// Layers are plain, gzip or zstd (image-spec media-types.md); what comes otherwise is kept plain.
async function* withKnownCompression(source: AsyncIterable<Bytes>): AsyncGenerator<Bytes> {
  const iterator = source[Symbol.asyncIterator]();
  const first = await iterator.next();
  const whole = (async function* () {
    if (!first.done) yield first.value;
    yield* { [Symbol.asyncIterator]: () => iterator };
  })();
  const compression = compressionOf(first.value ?? new Uint8Array());
  yield* compression === "xz" || compression === "bzip2" ? decompress(whole) : whole;
}

/**
 * As {@link stageLayer} for a part of a file. What is large and not packed is copied and
 * hashed by another process meanwhile.
 *
 * @param blob a temporary blob that the file is already
 */
export async function stageFile(
  engine: Engine,
  file: FileRange,
  digester: FileDigester,
  options: StageOptions & { blob?: string },
): Promise<StagedLayer> {
  const { expected, blob } = options;
  const head = Buffer.alloc(8);
  readSync(file.fd, head, 0, head.length, file.offset);
  const isPlain = compressionOf(head) === "none" && algorithmOf(expected?.digest ?? "") === "sha256";
  if (file.size < WORTHWHILE || !isPlain) return stageLayer(engine, readRange(file), options);
  const blobPath = blob ?? temporaryBlobPath(engine.layout);
  const digest = digester.digest(file, blob === undefined ? blobPath : undefined);
  try {
    const unpacked = await unpackBeside(engine, readRange(file), options, digest);
    if (expected && (expected.digest !== unpacked.diffId || expected.size !== file.size))
      throw new DigestError(`expected ${expected.digest} of ${expected.size} bytes, got ${unpacked.diffId} of ${file.size}`);
    return { ...unpacked, blob: { digest: unpacked.diffId, size: file.size, mediaType: OCI_LAYER }, blobPath };
  } catch (error) {
    rmSync(blobPath, { force: true });
    throw error;
  }
}

/** Unpacks a layer beside the store while its bytes come. Throws as {@link stageLayer}, and what the download does. */
export async function stageDownload(engine: Engine, download: Download, options: Omit<StageOptions, "expected">): Promise<StagedLayer> {
  const { digest, size } = download.descriptor;
  const { mediaType, ...unpacked } = await unpackBeside(engine, download.bytes(), options);
  return { ...unpacked, blob: { digest, size, mediaType }, blobPath: download.path };
}

async function unpackBeside(
  engine: Engine,
  source: AsyncGenerator<Bytes>,
  { diffId: expected, lowers, progress }: StageOptions,
  known?: Promise<string>,
) {
  const folder = temporaryPath(engine.layout.layers);
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  let mediaType: string | undefined;
  let read = 0;
  async function* watched(): AsyncGenerator<Bytes> {
    for await (const chunk of source) {
      mediaType ??= mediaTypeOf(chunk);
      read += chunk.length;
      progress?.(read);
      yield chunk;
    }
  }
  try {
    const bytes = watched();
    const { diffId, size } = await unpackLayer(
      bytes,
      folder,
      lowers.map((layer) => stagedPath(engine, layer)),
      known,
    );
    // What stands behind the end of a compressed stream belongs to the blob too.
    for await (const _ of bytes);
    if (expected !== undefined && expected !== diffId) throw new LayerError(`the layer's tar is ${diffId}, the configuration says ${expected}`);
    return { diffId, size, folder, mediaType: mediaType ?? OCI_LAYER };
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

function mediaTypeOf(head: Uint8Array): string {
  const compression = compressionOf(head);
  if (compression === "xz" || compression === "bzip2") throw new LayerError(`the layer is packed with ${compression}: expected gzip, zstd or none`);
  return layerMediaType(compression);
}

export interface NewImage {
  /** The configuration, as it is hashed. */
  config: string;
  layers: StagedLayer[];
  names: string[];
  /** Digests under which repositories have it. */
  digests: { repository: string; digest: string }[];
}

/** Puts an image and its layers in their places, all at once. Gives the image's id. */
export function commitImage(engine: Engine, image: NewImage): string {
  const { db } = engine;
  const id = digestOf(image.config);
  writeTransaction(db, () => {
    // Under the write lock, so that nobody removes the same layers at this moment.
    for (const { diffId, size, blob, blobPath, folder } of image.layers) {
      const path = layerPath(engine, diffId);
      if (folder !== undefined && !hasLayer(db, diffId)) {
        rmSync(path, { recursive: true, force: true }); // of a command that was killed right here
        renameSync(folder, path);
      }
      if (!existsSync(path)) throw new EngineError(`layer ${diffId} was removed by another command meanwhile, try again`);
      insertLayer(db, { diffId, size });
      if (!blob) continue;
      if (blobPath !== undefined && !hasBlob(db, blob.digest)) placeBlob(engine.layout, blobPath, blob.digest);
      insertLayerBlob(db, diffId, blob);
    }
    insertImage(db, { id, config: image.config, layers: image.layers.map((layer) => layer.diffId), name: undefined });
    for (const name of image.names) insertImage(db, { id, config: image.config, layers: [], name });
    for (const { repository, digest } of image.digests) recordDigest(db, repository, digest, id);
  });
  discardStaged(image.layers);
  return id;
}

/** Removes what still waits beside the store. */
export function discardStaged(layers: StagedLayer[]): void {
  for (const { folder, blobPath } of layers) {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
    if (blobPath !== undefined) rmSync(blobPath, { force: true });
  }
}
