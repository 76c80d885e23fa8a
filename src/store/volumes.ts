/** Records of volumes and of who uses them. */
import type { Database } from "bun:sqlite";
import { all, change, first } from "./database.ts";
import { addEvent } from "./events.ts";

export interface VolumeRecord {
  name: string;
  anonymous: boolean;
  /** Milliseconds since 1970. */
  createdAt: number;
  labels: Record<string, string>;
  /** Of the driver `local`: `type`, `device` and `o`, as mount(8) has them; empty for a folder of the engine's. */
  options: Record<string, string>;
}

interface Row {
  name: string;
  anonymous: number;
  created_at: number;
  labels: string;
  options: string;
}
const fromRow = ({ name, anonymous, created_at, labels, options }: Row): VolumeRecord => ({
  name,
  anonymous: anonymous === 1,
  createdAt: created_at,
  labels: JSON.parse(labels),
  options: JSON.parse(options),
});

export function getVolume(db: Database, name: string): VolumeRecord | undefined {
  const row = first<Row>(db, "SELECT * FROM volumes WHERE name = ?", name);
  return row && fromRow(row);
}

export function listVolumes(db: Database): VolumeRecord[] {
  return all<Row>(db, "SELECT * FROM volumes ORDER BY name").map(fromRow);
}

/** Adds a volume. Throws SQLite's constraint error where there is one of that name. */
export function insertVolume(db: Database, { name, anonymous, labels, options }: Omit<VolumeRecord, "createdAt">): void {
  const sql = "INSERT INTO volumes (name, anonymous, created_at, labels, options) VALUES (?, ?, ?, ?, ?)";
  change(db, sql, name, Number(anonymous), Date.now(), JSON.stringify(labels), JSON.stringify(options));
  addEvent(db, "volume", "create", name, { driver: "local" });
}

/** Ids of containers that use a volume. */
export function containersOfVolume(db: Database, name: string): string[] {
  return all<{ container_id: string }>(db, "SELECT container_id FROM container_volumes WHERE volume = ?", name).map((row) => row.container_id);
}

/** Makes the record unless there is one. */
export function ensureVolume(db: Database, { name, anonymous, labels, options }: Omit<VolumeRecord, "createdAt">): void {
  const sql = "INSERT OR IGNORE INTO volumes (name, anonymous, created_at, labels, options) VALUES (?, ?, ?, ?, ?)";
  const made = change(db, sql, name, Number(anonymous), Date.now(), JSON.stringify(labels), JSON.stringify(options));
  if (made > 0) addEvent(db, "volume", "create", name, { driver: "local" });
}

export function useVolume(db: Database, containerId: string, volume: string): void {
  change(db, "INSERT OR IGNORE INTO container_volumes (container_id, volume) VALUES (?, ?)", containerId, volume);
}

/** Anonymous volumes that only this container uses. */
export function ownAnonymousVolumes(db: Database, containerId: string): string[] {
  return all<{ volume: string }>(
    db,
    `SELECT volume FROM container_volumes JOIN volumes ON name = volume
     WHERE container_id = ?1 AND anonymous = 1
       AND NOT EXISTS (SELECT 1 FROM container_volumes other WHERE other.volume = container_volumes.volume AND other.container_id != ?1)`,
    containerId,
  ).map((row) => row.volume);
}

export function deleteVolume(db: Database, name: string): void {
  change(db, "DELETE FROM volumes WHERE name = ?", name);
  addEvent(db, "volume", "destroy", name, { driver: "local" });
}
