/** `push`: an image into a registry. */
import { type Descriptor, layerMediaType, type Manifest, OCI_CONFIG, OCI_LAYER, OCI_MANIFEST } from "../image/media-types.ts";
import { formatReference, type Reference, repositoryOf } from "../image/reference.ts";
import { bytesBody, fileBody, Registry, type RegistryOptions } from "../image/registry/client.ts";
import { BlobWriter, placeBlob } from "../store/blob-writer.ts";
import { writeTransaction } from "../store/database.ts";
import { type Blob, findImageByName, hasBlob, imageText, insertLayerBlob, layerBlobs, recordDigest } from "../store/images.ts";
import type { Engine } from "./engine.ts";
import { EngineError, NotFound } from "./errors.ts";

/** How many layers are compressed before their turn. */
const AHEAD = 2;

export interface PushOptions extends RegistryOptions {
  progress(layer: string, what: "Layer already exists" | "Mounted" | "Pushed"): void;
}

/** Pushes an image under its name. Gives the manifest's digest and size. Throws `RegistryError`. */
export async function pushImage(engine: Engine, reference: Reference, options: PushOptions): Promise<{ digest: string; size: number }> {
  const { db, layout } = engine;
  const image = findImageByName(db, formatReference(reference));
  if (!image) throw new NotFound(`An image does not exist locally with the tag: ${repositoryOf(reference).replace(/^docker\.io\/(library\/)?/, "")}`);
  const registry = new Registry(reference.domain, reference.path, options);
  const layers: Descriptor[] = [];
  // The next ones are compressed, by other threads, while one is on its way.
  const blobs: Promise<Blob>[] = [];
  for (const i of image.layers.keys()) {
    for (const ahead of image.layers.slice(blobs.length, i + 1 + AHEAD)) {
      const blob = compressedBlob(engine, ahead);
      blob.catch(() => {}); // told when its turn comes
      blobs.push(blob);
    }
    const { digest, size, mediaType } = await (blobs[i] as Promise<Blob>);
    const done = await registry.putBlob({ digest, size }, fileBody(layout.blob(digest)), otherRepository(image.digests, reference));
    options.progress(digest.slice(7, 19), ({ exists: "Layer already exists", mounted: "Mounted", pushed: "Pushed" } as const)[done]);
    layers.push({ mediaType, digest, size });
  }
  const config = Buffer.from(imageText(db, image.id));
  await registry.putBlob({ digest: image.id, size: config.length }, bytesBody(config as Uint8Array<ArrayBuffer>), undefined);
  const manifest: Manifest = {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: { mediaType: OCI_CONFIG, digest: image.id, size: config.length },
    layers,
  };
  const bytes = Buffer.from(JSON.stringify(manifest)) as Buffer<ArrayBuffer>;
  await registry.putManifest(reference.tag, bytes, OCI_MANIFEST);
  const digest = `sha256:${new Bun.CryptoHasher("sha256").update(bytes).digest("hex")}`;
  recordDigest(db, repositoryOf(reference), digest, image.id);
  return { digest, size: bytes.length };
}

// Of the same registry, where it may have the layers already.
function otherRepository(digests: string[], { domain, path }: Reference): string | undefined {
  const repositories = digests.map((digest) => digest.slice(0, digest.indexOf("@"))).filter((name) => name.startsWith(`${domain}/`));
  return repositories.map((name) => name.slice(domain.length + 1)).find((other) => other !== path);
}

// What a layer is sent as: compressed as it came, else with gzip, made once and kept.
async function compressedBlob(engine: Engine, diffId: string): Promise<Blob> {
  const blobs = layerBlobs(engine.db, diffId);
  const compressed = blobs.find(({ mediaType }) => mediaType !== OCI_LAYER);
  if (compressed) return compressed;
  const [plain] = blobs;
  if (!plain) throw new EngineError(`layer ${diffId} has no content in the store`);
  const writer = new BlobWriter(engine.layout);
  try {
    const stream = Bun.file(engine.layout.blob(plain.digest))
      .stream()
      .pipeThrough(new CompressionStream("gzip") as unknown as ReadableWritablePair<Uint8Array, Uint8Array>);
    for await (const chunk of stream) writer.write(chunk);
    const blob: Blob = { ...writer.finish(), mediaType: layerMediaType("gzip") };
    writeTransaction(engine.db, () => {
      if (!hasBlob(engine.db, blob.digest)) placeBlob(engine.layout, writer.path, blob.digest);
      insertLayerBlob(engine.db, diffId, blob);
    });
    return blob;
  } finally {
    writer.abandon();
  }
}
