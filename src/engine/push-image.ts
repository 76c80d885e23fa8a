/** `push`: an image into a registry. */
import * as fd from "../../ffi/fd.ts";
import { readRange } from "../image/file-range.ts";
import { type Descriptor, layerMediaType, type Manifest, OCI_CONFIG, OCI_LAYER, OCI_MANIFEST } from "../image/media-types.ts";
import { pack } from "../image/pack.ts";
import { familiarName, formatReference, type Reference, repositoryOf } from "../image/reference.ts";
import { bytesContent, fileContent, Registry } from "../image/registry/client.ts";
import type { ConnectionOptions } from "../image/registry/connection.ts";
import { decompress } from "../image/unpack.ts";
import { BlobWriter, placeBlob } from "../store/blob-writer.ts";
import { writeTransaction } from "../store/database.ts";
import { digestOf } from "../store/digest.ts";
import {
  addImageEvent,
  type Blob,
  findImageByName,
  hasBlob,
  type ImageRecord,
  imageText,
  insertLayerBlob,
  layerBlobs,
  recordDigest,
  withLease,
} from "../store/images.ts";
import { runEach } from "./concurrency.ts";
import type { Engine } from "./engine.ts";
import { EngineError, NotFound } from "./errors.ts";

/** On their way at once; one after the other they are packed, each by all cores. */
const LAYERS_AT_ONCE = 3;

/** What becomes of a layer. */
export type PushStatus = "Preparing" | "Layer already exists" | "Mounted" | "Pushed";

export interface PushOptions extends ConnectionOptions {
  /** How layers are packed; where undefined, as they came, else with gzip. */
  compression: "gzip" | "zstd" | undefined;
  /** Told of each layer by its short diff id. */
  progress(layer: string, status: PushStatus): void;
  /** Told of the bytes sent; where nobody looks, the kernel sends the file by itself. */
  sending?: ((layer: string, current: number, total: number) => void) | undefined;
}

/** Pushes an image under its name. Gives the manifest's digest and size. Throws `RegistryError`. */
export async function pushImage(engine: Engine, reference: Reference, options: PushOptions): Promise<{ digest: string; size: number }> {
  const { db } = engine;
  const image = findImageByName(db, formatReference(reference));
  if (!image) throw new NotFound(`An image does not exist locally with the tag: ${repositoryOf(reference).replace(/^docker\.io\/(library\/)?/, "")}`);
  return await withLease(db, image.layers, () => pushLeased(engine, reference, image, options));
}

async function pushLeased(engine: Engine, reference: Reference, image: ImageRecord, options: PushOptions): Promise<{ digest: string; size: number }> {
  const { db, layout } = engine;
  const config = Buffer.from(imageText(db, image.id)) as Buffer<ArrayBuffer>;
  const registry = new Registry(reference.domain, reference.path, options);
  const layers: Descriptor[] = [];
  let packing: Promise<unknown> = Promise.resolve();
  const from = otherRepository(image.digests, reference);
  await runEach(image.layers, LAYERS_AT_ONCE, async (diffId, i) => {
    const name = diffId.slice(7, 19);
    options.progress(name, "Preparing");
    const packed = packing.then(() => compressedBlob(engine, diffId, options.compression));
    packing = packed.catch(() => {});
    const { digest, size, mediaType } = await packed;
    const content = fileContent(layout.blob(digest), digest, size, options.sending && ((sent) => options.sending?.(name, sent, size)));
    const done = await registry.putBlob(content, from);
    options.progress(name, ({ exists: "Layer already exists", mounted: "Mounted", pushed: "Pushed" } as const)[done]);
    layers[i] = { mediaType, digest, size };
  });
  await registry.putBlob(bytesContent(config, image.id), undefined);
  const manifest: Manifest = {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: { mediaType: OCI_CONFIG, digest: image.id, size: config.length },
    layers,
  };
  const bytes = Buffer.from(JSON.stringify(manifest)) as Buffer<ArrayBuffer>;
  await registry.putManifest(reference.tag, bytes, OCI_MANIFEST);
  const digest = digestOf(bytes);
  recordDigest(db, repositoryOf(reference), digest, image.id);
  const { repository, tag } = familiarName(formatReference(reference));
  addImageEvent(db, "push", `${repository}:${tag}`, repository);
  return { digest, size: bytes.length };
}

// Of the same registry, where it may have the layers already.
function otherRepository(digests: string[], { domain, path }: Reference): string | undefined {
  const repositories = digests.map((digest) => digest.slice(0, digest.indexOf("@"))).filter((name) => name.startsWith(`${domain}/`));
  return repositories.map((name) => name.slice(domain.length + 1)).find((other) => other !== path);
}

// What a layer is sent as: packed as it came, unless asked for otherwise, or made once and kept.
async function compressedBlob(engine: Engine, diffId: string, wanted: PushOptions["compression"]): Promise<Blob> {
  const blobs = layerBlobs(engine.db, diffId);
  const there = blobs.find(({ mediaType }) => (wanted === undefined ? mediaType !== OCI_LAYER : mediaType === layerMediaType(wanted)));
  if (there) return there;
  const [source] = blobs;
  if (!source) throw new EngineError(`layer ${diffId} has no content in the store`);
  const compression = wanted ?? "gzip";
  const writer = new BlobWriter(engine.layout);
  try {
    using file = fd.openat(fd.AT_FDCWD, engine.layout.blob(source.digest), fd.O_RDONLY);
    const bytes = readRange({ fd: file.fd, offset: 0, size: source.size });
    for await (const chunk of pack(source.mediaType === OCI_LAYER ? bytes : decompress(bytes), compression)) writer.write(chunk);
    const blob: Blob = { ...writer.finish(), mediaType: layerMediaType(compression) };
    writeTransaction(engine.db, () => {
      if (!hasBlob(engine.db, blob.digest)) placeBlob(engine.layout, writer.path, blob.digest);
      insertLayerBlob(engine.db, diffId, blob);
    });
    return blob;
  } finally {
    writer.abandon();
  }
}
