/** Records of images, their names and layers. */
import type { Database } from "bun:sqlite";
import { all, change, first, writeTransaction } from "./database.ts";

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
  };
  rootfs: { type: "layers"; diff_ids: string[] };
  history?: { created?: string; created_by?: string; comment?: string; empty_layer?: boolean }[];
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
}

interface Row {
  id: string;
  config: string;
  created_at: number;
}

function fromRow(db: Database, row: Row): ImageRecord {
  const names = all<{ name: string }>(db, "SELECT name FROM image_names WHERE image_id = ? ORDER BY name", row.id).map((r) => r.name);
  const layers = all<{ diff_id: string; size: number }>(
    db,
    "SELECT diff_id, size FROM image_layers JOIN layers USING (diff_id) WHERE image_id = ? ORDER BY position",
    row.id,
  );
  return {
    id: row.id,
    config: JSON.parse(row.config),
    createdAt: row.created_at,
    names,
    layers: layers.map((l) => l.diff_id),
    size: layers.reduce((sum, l) => sum + l.size, 0),
  };
}

export function listImages(db: Database): ImageRecord[] {
  return all<Row>(db, "SELECT * FROM images ORDER BY created_at DESC, rowid DESC").map((row) => fromRow(db, row));
}

export function getImage(db: Database, id: string): ImageRecord | undefined {
  const row = first<Row>(db, "SELECT * FROM images WHERE id = ?", id);
  return row && fromRow(db, row);
}

export function findImageByName(db: Database, name: string): ImageRecord | undefined {
  const row = first<Row>(db, "SELECT images.* FROM images JOIN image_names ON image_id = id WHERE name = ?", name);
  return row && fromRow(db, row);
}

/** By the beginning of the id's hex; two hits mean that it is ambiguous. */
export function findImagesById(db: Database, hex: string): ImageRecord[] {
  const sql = "SELECT * FROM images WHERE id >= 'sha256:' || ?1 AND id < 'sha256:' || ?1 || 'g' LIMIT 2";
  return all<Row>(db, sql, hex).map((row) => fromRow(db, row));
}

/** Adds an image whose layers are in place, or gives an existing one the name. */
export function insertImage(
  db: Database,
  image: { id: string; config: string; layers: { diffId: string; size: number }[]; name: string | undefined },
): void {
  writeTransaction(db, () => {
    for (const layer of image.layers) change(db, "INSERT OR IGNORE INTO layers (diff_id, size) VALUES (?, ?)", layer.diffId, layer.size);
    const fresh = change(db, "INSERT OR IGNORE INTO images (id, config, created_at) VALUES (?, ?, ?)", image.id, image.config, Date.now());
    if (fresh) {
      image.layers.forEach((layer, position) => {
        change(db, "INSERT INTO image_layers (image_id, position, diff_id) VALUES (?, ?, ?)", image.id, position, layer.diffId);
      });
    }
    if (image.name) nameImage(db, image.name, image.id);
  });
}

/** Gives a name to an image; another image that had it loses it. */
export function nameImage(db: Database, name: string, id: string): void {
  change(db, "INSERT INTO image_names (name, image_id) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET image_id = ?2", name, id);
}

export function removeImageName(db: Database, name: string): void {
  change(db, "DELETE FROM image_names WHERE name = ?", name);
}

/** Deletes an image's record and those of layers nobody else has; gives these layers' diff ids. */
export function deleteImage(db: Database, id: string): string[] {
  return writeTransaction(db, () => {
    change(db, "DELETE FROM images WHERE id = ?", id);
    const orphans = all<{ diff_id: string }>(db, "SELECT diff_id FROM layers WHERE diff_id NOT IN (SELECT diff_id FROM image_layers)").map(
      (r) => r.diff_id,
    );
    for (const diffId of orphans) change(db, "DELETE FROM layers WHERE diff_id = ?", diffId);
    return orphans;
  });
}

export function hasLayer(db: Database, diffId: string): boolean {
  return first(db, "SELECT 1 FROM layers WHERE diff_id = ?", diffId) !== undefined;
}

/** Containers made from an image. */
export function containersOfImage(db: Database, id: string): { id: string; status: string }[] {
  return all(db, "SELECT id, status FROM containers WHERE image_id = ? ORDER BY created_at", id);
}
