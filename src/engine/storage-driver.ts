/** How containers' roots are made on this host. */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "../../ffi/files.ts";
import { join } from "../../ffi/path.ts";
import type { Root } from "../runtime/rootfs/root.ts";
import { bootId } from "../store/process-identity.ts";
import type { Engine } from "./engine.ts";

export const UPPER = "upper";
export const WORK = "work";
export const COPY = "root";
/** In its place where the copy has the owners of a user namespace. */
export const MAPPED_COPY = "mapped-root";

/** As `info` and `inspect` name it, docker's words. */
export type StorageDriver = "overlay2" | "vfs";

// Once a boot.
const loadTrials = () => require("./storage-trials.ts") as typeof import("./storage-trials.ts");

/** How roots are made here. */
export const storageDriver = (engine: Engine): StorageDriver =>
  tried(engine, "storage-driver", () => loadTrials().tryOverlay(engine)) ? "overlay2" : "vfs";

/** Whether mounts can show the files of a layer with other owners. */
export const canMapOwners = (engine: Engine): boolean =>
  storageDriver(engine) === "overlay2" && tried(engine, "owners-mapped", () => loadTrials().tryMapping(engine));

// What a kernel and a file system can do is tried once a boot.
function tried(engine: Engine, name: string, attempt: (engine: Engine) => boolean): boolean {
  const { layout } = engine;
  const known = join(layout.run, name);
  try {
    const [boot, answer] = readFileSync(known, "latin1").split(" ");
    if (boot === bootId() && (answer === "yes" || answer === "no")) return answer === "yes";
  } catch {
    // not tried yet
  }
  const answer = attempt(engine);
  mkdirSync(layout.run, { recursive: true, mode: 0o711 });
  writeFileSync(`${known}.${process.pid}`, `${bootId()} ${answer ? "yes" : "no"}`);
  renameSync(`${known}.${process.pid}`, known);
  return answer;
}

/** The root of a container over its lower folders, the topmost first, relative to the engine's data. */
export function containerRoot({ layout }: Engine, id: string, folders: string[]): Root {
  // Overlay takes none twice (ELOOP), and images have layers twice: what the lower one has, the upper one has again.
  const lower = [...new Set(folders)];
  for (const name of [COPY, MAPPED_COPY]) {
    const copy = join(layout.container(id), name);
    if (existsSync(copy)) return { type: "folder", path: copy };
  }
  const own = `containers/${id}`;
  return { type: "overlay", base: layout.data, lower, upper: `${own}/${UPPER}`, work: `${own}/${WORK}` };
}
