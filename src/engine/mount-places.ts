/** What an engine makes in a container's layer, and is not the container's. */
import * as fd from "../../ffi/fd.ts";
import { readdirSync } from "../../ffi/files.ts";
import { openInRoot } from "../../ffi/in-root.ts";
import { hasCode } from "../../ffi/libc.ts";
import { dirname, join } from "../../ffi/path.ts";
import { isOverlayOpaque } from "../image/whiteouts.ts";
import type { OverlayRoot } from "../runtime/rootfs/root.ts";
import type { ContainerRecord } from "../store/containers.ts";
import { buildContainerMounts, buildRoot } from "./container-spec.ts";
import type { Engine } from "./engine.ts";

/** The places of mounts, relative to the root. */
export function mountPlaces(engine: Engine, record: ContainerRecord): Set<string> {
  const places = new Set(buildContainerMounts(engine, record).map((mount) => mount.destination.replace(/^\/+|\/+$/g, "")));
  for (const name of [".dockerenv", "dev/console"]) places.add(name);
  return places;
}

/** With folders that lead to them, in which there is nothing else that the container wrote, and that are as they were. */
export function placesAndWays(engine: Engine, record: ContainerRecord): Set<string> {
  const places = mountPlaces(engine, record);
  const root = buildRoot(engine, record);
  if (root.type !== "overlay" || root.upper === undefined) return places;
  const ways = new Set([...places].flatMap((place) => above(place)));
  // The deepest first: those above them have nothing but them.
  const deepest = [...ways].sort((a, b) => b.split("/").length - a.split("/").length);
  for (const way of deepest) if (isWayOnly(root, root.upper, way, places)) places.add(way);
  return places;
}

const above = (path: string): string[] => (dirname(path) === "." ? [] : [dirname(path), ...above(dirname(path))]);

function isWayOnly({ base, lower }: OverlayRoot, upper: string, way: string, places: ReadonlySet<string>): boolean {
  using folder = openFolder(join(base, upper), way);
  if (!folder || isOverlayOpaque(`${folder.path}/.`)) return false;
  if (readdirSync(folder.path).some((name) => !places.has(join(way, name)))) return false;
  const now = fd.statat(folder.fd, "");
  for (const layer of lower) {
    const old = statusIn(layer.startsWith("/") ? layer : join(base, layer), way);
    if (old === "hidden") return true;
    if (old) return old.mode === now.mode && old.uid === now.uid && old.gid === now.gid;
  }
  return true;
}

function openFolder(root: string, path: string): fd.OwnedFd | undefined {
  using folder = fd.openat(fd.AT_FDCWD, root, fd.O_PATH | fd.O_DIRECTORY);
  try {
    return openInRoot(folder.fd, path, fd.O_RDONLY | fd.O_DIRECTORY | fd.O_NOFOLLOW);
  } catch (error) {
    if (hasCode(error, "ENOENT", "ENOTDIR", "ELOOP")) return undefined;
    throw error;
  }
}

// Of one layer: a folder there, or something else that hides those of the layers below.
function statusIn(layer: string, path: string): fd.FileStatus | "hidden" | undefined {
  using folder = fd.openat(fd.AT_FDCWD, layer, fd.O_PATH | fd.O_DIRECTORY);
  try {
    using file = openInRoot(folder.fd, path, fd.O_PATH | fd.O_NOFOLLOW);
    const status = fd.statat(file.fd, "");
    return (status.mode & fd.S_IFMT) === fd.S_IFDIR ? status : "hidden";
  } catch (error) {
    if (hasCode(error, "ENOENT")) return undefined;
    if (hasCode(error, "ENOTDIR", "ELOOP")) return "hidden";
    throw error;
  }
}
