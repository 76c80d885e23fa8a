/** `pull`: an image out of a registry. */
import { choosePlatform, type Descriptor, ownPlatform, type Platform, parseManifest } from "../image/media-types.ts";
import { formatReference, type Reference, repositoryOf } from "../image/reference.ts";
import { Registry, RegistryError, type RegistryOptions } from "../image/registry/client.ts";
import { findImageByDigest, imageText, layerOfBlob } from "../store/images.ts";
import type { Engine } from "./engine.ts";
import { checkDigest, knownLayer, parseConfig } from "./load-images.ts";
import { commitImage, discardStaged, type StagedLayer, stageLayer } from "./stage-image.ts";
import { sweepLayers } from "./sweep-layers.ts";

export interface PullOptions extends RegistryOptions {
  platform: Platform | undefined;
  /** Told of each layer: short digest and what is done with it. */
  progress(layer: string, what: "Already exists" | "Pull complete"): void;
}

export interface PulledImage {
  id: string;
  digest: string;
  /** Whether the store had just this one under this name. */
  fresh: boolean;
}

/** Pulls an image by tag or digest. Throws {@link RegistryError} and what {@link stageLayer} does; then nothing of it stays. */
export async function pullImage(engine: Engine, reference: Reference, options: PullOptions): Promise<PulledImage> {
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
  const { manifest } = parsed;
  sweepLayers(engine);
  const text = await readBlob(registry, manifest.config);
  const config = parseConfig(text.toString(), manifest.layers.length);
  const staged: StagedLayer[] = [];
  try {
    for (const [i, descriptor] of manifest.layers.entries()) {
      const diffId = config.rootfs.diff_ids[i] ?? "";
      const short = descriptor.digest.slice(7, 19);
      const present = layerOfBlob(engine.db, descriptor.digest) === diffId ? knownLayer(engine, diffId) : undefined;
      staged.push(present ?? (await stageLayer(engine, registry.blob(descriptor), { expected: descriptor, diffId, lowers: staged.toReversed() })));
      options.progress(short, present ? "Already exists" : "Pull complete");
    }
    const id = commitImage(engine, { config: text.toString(), layers: staged, names, digests: [{ repository, digest: top.digest }] });
    return { id, digest: top.digest, fresh: true };
  } finally {
    discardStaged(staged);
  }
}

async function readBlob(registry: Registry, descriptor: Descriptor): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const chunk of registry.blob(descriptor)) parts.push(chunk);
  const bytes = Buffer.concat(parts);
  checkDigest(bytes, descriptor);
  return bytes;
}
