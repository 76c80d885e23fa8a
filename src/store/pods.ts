/** Records of pods. */
import type { Database } from "bun:sqlite";
import { type ContainerRecord, containersWhere } from "./containers.ts";
import { all, change, first } from "./database.ts";
import { addEvent } from "./events.ts";

/** What a pod's containers have in common. */
export const SHARED_NAMESPACES = ["ipc", "net", "pid", "uts"] as const;
export type SharedNamespace = (typeof SHARED_NAMESPACES)[number];

export interface PodRecord {
  id: string;
  name: string;
  labels: Record<string, string>;
  share: SharedNamespace[];
  /** The container that holds the namespaces; undefined where its making was interrupted. */
  infraId: string | undefined;
  /** Milliseconds since 1970. */
  createdAt: number;
}

interface Row {
  id: string;
  name: string;
  config: string;
  infra_id: string | null;
  created_at: number;
}
const fromRow = ({ id, name, config, infra_id, created_at }: Row): PodRecord => ({
  id,
  name,
  ...(JSON.parse(config) as Pick<PodRecord, "labels" | "share">),
  infraId: infra_id ?? undefined,
  createdAt: created_at,
});

/** Adds a pod. Throws SQLite's constraint error where the name is taken. */
export function insertPod(db: Database, { id, name, labels, share }: Pick<PodRecord, "id" | "name" | "labels" | "share">): void {
  change(db, "INSERT INTO pods (id, name, config, created_at) VALUES (?, ?, ?, ?)", id, name, JSON.stringify({ labels, share }), Date.now());
  addEvent(db, "pod", "create", id, { name });
}

export function setInfra(db: Database, podId: string, containerId: string): void {
  change(db, "UPDATE pods SET infra_id = ? WHERE id = ?", containerId, podId);
}

export function getPod(db: Database, id: string): PodRecord | undefined {
  const row = first<Row>(db, "SELECT * FROM pods WHERE id = ?", id);
  return row && fromRow(row);
}

/** The newest first. */
export function listPods(db: Database): PodRecord[] {
  return all<Row>(db, "SELECT * FROM pods ORDER BY created_at DESC, rowid DESC").map(fromRow);
}

/** By name, then by the beginning of ids: two hits mean that it is ambiguous. */
export function findPods(db: Database, text: string): PodRecord[] {
  const exact = first<Row>(db, "SELECT * FROM pods WHERE name = ?1 OR id = ?1 ORDER BY name = ?1 DESC LIMIT 1", text);
  if (exact) return [fromRow(exact)];
  if (!/^[0-9a-f]+$/.test(text)) return [];
  return all<Row>(db, "SELECT * FROM pods WHERE id >= ?1 AND id < ?1 || 'g' LIMIT 2", text).map(fromRow);
}

/** In the order in which they were made: the infra container first. */
export function containersOfPod(db: Database, id: string): ContainerRecord[] {
  return containersWhere(db, "pod_id = ? ORDER BY created_at, rowid", id);
}

export function deletePod(db: Database, { id, name }: PodRecord): void {
  change(db, "DELETE FROM pods WHERE id = ?", id);
  addEvent(db, "pod", "remove", id, { name });
}
