/** Records of images, their names and layers. */
import type { Database } from "bun:sqlite";
import { all, change, first, writeTransaction } from "./database.ts";
import { addEvent } from "./events.ts";
import { currentProcess, isAlive, type ProcessIdentity } from "./process-identity.ts";

/** An OCI image configuration (image-spec config.md), the parts used here. */
export interface ImageConfig {
  created?: string;
  author?: string;
  architecture: string;
  os: string;
  config?: {
    User?: string;
    ExposedPorts?: Record<string, object>;
    Env?: string[];
    Entrypoint?: string[] | null;
    Cmd?: string[] | null;
    Volumes?: Record<string, object> | null;
    WorkingDir?: string;
    Labels?: Record<string, string> | null;
    StopSignal?: string;
    /** Docker's own, for what follows in a Dockerfile. */
    Shell?: string[];
    OnBuild?: string[] | null;
    /** Nanoseconds. */
    Healthcheck?: { Test?: string[]; Interval?: number; Timeout?: number; StartPeriod?: number; StartInterval?: number; Retries?: number };
  };
  rootfs: { type: "layers"; diff_ids: string[] };
  history?: { created?: string; created_by?: string; author?: string; comment?: string; empty_layer?: boolean }[];
}

export interface ImageRecord {
  /** `sha256:…` of the configuration. */
  id: string;
  config: ImageConfig;
  /** Milliseconds since 1970. */
  createdAt: number;
  /** Full references, e.g. `docker.io/library/bb:latest`. */
  names: string[];
  /** Diff ids, the lowest first. */
  layers: string[];
  /** Bytes of all layers, unpacked. */
  size: number;
  /** `REPOSITORY@DIGEST` of the registries it came from or went to. */
  digests: string[];
}

/** Bytes in the store. */
export interface Blob {
  digest: string;
  size: number;
  mediaType: string;
}

/** A layer as it comes into the store: its tar's digest, the bytes of its files, and where the tar is. */
export interface NewLayer {
  diffId: string;
  size: number;
  blob: Blob;
}

interface Row {
  id: string;
  config: string;
  created_at: number;
  names: string;
  layers: string;
  size: number;
  digests: string;
}

// All that is known of an image, in one statement: each costs a process as much to prepare as to run.
const SELECT = `SELECT images.id, images.config, images.created_at,
  (SELECT json_group_array(name ORDER BY name) FROM image_names WHERE image_id = images.id) AS names,
  (SELECT json_group_array(diff_id ORDER BY position) FROM image_layers WHERE image_id = images.id) AS layers,
  (SELECT coalesce(sum(size), 0) FROM image_layers JOIN layers USING (diff_id) WHERE image_id = images.id) AS size,
  (SELECT json_group_array(repository || '@' || digest ORDER BY repository) FROM image_digests WHERE image_id = images.id) AS digests
  FROM images`;

const fromRow = (row: Row): ImageRecord => ({
  id: row.id,
  config: JSON.parse(row.config),
  createdAt: row.created_at,
  names: JSON.parse(row.names),
  layers: JSON.parse(row.layers),
  size: row.size,
  digests: JSON.parse(row.digests),
});

const IS_CACHE = "build_key IS NOT NULL AND NOT EXISTS (SELECT 1 FROM image_names WHERE image_id = id)";

/** All images, the newest first, but for those that are cache of builds. */
export function listImages(db: Database): ImageRecord[] {
  return all<Row>(db, `${SELECT} WHERE NOT (${IS_CACHE}) ORDER BY created_at DESC, rowid DESC`).map(fromRow);
}

/** What steps of builds made, where it has no name. */
export function listBuildCache(db: Database): ImageRecord[] {
  return all<Row>(db, `${SELECT} WHERE ${IS_CACHE} ORDER BY created_at DESC, rowid DESC`).map(fromRow);
}

/** What a step of a build made. */
export function findBuildStep(db: Database, key: string): ImageRecord | undefined {
  const row = first<Row>(db, `${SELECT} WHERE build_key = ? ORDER BY created_at DESC LIMIT 1`, key);
  return row && fromRow(row);
}

/** Remembers what a step of a build made. */
export function recordBuildStep(db: Database, key: string, id: string): void {
  change(db, "UPDATE images SET build_key = ? WHERE id = ?", key, id);
}

export function getImage(db: Database, id: string): ImageRecord | undefined {
  const row = first<Row>(db, `${SELECT} WHERE id = ?`, id);
  return row && fromRow(row);
}

/** Diff ids, the lowest first. */
export function imageLayers(db: Database, id: string): string[] {
  return all<{ diff_id: string }>(db, "SELECT diff_id FROM image_layers WHERE image_id = ? ORDER BY position", id).map((row) => row.diff_id);
}

export function hasImage(db: Database, id: string): boolean {
  return first(db, "SELECT 1 FROM images WHERE id = ?", id) !== undefined;
}

export function findImageByName(db: Database, name: string): ImageRecord | undefined {
  const row = first<Row>(db, `${SELECT} JOIN image_names ON image_id = id WHERE name = ?`, name);
  return row && fromRow(row);
}

/** By the beginning of the id's hex; two hits mean that it is ambiguous. */
export function findImagesById(db: Database, hex: string): ImageRecord[] {
  const sql = `${SELECT} WHERE id >= 'sha256:' || ?1 AND id < 'sha256:' || ?1 || 'g' LIMIT 2`;
  return all<Row>(db, sql, hex).map(fromRow);
}

/** Adds an image whose layers are in place, or gives an existing one the name. */
export function insertImage(db: Database, image: { id: string; config: string; layers: string[]; name: string | undefined }): void {
  writeTransaction(db, () => {
    const fresh = change(db, "INSERT OR IGNORE INTO images (id, config, created_at) VALUES (?, ?, ?)", image.id, image.config, Date.now());
    if (fresh) {
      image.layers.forEach((diffId, position) => {
        change(db, "INSERT INTO image_layers (image_id, position, diff_id) VALUES (?, ?, ?)", image.id, position, diffId);
      });
    }
    if (image.name) nameImage(db, image.name, image.id);
  });
}

/** Adds a layer whose folder is in place. */
export function insertLayer(db: Database, layer: Omit<NewLayer, "blob">): void {
  change(db, "INSERT OR IGNORE INTO layers (diff_id, size) VALUES (?, ?)", layer.diffId, layer.size);
}

/** Adds a blob that holds a layer's tar. */
export function insertLayerBlob(db: Database, diffId: string, blob: Blob): void {
  change(db, "INSERT OR IGNORE INTO blobs (digest, size, media_type) VALUES (?, ?, ?)", blob.digest, blob.size, blob.mediaType);
  change(db, "INSERT OR IGNORE INTO layer_blobs (diff_id, digest) VALUES (?, ?)", diffId, blob.digest);
}

/** The blobs a layer's tar is in. */
export function layerBlobs(db: Database, diffId: string): Blob[] {
  const sql = "SELECT digest, size, media_type AS mediaType FROM blobs JOIN layer_blobs USING (digest) WHERE diff_id = ? ORDER BY media_type, digest";
  return all<Blob>(db, sql, diffId);
}

/** The layer whose tar a blob holds, if it is one of a layer in the store. */
export function layerOfBlob(db: Database, digest: string): string | undefined {
  return first<{ diff_id: string }>(db, "SELECT diff_id FROM layer_blobs WHERE digest = ?", digest)?.diff_id;
}

export function hasBlob(db: Database, digest: string): boolean {
  return first(db, "SELECT 1 FROM blobs WHERE digest = ?", digest) !== undefined;
}

/** The configuration of an image, byte for byte. */
export function imageText(db: Database, id: string): string {
  return first<{ config: string }>(db, "SELECT config FROM images WHERE id = ?", id)?.config ?? "";
}

/** Bytes of a layer's files. */
export function layerSize(db: Database, diffId: string): number {
  return first<{ size: number }>(db, "SELECT size FROM layers WHERE diff_id = ?", diffId)?.size ?? 0;
}

/** Notes under which digest a repository has an image, if that is still there. */
export function recordDigest(db: Database, repository: string, digest: string, imageId: string): void {
  const sql = "INSERT OR REPLACE INTO image_digests (repository, digest, image_id) SELECT ?, ?, id FROM images WHERE id = ?";
  change(db, sql, repository, digest, imageId);
}

export function findImageByDigest(db: Database, repository: string, digest: string): ImageRecord | undefined {
  const row = first<Row>(db, `${SELECT} JOIN image_digests ON image_id = id WHERE repository = ? AND digest = ?`, repository, digest);
  return row && fromRow(row);
}

/** Adds an event of an image, by the name that it was called by. */
export function addImageEvent(db: Database, action: string, id: string, name: string): void {
  const labels = first<{ labels: string | null }>(
    db,
    "SELECT json_extract(config, '$.config.Labels') AS labels FROM images WHERE id = ?",
    id,
  )?.labels;
  addEvent(db, "image", action, id, { ...(JSON.parse(labels ?? "{}") as Record<string, string>), name });
}

/** Gives a name to an image; another image that had it loses it. */
export function nameImage(db: Database, name: string, id: string): void {
  change(db, "INSERT INTO image_names (name, image_id) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET image_id = ?2", name, id);
}

export function removeImageName(db: Database, name: string): void {
  const id = findImageByName(db, name)?.id;
  if (id) addImageEvent(db, "untag", id, id);
  change(db, "DELETE FROM image_names WHERE name = ?", name);
}

/** Deletes an image's record and those of layers nobody else has or reads; gives these layers' diff ids. */
export function deleteImage(db: Database, id: string): string[] {
  return writeTransaction(db, () => {
    change(db, "DELETE FROM images WHERE id = ?", id);
    addImageEvent(db, "delete", id, id);
    return deleteOrphans(db);
  });
}

/** Deletes the records of layers and blobs that belong to no image and are read by nobody; gives the layers' diff ids. */
export function deleteOrphans(db: Database): string[] {
  return writeTransaction(db, () => {
    for (const lease of all<ProcessIdentity>(db, "SELECT DISTINCT pid, pid_start AS startTime, boot_id AS bootId FROM leases"))
      if (!isAlive(lease)) change(db, "DELETE FROM leases WHERE pid = ? AND pid_start = ?", lease.pid, lease.startTime);
    const sql = "SELECT diff_id FROM layers WHERE diff_id NOT IN (SELECT diff_id FROM image_layers) AND diff_id NOT IN (SELECT diff_id FROM leases)";
    const orphans = all<{ diff_id: string }>(db, sql).map((row) => row.diff_id);
    for (const diffId of orphans) change(db, "DELETE FROM layers WHERE diff_id = ?", diffId);
    change(db, "DELETE FROM blobs WHERE digest NOT IN (SELECT digest FROM layer_blobs)");
    return orphans;
  });
}

/** Keeps layers while `action` reads them, also when their image is removed meanwhile. */
export async function withLease<T>(db: Database, diffIds: readonly string[], action: () => T | Promise<T>): Promise<T> {
  const { pid, startTime, bootId } = currentProcess();
  writeTransaction(db, () => {
    for (const diffId of diffIds)
      change(db, "INSERT OR IGNORE INTO leases (diff_id, pid, pid_start, boot_id) VALUES (?, ?, ?, ?)", diffId, pid, startTime, bootId);
  });
  try {
    return await action();
  } finally {
    change(db, "DELETE FROM leases WHERE pid = ? AND pid_start = ?", pid, startTime);
  }
}

export function hasLayer(db: Database, diffId: string): boolean {
  return first(db, "SELECT 1 FROM layers WHERE diff_id = ?", diffId) !== undefined;
}

/** Containers made from an image. */
export function containersOfImage(db: Database, id: string): { id: string; status: string }[] {
  return all(db, "SELECT id, status FROM containers WHERE image_id = ? ORDER BY created_at", id);
}
