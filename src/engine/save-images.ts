/** `save`: images into an archive that docker, podman and OCI's tools read. */
import { writeAll } from "../../ffi/fd.ts";
import { closeSync, mkdirSync, openSync, readSync, writeFileSync } from "../../ffi/files.ts";
import { dirname, join } from "../../ffi/path.ts";
import { blobPath } from "../image/archive.ts";
import { type Descriptor, type Manifest, OCI_CONFIG, OCI_INDEX, OCI_MANIFEST } from "../image/media-types.ts";
import { familiarName } from "../image/reference.ts";
import type { TarEntry } from "../image/tar-header.ts";
import { TarWriter } from "../image/tar-writer.ts";
import { digestOf } from "../store/digest.ts";
import { addImageEvent, type Blob, type ImageRecord, imageText, layerBlobs, withLease } from "../store/images.ts";
import type { Engine } from "./engine.ts";
import { EngineError } from "./errors.ts";
import { type ResolvedImage, resolveImage } from "./resolve-image.ts";

export type ArchiveFormat = "docker-archive" | "oci-archive" | "oci-dir";

/** Where the files of an archive go. */
interface Target {
  file(path: string, content: Buffer): void;
  copy(path: string, from: string, size: number): void;
  close(): void;
}

const CHUNK = 1 << 20;
const familiar = (name: string) => {
  const { repository, tag } = familiarName(name);
  return `${repository}:${tag}`;
};

/** One image's manifest, made of what the store has; the same image gives the same bytes. */
export function buildManifest(engine: Engine, image: ImageRecord): { manifest: Buffer; config: Buffer; layers: Blob[] } {
  const config = Buffer.from(imageText(engine.db, image.id));
  const layers = image.layers.map((diffId) => {
    const [blob] = layerBlobs(engine.db, diffId);
    if (!blob) throw new EngineError(`layer ${diffId} of image ${image.id} has no content in the store`);
    return blob;
  });
  const manifest: Manifest = {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: { mediaType: OCI_CONFIG, digest: image.id, size: config.length },
    layers: layers.map(({ mediaType, digest, size }) => ({ mediaType, digest, size })),
  };
  return { manifest: Buffer.from(JSON.stringify(manifest)), config, layers };
}

type Destination = { write(bytes: Uint8Array): void } | { folder: string };

/** Writes images by name or id. `write` gets an archive's bytes; for a folder, `folder` is where. */
export async function saveImages(engine: Engine, names: string[], format: ArchiveFormat, to: Destination): Promise<void> {
  const resolved = names.map((text) => ({ text, ...resolveImage(engine, text) }));
  const layers = resolved.flatMap(({ image }) => image.layers);
  await withLease(engine.db, layers, () => writeImages(engine, resolved, format, to));
  for (const { image } of resolved) addImageEvent(engine.db, "save", image.id, image.id);
}

function writeImages(engine: Engine, resolved: (ResolvedImage & { text: string })[], format: ArchiveFormat, to: Destination): void {
  const images = new Map<string, { image: ImageRecord; names: string[] }>();
  for (const { image, name, text } of resolved) {
    const known = images.get(image.id) ?? { image, names: [] };
    // All tags of a repository named without one, as docker saves them.
    const wanted =
      name === undefined
        ? []
        : /:[^/]+$/.test(text)
          ? [name]
          : image.names.filter((n) => n.slice(0, n.lastIndexOf(":")) === name.slice(0, name.lastIndexOf(":")));
    known.names.push(...wanted.filter((n) => !known.names.includes(n)));
    images.set(image.id, known);
  }
  const target = "folder" in to ? new FolderTarget(to.folder) : new TarTarget(to.write);
  const written = new Set<string>();
  const blob = (digest: string, write: () => void) => {
    if (!written.has(digest)) write();
    written.add(digest);
  };
  const index: Descriptor[] = [];
  const docker: object[] = [];
  for (const { image, names: tags } of images.values()) {
    const { manifest, config, layers } = buildManifest(engine, image);
    blob(image.id, () => target.file(blobPath(image.id), config));
    for (const { digest, size } of layers) blob(digest, () => target.copy(blobPath(digest), engine.layout.blob(digest), size));
    const digest = digestOf(manifest);
    blob(digest, () => target.file(blobPath(digest), manifest));
    const descriptor = { mediaType: OCI_MANIFEST, digest, size: manifest.length };
    const annotated = tags.map((name) => ({
      ...descriptor,
      annotations: { "io.containerd.image.name": name, "org.opencontainers.image.ref.name": name.slice(name.lastIndexOf(":") + 1) },
    }));
    index.push(...(annotated.length > 0 ? annotated : [descriptor]));
    docker.push({
      Config: blobPath(image.id),
      RepoTags: tags.length > 0 ? tags.map(familiar) : null,
      Layers: layers.map((layer) => blobPath(layer.digest)),
    });
  }
  target.file("index.json", Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: index })));
  if (format === "docker-archive") target.file("manifest.json", Buffer.from(JSON.stringify(docker)));
  target.file("oci-layout", Buffer.from('{"imageLayoutVersion":"1.0.0"}'));
  target.close();
}

class TarTarget implements Target {
  readonly #writer: TarWriter;
  readonly #folders = new Set<string>();

  constructor(write: (bytes: Uint8Array) => void) {
    this.#writer = new TarWriter(write);
  }

  #entry(path: string, type: TarEntry["type"], size: number): void {
    this.#writer.entry({
      path,
      type,
      mode: type === "directory" ? 0o755 : 0o644,
      uid: 0,
      gid: 0,
      size,
      mtime: 0n,
      linkPath: "",
      deviceMajor: 0,
      deviceMinor: 0,
      xattrs: new Map(),
    });
  }

  #folder(path: string): void {
    if (path === "." || this.#folders.has(path)) return;
    this.#folder(dirname(path));
    this.#folders.add(path);
    this.#entry(`${path}/`, "directory", 0);
  }

  file(path: string, content: Buffer): void {
    this.#folder(dirname(path));
    this.#entry(path, "file", content.length);
    this.#writer.data(content);
  }

  copy(path: string, from: string, size: number): void {
    this.#folder(dirname(path));
    this.#entry(path, "file", size);
    copyChunks(from, size, (chunk) => this.#writer.data(chunk));
  }

  close(): void {
    this.#writer.close();
  }
}

class FolderTarget implements Target {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  #path(path: string): string {
    const full = join(this.#folder, path);
    mkdirSync(dirname(full), { recursive: true });
    return full;
  }

  file(path: string, content: Buffer): void {
    writeFileSync(this.#path(path), content);
  }

  copy(path: string, from: string, size: number): void {
    const fd = openSync(this.#path(path), "w");
    try {
      copyChunks(from, size, (chunk) => writeAll(fd, chunk));
    } finally {
      closeSync(fd);
    }
  }

  close(): void {}
}

function copyChunks(from: string, size: number, write: (chunk: Uint8Array) => void): void {
  const fd = openSync(from, "r");
  try {
    for (let at = 0; at < size; ) {
      const buffer = Buffer.allocUnsafe(Math.min(CHUNK, size - at));
      const n = readSync(fd, buffer, 0, buffer.length, at);
      if (n === 0) throw new EngineError(`${from} is shorter than the ${size} bytes it should have`);
      write(buffer.subarray(0, n));
      at += n;
    }
  } finally {
    closeSync(fd);
  }
}
