/** Removes what interrupted commands left among the unpacked layers. */
import { existsSync, readdirSync, renameSync, rmSync } from "../../ffi/files.ts";
import { join } from "../../ffi/path.ts";
import { processStartTime } from "../../ffi/process.ts";
import { sweepTemporaryBlobs } from "../store/blob-writer.ts";
import { writeTransaction } from "../store/database.ts";
import { deleteOrphans, hasBlob, hasLayer } from "../store/images.ts";
import { layerFolder, makePrivateFolder } from "../store/layout.ts";
import { currentProcess } from "../store/process-identity.ts";
import type { Engine } from "./engine.ts";

const TEMPORARY = /^\.tmp-(\d+)-(\d+)-/;

/** A folder beside the layers that is this process's while it lives, and rubbish afterwards. */
export function temporaryLayerFolder({ layout }: Engine): string {
  const me = currentProcess();
  return join(layout.layers, `.tmp-${me.pid}-${me.startTime}-${crypto.randomUUID()}`);
}

/** Deletes temporary folders of dead processes, and layers and blobs that no record names. */
export function sweepLayers(engine: Engine): void {
  const { db, layout } = engine;
  sweepTemporaryBlobs(layout);
  makePrivateFolder(layout.layers);
  const doomed: string[] = [];
  // The lock: an import puts folder and record in place under it.
  writeTransaction(db, () => {
    deleteOrphans(db);
    sweepBlobs(engine);
    for (const name of readdirSync(layout.layers)) {
      const [temporary, pid, start] = TEMPORARY.exec(name) ?? [];
      if (temporary) {
        if (processStartTime(Number(pid)) !== Number(start)) doomed.push(join(layout.layers, name));
      } else if (!hasLayer(db, `sha256:${name}`)) {
        const away = temporaryLayerFolder(engine);
        renameSync(join(layout.layers, name), away);
        doomed.push(away);
      }
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
