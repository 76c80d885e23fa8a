/** An engine for nobody, in namespaces of its own, for a snapshot's maker to use once what processes use: code that has run is ready to. */
import { chmodSync, mkdirSync, rmdirSync, writeFileSync } from "../../ffi/files.ts";
import { MNT_DETACH, MS_PRIVATE, MS_REC, mount, umount } from "../../ffi/mount.ts";
import { CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWUTS, unshare } from "../../ffi/namespace.ts";
import { join } from "../../ffi/path.ts";
import { bringLoopbackUp } from "../../ffi/socket.ts";
import { type Engine, openEngine } from "../engine/engine.ts";
import { ownPlatform } from "../image/media-types.ts";
import { formatReference, parseReference } from "../image/reference.ts";
import { closeDatabases } from "../store/database.ts";
import { type ImageConfig, insertImage, insertLayer } from "../store/images.ts";

/** Its image's name. The program in it ends at once, or, with an argument, after some seconds: whoever kills a maker leaves nothing that stays. */
export const IMAGE = "warm:latest";
export const PROGRAM = "idle";
export const LAYER = "0".repeat(64);

/**
 * Calls back with the engine's folder, which is gone afterwards, and all that is mounted, connected or named in it.
 */
export async function inOwnWorld<T>(folder: string, action: (engine: Engine) => Promise<T>): Promise<T> {
  unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS);
  bringLoopbackUp();
  mount(null, "/", null, MS_REC | MS_PRIVATE);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  mount("tmpfs", folder, "tmpfs", 0, "mode=700");
  try {
    const engine = openEngine(folder);
    addImage(engine);
    const result = await action(engine);
    closeDatabases();
    return result;
  } finally {
    umount(folder, MNT_DETACH);
    rmdirSync(folder);
  }
}

function addImage({ db, layout }: Engine): void {
  const layer = join(layout.layers, LAYER);
  mkdirSync(layer, { mode: 0o755 });
  const program = join(layer, PROGRAM);
  writeFileSync(program, Uint8Array.fromBase64(BERTH_IDLE));
  chmodSync(program, 0o755);
  const diffId = `sha256:${LAYER}`;
  const config: ImageConfig = {
    ...ownPlatform(),
    config: { Entrypoint: [`/${PROGRAM}`] },
    rootfs: { type: "layers", diff_ids: [diffId] },
    history: [],
  };
  insertLayer(db, { diffId, size: 0 });
  insertImage(db, { id: `sha256:${"1".repeat(64)}`, config: JSON.stringify(config), layers: [diffId], name: formatReference(parseReference(IMAGE)) });
}
