/** One engine: its folders and its store. */
import type { Database } from "bun:sqlite";
import { existsSync } from "../../ffi/files.ts";
import { openDatabase } from "../store/database.ts";
import { Layout, makePrivateFolder } from "../store/layout.ts";

export interface Engine {
  layout: Layout;
  db: Database;
}

/** Opens the engine of a root folder; undefined is the system's own. Throws `StoreError`. */
export function openEngine(root: string | undefined): Engine {
  const layout = Layout.of(root);
  const db = openDatabase(layout.database);
  if (!existsSync(layout.layers)) for (const folder of layout.privateFolders) makePrivateFolder(folder);
  // Never closed: the last one to close a WAL database writes it all back and waits for the disk.
  return { layout, db };
}
