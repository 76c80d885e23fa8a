/** Removes what interrupted commands left among the unpacked layers. */
import { existsSync, readdirSync, renameSync, rmSync } from "../../ffi/files.ts";
import { join } from "../../ffi/path.ts";
import { sweepTemporaryBlobs } from "../store/blob-writer.ts";
import { writeTransaction } from "../store/database.ts";
import { deleteOrphans, hasBlob, hasLayer } from "../store/images.ts";
import { layerFolder, makePrivateFolder } from "../store/layout.ts";
import { isTemporary, rubbishIn, temporaryPath } from "../store/temporary.ts";
import type { Engine } from "./engine.ts";

/** Deletes what dead processes left, and layers and blobs that no record names. */
export function sweepLayers(engine: Engine): void {
  const { db, layout } = engine;
  sweepTemporaryBlobs(layout);
  makePrivateFolder(layout.layers);
  const doomed = [...rubbishIn(layout.removed), ...rubbishIn(layout.layers)];
  // The lock: an import puts folder and record in place under it.
  writeTransaction(db, () => {
    deleteOrphans(db);
    sweepBlobs(engine);
    for (const name of readdirSync(layout.layers)) {
      if (isTemporary(name) || hasLayer(db, `sha256:${name}`)) continue;
      const away = temporaryPath(layout.layers);
      renameSync(join(layout.layers, name), away);
      doomed.push(away);
    }
  });
  for (const folder of doomed) rmSync(folder, { recursive: true, force: true });
}

/** Where an unpacked layer has its place. */
export function layerPath({ layout }: Engine, diffId: string): string {
  return join(layout.layers, layerFolder(diffId));
}

function sweepBlobs({ db, layout }: Engine): void {
  for (const algorithm of ["sha256", "sha512"]) {
    const folder = join(layout.blobs, algorithm);
    if (!existsSync(folder)) continue;
    for (const hex of readdirSync(folder)) {
      if (!hasBlob(db, `${algorithm}:${hex}`)) rmSync(join(folder, hex), { force: true });
    }
  }
}
