/** What a monitor does before it has a request: what nearly every container needs, while whoever started it makes that. */
import type { Database } from "bun:sqlite";
import { existsSync } from "../../ffi/files.ts";
import { once } from "../../ffi/once.ts";
import { findHierarchies } from "../runtime/cgroup/hierarchy.ts";
import { getContainer } from "../store/containers.ts";
import { openDatabase } from "../store/database.ts";
import { Layout } from "../store/layout.ts";

export const loadNetwork = once(() => import("./container-network.ts"));
export const loadResting = once(() => import("./resting.ts"));
export const loadRehearsal = once(() => import("./rehearsal.ts"));

/**
 * Goes as far as there is time.
 *
 * @param isAsked whether the request is there
 * @returns the store, if it was opened
 */
export async function prepareAhead(isAsked: () => boolean): Promise<Database | undefined> {
  let store: Database | undefined;
  try {
    if (!isAsked()) store = openLikelyStore();
    if (!isAsked()) findHierarchies();
    if (!isAsked()) await loadNetwork();
    if (store && !isAsked()) (await loadRehearsal()).rehearseLife(store);
  } catch {} // what is wrong is of no interest before it is asked for
  return store;
}

// That of the engine whose folder the environment names, which the request most probably means.
function openLikelyStore(): Database | undefined {
  const { BERTH_ROOT } = process.env;
  if (BERTH_ROOT !== undefined && !BERTH_ROOT.startsWith("/")) return undefined;
  const path = Layout.of(BERTH_ROOT).database;
  if (!existsSync(path)) return undefined;
  const db = openDatabase(path);
  getContainer(db, ""); // SQLite reads the schema
  return db;
}
