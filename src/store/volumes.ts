/** Records of volumes and of who uses them. */
import type { Database } from "bun:sqlite";
import { all, change } from "./database.ts";

/** Makes the record unless there is one. */
export function ensureVolume(db: Database, name: string, anonymous: boolean): void {
  change(db, "INSERT OR IGNORE INTO volumes (name, anonymous, created_at) VALUES (?, ?, ?)", name, Number(anonymous), Date.now());
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
}
