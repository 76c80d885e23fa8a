/** Ranges of the host's user and group ids that containers have to themselves. */
import type { Database } from "bun:sqlite";
import { all, change } from "./database.ts";

export interface HostRange {
  first: number;
  size: number;
}

export function takenRanges(db: Database): HostRange[] {
  return all<HostRange>(db, "SELECT first, size FROM id_ranges ORDER BY first");
}

/** It is given back with the container's record. */
export function insertRange(db: Database, containerId: string, { first, size }: HostRange): void {
  change(db, "INSERT INTO id_ranges (container_id, first, size) VALUES (?, ?, ?)", containerId, first, size);
}
