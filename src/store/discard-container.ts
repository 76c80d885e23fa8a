/** Takes away everything a container has on disk, its record last. */
import type { Database } from "bun:sqlite";
import { rmSync } from "../../ffi/files.ts";
import { dirname } from "../../ffi/path.ts";
import { deleteContainer } from "./containers.ts";
import { writeTransaction } from "./database.ts";
import type { Layout } from "./layout.ts";
import { deleteVolume, ownAnonymousVolumes } from "./volumes.ts";

/**
 * Needs `claimForRemoval` before. Killed at any point it can be called again: the
 * record, which says what is to be removed, goes last.
 */
export function discardContainer(db: Database, layout: Layout, id: string, volumes: boolean): void {
  rmSync(layout.container(id), { recursive: true, force: true });
  const own = volumes ? ownAnonymousVolumes(db, id) : [];
  for (const name of own) rmSync(dirname(layout.volume(name)), { recursive: true, force: true });
  writeTransaction(db, () => {
    deleteContainer(db, id);
    for (const name of own) deleteVolume(db, name);
  });
}
