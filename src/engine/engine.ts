/** One engine: its folders and its store. */
import type { Database } from "bun:sqlite";
import { openDatabase } from "../store/database.ts";
import { Layout } from "../store/layout.ts";

export interface Engine {
  layout: Layout;
  db: Database;
}

/** Opens the engine of a root folder; undefined is the system's own. Throws `StoreError`. */
export function openEngine(root: string | undefined): Engine {
  const layout = Layout.of(root);
  // Never closed: the last one to close a WAL database writes it all back and waits for the disk.
  return { layout, db: openDatabase(layout.database) };
}
