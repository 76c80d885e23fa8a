/** Takes away everything a container has on disk. All need `claimForRemoval` before. */
import type { Database } from "bun:sqlite";
import { renameSync, rmSync } from "../../ffi/files.ts";
import { hasCode } from "../../ffi/libc.ts";
import { dirname } from "../../ffi/path.ts";
import { deleteContainer } from "./containers.ts";
import { writeTransaction } from "./database.ts";
import { type Layout, makePrivateFolder } from "./layout.ts";
import { rubbishIn, temporaryPath } from "./temporary.ts";
import { deleteVolume, ownAnonymousVolumes } from "./volumes.ts";

/** Killed at any point it can be called again: the record, which says what is to be removed, goes last. */
export function discardContainer(db: Database, layout: Layout, id: string, volumes: boolean): void {
  const own = volumes ? ownAnonymousVolumes(db, id) : [];
  for (const folder of foldersOf(layout, id, own)) remove(folder);
  forget(db, id, own);
}

/**
 * As {@link discardContainer} with volumes, for who is waited for: its files take as long as there are many.
 *
 * @returns removes them, and those of whoever was killed before it did
 */
export function putContainerAside(db: Database, layout: Layout, id: string): () => void {
  const own = ownAnonymousVolumes(db, id);
  makePrivateFolder(layout.removed);
  const aside = foldersOf(layout, id, own).flatMap((folder) => putAside(layout, folder));
  forget(db, id, own);
  return () => {
    for (const folder of [...aside, ...rubbishIn(layout.removed)]) remove(folder);
  };
}

const foldersOf = (layout: Layout, id: string, volumes: string[]) => [layout.container(id), ...volumes.map((name) => dirname(layout.volume(name)))];
const remove = (folder: string) => rmSync(folder, { recursive: true, force: true });

function putAside(layout: Layout, folder: string): string[] {
  const aside = temporaryPath(layout.removed);
  try {
    renameSync(folder, aside);
    return [aside];
  } catch (error) {
    // Containers or volumes have a file system of their own.
    if (hasCode(error, "EXDEV")) remove(folder);
    else if (!hasCode(error, "ENOENT")) throw error;
    return [];
  }
}

function forget(db: Database, id: string, volumes: string[]): void {
  writeTransaction(db, () => {
    deleteContainer(db, id);
    for (const name of volumes) deleteVolume(db, name);
  });
}
