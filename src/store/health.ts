/** What is known of containers' health. */
import type { Database } from "bun:sqlite";
import { change, first } from "./database.ts";
import { addContainerEvent } from "./events.ts";

export type HealthStatus = "starting" | "healthy" | "unhealthy";

/** One probe; times in milliseconds since 1970. */
export interface Probe {
  start: number;
  end: number;
  /** -1 where it took too long or could not be run. */
  exitCode: number;
  output: string;
}

export interface Health {
  status: HealthStatus;
  failingStreak: number;
  /** The last ones, the oldest first. */
  log: Probe[];
}

/** Undefined for a container that is not probed, or never ran. */
export function getHealth(db: Database, containerId: string): Health | undefined {
  const sql = "SELECT status, failing_streak, log FROM health WHERE container_id = ?";
  const row = first<{ status: HealthStatus; failing_streak: number; log: string }>(db, sql, containerId);
  return row && { status: row.status, failingStreak: row.failing_streak, log: JSON.parse(row.log) };
}

export function putHealth(db: Database, containerId: string, { status, failingStreak, log }: Health): void {
  const sql = "INSERT OR REPLACE INTO health (container_id, status, failing_streak, log) VALUES (?, ?, ?, ?)";
  const before = getHealth(db, containerId)?.status;
  change(db, sql, containerId, status, failingStreak, JSON.stringify(log));
  if (status !== before && status !== "starting") addContainerEvent(db, containerId, `health_status: ${status}`);
}
