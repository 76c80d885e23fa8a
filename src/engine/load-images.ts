/** `load`: images out of an archive of docker's, or an OCI layout. */
import { closeSync, openSync, readSync, rmSync, statSync, writeSync } from "../../ffi/files.ts";
import { hasCode, reasonOf } from "../../ffi/libc.ts";
import { ArchiveError, type ArchiveSource, blobPath, FolderSource, TarSource } from "../image/archive.ts";
import { choosePlatform, type Descriptor, type Index, ownPlatform, type Platform, parseManifest } from "../image/media-types.ts";
import { formatReference, InvalidReference, parseReference } from "../image/reference.ts";
import { type Bytes, compressionOf, decompress } from "../image/unpack.ts";
import { temporaryBlobPath } from "../store/blob-writer.ts";
import { algorithmOf, digestOf } from "../store/digest.ts";
import { FileDigester } from "../store/file-digester.ts";
import { addImageEvent, hasLayer, type ImageConfig, layerBlobs, layerSize, withLease } from "../store/images.ts";
import type { Engine } from "./engine.ts";
import { EngineError } from "./errors.ts";
import { commitImage, discardStaged, type StagedLayer, stageFile } from "./stage-image.ts";
import { sweepLayers } from "./sweep-layers.ts";

export interface LoadedImage {
  id: string;
  /** Full references it has now. */
  names: string[];
}

/** One image of an archive: where its parts are. */
interface ArchivedImage {
  config: string;
  /** Lowest first. */
  layers: string[];
  /** Digests and sizes of the layers' files, where the archive tells them. */
  descriptors: Descriptor[] | undefined;
  configDigest: string | undefined;
  names: string[];
}

export interface LoadOptions {
  loaded(image: LoadedImage): void;
  /** Told of each new layer by its short diff id: how many of its file's bytes are unpacked. */
  progress(layer: string, current: number, total: number): void;
  /** Of several of an archive; by default this machine's. */
  platform?: Platform;
}

/** Loads all images of a file or folder, or of a stream. Throws {@link ArchiveError}. */
export async function loadImages(engine: Engine, from: string | AsyncIterable<Bytes>, options: LoadOptions): Promise<void> {
  sweepLayers(engine);
  let spool: string | undefined;
  try {
    const isFolder = typeof from === "string" && statSync(from).isDirectory();
    if (!isFolder && !(typeof from === "string" && isPlainFile(from))) spool = await spoolArchive(engine, from);
    const path = spool ?? (from as string);
    const source = isFolder ? new FolderSource(path) : new TarSource(path);
    try {
      using digester = new FileDigester();
      for (const image of await listArchive(source, options.platform ?? ownPlatform())) {
        const loaded = await loadImage(engine, source, image, { digester, ...options });
        addImageEvent(engine.db, "load", loaded.id, loaded.id);
        options.loaded(loaded);
      }
    } finally {
      source.close();
    }
  } finally {
    if (spool !== undefined) rmSync(spool, { force: true });
  }
}

function isPlainFile(path: string): boolean {
  const status = statSync(path);
  if (!status.isFile() && !status.isBlockDevice()) return false;
  const fd = openSync(path, "r");
  try {
    const head = Buffer.alloc(8);
    readSync(fd, head);
    return compressionOf(head) === "none";
  } finally {
    closeSync(fd);
  }
}

// Its parts are read at their places, so it has to lie on disk without compression.
async function spoolArchive(engine: Engine, from: string | AsyncIterable<Bytes>): Promise<string> {
  const path = temporaryBlobPath(engine.layout);
  const fd = openSync(path, "wx", 0o600);
  try {
    const source = typeof from === "string" ? Bun.file(from).stream() : from;
    for await (const chunk of decompress(source)) for (let at = 0; at < chunk.length; ) at += writeSync(fd, chunk, at);
    return path;
  } catch (error) {
    rmSync(path, { force: true });
    throw hasCode(error, "ENOSPC", "EDQUOT", "EIO") ? new EngineError(`cannot unpack the archive to ${path}: ${reasonOf(error)}`) : error;
  } finally {
    closeSync(fd);
  }
}

async function listArchive(source: ArchiveSource, platform: Platform): Promise<ArchivedImage[]> {
  if (source.has("manifest.json")) return listDockerArchive(source);
  if (source.has("index.json")) return listLayout(source, (await readIndex(source, "index.json")).manifests, undefined, platform);
  throw new ArchiveError("not an archive of images: it has neither manifest.json (docker) nor index.json (OCI)");
}

async function listDockerArchive(source: ArchiveSource): Promise<ArchivedImage[]> {
  let entries: unknown;
  try {
    entries = JSON.parse((await source.read("manifest.json")).toString());
  } catch (error) {
    throw error instanceof ArchiveError ? error : new ArchiveError("manifest.json of the archive is not JSON");
  }
  const isEntry = (e: unknown): e is { Config: string; RepoTags?: string[] | null; Layers: string[] } => {
    const entry = e as { Config?: unknown; Layers?: unknown } | null;
    return typeof entry?.Config === "string" && Array.isArray(entry.Layers) && entry.Layers.every((layer) => typeof layer === "string");
  };
  if (!Array.isArray(entries) || !entries.every(isEntry))
    throw new ArchiveError("manifest.json of the archive is no list of images with Config and Layers");
  return entries.map((entry) => ({
    config: entry.Config,
    layers: entry.Layers,
    descriptors: undefined,
    configDigest: undefined,
    names: (entry.RepoTags ?? []).map((name) => formatReference(parseReference(name))),
  }));
}

async function readIndex(source: ArchiveSource, path: string): Promise<Index> {
  const parsed = parseManifest(await source.read(path));
  if (!("index" in parsed)) throw new ArchiveError(`${path} of the archive is no index`);
  return parsed.index;
}

async function listLayout(
  source: ArchiveSource,
  descriptors: Descriptor[],
  inherited: string | undefined,
  platform: Platform,
): Promise<ArchivedImage[]> {
  const images: ArchivedImage[] = [];
  for (const descriptor of descriptors) {
    const name = descriptor.annotations?.["io.containerd.image.name"] ?? descriptor.annotations?.["org.opencontainers.image.ref.name"] ?? inherited;
    const bytes = await source.read(blobPath(descriptor.digest));
    checkDigest(bytes, descriptor);
    const parsed = parseManifest(bytes);
    if ("index" in parsed) {
      // Several, of a platform each.
      images.push(...(await listLayout(source, [choosePlatform(parsed.index, platform)], name, platform)));
      continue;
    }
    const { manifest } = parsed;
    images.push({
      config: blobPath(manifest.config.digest),
      layers: manifest.layers.map((layer) => blobPath(layer.digest)),
      descriptors: manifest.layers,
      configDigest: manifest.config.digest,
      names: name === undefined ? [] : namesOf(name),
    });
  }
  return images;
}

// In a layout a name may be a tag alone, which names no image.
function namesOf(name: string): string[] {
  try {
    return /[/:]/.test(name) ? [formatReference(parseReference(name))] : [];
  } catch (error) {
    if (error instanceof InvalidReference) return [];
    throw error;
  }
}

/** Checks content against its descriptor. Throws {@link ArchiveError}. */
export function checkDigest(bytes: Uint8Array, { digest, size }: Pick<Descriptor, "digest" | "size">): void {
  const found = digestOf(bytes, algorithmOf(digest));
  if (found !== digest) throw new ArchiveError(`content has digest ${found}, expected ${digest}`);
  if (bytes.length !== size) throw new ArchiveError(`${digest} has ${bytes.length} bytes, expected ${size}`);
}

/** Reads an image's configuration. Throws {@link EngineError} where it is none. */
export function parseConfig(text: string, layers: number): ImageConfig {
  let config: ImageConfig;
  try {
    config = JSON.parse(text);
  } catch {
    throw new EngineError("the image's configuration is not JSON");
  }
  const diffIds = config?.rootfs?.diff_ids;
  if (!Array.isArray(diffIds) || !diffIds.every((id) => /^sha256:[0-9a-f]{64}$/.test(id)))
    throw new EngineError("the image's configuration has no rootfs.diff_ids");
  if (diffIds.length !== layers) throw new EngineError(`the image's configuration has ${diffIds.length} layers, its manifest ${layers}`);
  if (config.os !== undefined && config.os !== "linux") throw new EngineError(`the image is for ${config.os}, expected linux`);
  return config;
}

type LoadWork = Pick<LoadOptions, "progress"> & { digester: FileDigester };

async function loadImage(engine: Engine, source: ArchiveSource, archived: ArchivedImage, work: LoadWork): Promise<LoadedImage> {
  const text = await source.read(archived.config);
  if (archived.configDigest !== undefined) checkDigest(text, { digest: archived.configDigest, size: text.length });
  const config = parseConfig(text.toString(), archived.layers.length);
  return await withLease(engine.db, config.rootfs.diff_ids, () => stageAndCommit(engine, source, archived, { text: text.toString(), config }, work));
}

async function stageAndCommit(
  engine: Engine,
  source: ArchiveSource,
  archived: ArchivedImage,
  { text, config }: { text: string; config: ImageConfig },
  { digester, progress }: LoadWork,
): Promise<LoadedImage> {
  const staged: StagedLayer[] = [];
  try {
    for (const [i, path] of archived.layers.entries()) {
      const diffId = config.rootfs.diff_ids[i] ?? "";
      const known = knownLayer(engine, diffId);
      if (known) {
        staged.push(known);
        continue;
      }
      const expected = archived.descriptors?.[i];
      using file = source.open(path);
      const tell = (current: number) => progress(diffId.slice(7, 19), current, file.size);
      staged.push(await stageFile(engine, file, digester, { ...(expected && { expected }), diffId, lowers: staged.toReversed(), progress: tell }));
    }
    const id = commitImage(engine, { config: text, layers: staged, names: archived.names, digests: [] });
    return { id, names: archived.names };
  } finally {
    discardStaged(staged);
  }
}

/** A layer that is in the store, its tar with it. */
export function knownLayer(engine: Engine, diffId: string): StagedLayer | undefined {
  if (!hasLayer(engine.db, diffId) || layerBlobs(engine.db, diffId).length === 0) return undefined;
  return { diffId, size: layerSize(engine.db, diffId), blob: undefined, blobPath: undefined, folder: undefined };
}
