/** `pull`: an image out of a registry. */
import { choosePlatform, type Descriptor, type Manifest, ownPlatform, type Platform, parseManifest } from "../image/media-types.ts";
import { familiarName, formatReference, type Reference, repositoryOf } from "../image/reference.ts";
import { Registry } from "../image/registry/client.ts";
import { type ConnectionOptions, RegistryError } from "../image/registry/connection.ts";
import { mirrorsOf } from "../image/registry/hosts.ts";
import { addImageEvent, findImageByDigest, imageText, layerOfBlob, withLease } from "../store/images.ts";
import { runEach } from "./concurrency.ts";
import { Download } from "./download-blob.ts";
import type { Engine } from "./engine.ts";
import { checkDigest, knownLayer, parseConfig } from "./load-images.ts";
import { commitImage, discardStaged, type StagedLayer, stageDownload } from "./stage-image.ts";
import { sweepLayers } from "./sweep-layers.ts";

/** As docker does it. */
const DOWNLOADS_AT_ONCE = 3;

/** What becomes of a layer; bytes where they count. */
export type PullProgress =
  | { status: "Pulling fs layer" | "Already exists" | "Pull complete" }
  | { status: "Downloading" | "Extracting"; current: number; total: number };

export interface PullOptions extends ConnectionOptions {
  platform: Platform | undefined;
  /** Told of each layer by its short digest. */
  progress(layer: string, state: PullProgress): void;
}

export interface PulledImage {
  id: string;
  digest: string;
  /** Whether the store had just this one under this name. */
  fresh: boolean;
}

/** Pulls an image by tag or digest, from a mirror where one has it. Throws {@link RegistryError} and what {@link stageDownload} does; then nothing of it stays. */
export async function pullImage(engine: Engine, reference: Reference, options: PullOptions): Promise<PulledImage> {
  const pulled = await pullFromAny(engine, reference, options);
  const { repository, tag } = familiarName(reference.digest === undefined ? formatReference(reference) : `${repositoryOf(reference)}:`);
  addImageEvent(engine.db, "pull", reference.digest === undefined ? `${repository}:${tag}` : `${repository}@${reference.digest}`, repository);
  return pulled;
}

async function pullFromAny(engine: Engine, reference: Reference, options: PullOptions): Promise<PulledImage> {
  for (const mirror of mirrorsOf(reference.domain)) {
    try {
      return await pullFrom(engine, reference, { ...options, mirror });
    } catch (error) {
      if (!(error instanceof RegistryError)) throw error; // the registry itself comes last
    }
  }
  return pullFrom(engine, reference, options);
}

async function pullFrom(engine: Engine, reference: Reference, options: PullOptions): Promise<PulledImage> {
  const registry = new Registry(reference.domain, reference.path, options);
  const repository = repositoryOf(reference);
  const top = await registry.manifest(reference.digest ?? reference.tag);
  const names = reference.digest === undefined ? [formatReference(reference)] : [];
  const known = findImageByDigest(engine.db, repository, top.digest);
  if (known && options.platform === undefined) {
    commitImage(engine, { config: imageText(engine.db, known.id), layers: [], names, digests: [] });
    return { id: known.id, digest: top.digest, fresh: false };
  }
  let parsed = parseManifest(top.bytes);
  if ("index" in parsed) {
    const chosen = choosePlatform(parsed.index, options.platform ?? ownPlatform());
    const { bytes } = await registry.manifest(chosen.digest);
    checkDigest(bytes, chosen);
    parsed = parseManifest(bytes);
    if ("index" in parsed) throw new RegistryError(`${repository}: an index inside an index is not supported`);
  }
  sweepLayers(engine);
  const text = (await readBlob(registry, parsed.manifest.config)).toString();
  const { diff_ids } = parseConfig(text, parsed.manifest.layers.length).rootfs;
  const staged: StagedLayer[] = [];
  try {
    const { manifest } = parsed;
    return await withLease(engine.db, diff_ids, async () => {
      await stageLayers(engine, registry, manifest, diff_ids, staged, options);
      const id = commitImage(engine, { config: text, layers: staged, names, digests: [{ repository, digest: top.digest }] });
      return { id, digest: top.digest, fresh: true };
    });
  } finally {
    discardStaged(staged);
  }
}

// Layers come several at once, and are unpacked one after the other: an upper one may link to files of a lower one.
async function stageLayers(engine: Engine, registry: Registry, manifest: Manifest, diffIds: string[], staged: StagedLayer[], options: PullOptions) {
  const layers = manifest.layers.map((descriptor, i) => {
    const diffId = diffIds[i] as string;
    const present = layerOfBlob(engine.db, descriptor.digest) === diffId ? knownLayer(engine, diffId) : undefined;
    const name = descriptor.digest.slice(descriptor.digest.indexOf(":") + 1).slice(0, 12);
    const tell = (state: PullProgress) => options.progress(name, state);
    tell({ status: present ? "Already exists" : "Pulling fs layer" });
    const downloading = (current: number) => tell({ status: "Downloading", current, total: descriptor.size });
    return { diffId, present, tell, download: present ? undefined : new Download(engine, descriptor, downloading) };
  });
  const downloads = layers.flatMap(({ download }) => download ?? []);
  const abandon = (error: unknown) => {
    for (const download of downloads) download.abandon(error);
  };
  runEach(downloads, DOWNLOADS_AT_ONCE, (download) => download.run(registry)).catch(abandon);
  try {
    for (const { present, diffId, download, tell } of layers) {
      if (download) {
        const extracting = (current: number) => tell({ status: "Extracting", current, total: download.descriptor.size });
        staged.push(await stageDownload(engine, download, { diffId, lowers: staged.toReversed(), progress: extracting }));
        tell({ status: "Pull complete" });
      } else if (present) {
        staged.push(present);
      }
    }
  } catch (error) {
    abandon(error);
    throw error;
  }
}

async function readBlob(registry: Registry, descriptor: Descriptor): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const chunk of registry.blob(descriptor)) parts.push(chunk);
  const bytes = Buffer.concat(parts);
  checkDigest(bytes, descriptor);
  return bytes;
}
