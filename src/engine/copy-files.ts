/** `cp`: files between a container and the host, as tar on the way. */

import * as fd from "../../ffi/fd.ts";
import { makeInRoot, openInRoot } from "../../ffi/in-root.ts";
import { hasCode, reasonOf } from "../../ffi/libc.ts";
import type { Owners } from "../../ffi/owners.ts";
import { basename, dirname, resolve } from "../../ffi/path.ts";
import type { TarEntry } from "../image/tar-header.ts";
import { TarWriter } from "../image/tar-writer.ts";
import { writePath } from "../image/tree.ts";
import type { ContainerRecord } from "../store/containers.ts";
import { addContainerEvent } from "../store/events.ts";
import { type ContainerFiles, openContainerFiles } from "./container-root.ts";
import type { Engine } from "./engine.ts";
import { EngineError } from "./errors.ts";
import { type Destination, extractInto, hostOwner, writeInto } from "./extract.ts";
import { resolveContainer } from "./resolve-container.ts";

export interface CopyOptions {
  /** Whether owners stay as they are on the way out, instead of becoming the caller. On the way in they always do, as docker has it. */
  archive: boolean;
  /** Whether a link as source stands for what it leads to. */
  followLink: boolean;
}

/** A folder in which paths are resolved: the host's, or a container's. */
interface Place {
  root: fd.OwnedFd;
  /** For messages. */
  name: string;
  owners: Owners | undefined;
}

/** Writes what is at a path of a container as tar. Throws {@link EngineError}. */
export function copyOutAsTar(engine: Engine, container: string, path: string, options: CopyOptions, write: (bytes: Uint8Array) => void): void {
  using files = openFiles(engine, container, "archive-path");
  const source = openSource({ ...files, name: `container ${container}` }, path, options);
  using _folder = source.folder;
  const writer = new TarWriter(write);
  writePath(writer, source.folder, source.name, source.isContents ? "." : basename(resolve("/", path)) || ".", {
    whiteouts: false,
    exclude: new Set(),
    owners: files.owners,
  });
  writer.close();
}

/** Unpacks a tar in a folder of a container. Throws {@link EngineError} where that is none. */
export async function copyInAsTar(engine: Engine, container: string, path: string, source: AsyncIterable<Uint8Array>): Promise<void> {
  using files = openFiles(engine, container, "extract-to-dir");
  const place = { ...files, name: `container ${container}` };
  const target = openTarget(place, path);
  if (!target?.isFolder) throw new EngineError(target ? `destination "${container}:${path}" must be a directory` : missing(place, path));
  using folder = target.file;
  await extractInto({ folder, owners: files.owners }, source, (entry) => ({ ...entry, ...hostOwner(entry, files.owners) }));
}

/** Where files go in a container, and the name that the first of them gets there, if it is to have another. */
interface Placement extends Destination {
  name: string | undefined;
}

/**
 * Calls back with a place for files in a container; folders on the way are made.
 *
 * @param path a folder if it ends with a slash, or is one already; else the new name of a single file
 */
export async function atPlace(
  engine: Engine,
  record: ContainerRecord,
  path: string,
  owner: { uid: number; gid: number },
  action: (place: Placement) => void | Promise<void>,
): Promise<void> {
  using files = openContainerFiles(engine, record);
  const there = openTarget({ ...files, name: record.name }, path);
  using _there = there?.file;
  const isFolder = path.endsWith("/") || there?.isFolder === true;
  if (there && !there.isFolder && path.endsWith("/")) throw new EngineError(`${path} is not a directory`);
  using folder = makeFolders(files.root.fd, isFolder ? path : dirname(path), owner);
  await action({ folder, owners: files.owners, name: isFolder ? undefined : basename(path) });
}

// Those that are not there yet get the owner.
function makeFolders(root: number, path: string, { uid, gid }: { uid: number; gid: number }): fd.OwnedFd {
  const names = path.split("/").filter(Boolean);
  for (const [i] of names.entries()) {
    const above = `/${names.slice(0, i + 1).join("/")}`;
    try {
      openInRoot(root, above, fd.O_PATH).close();
    } catch (error) {
      if (!hasCode(error, "ENOENT")) throw error;
      using made = makeInRoot(root, above, { last: "directory", mode: 0o755 });
      fd.chownat(made.fd, "", uid, gid);
    }
  }
  return openInRoot(root, path, fd.O_PATH | fd.O_DIRECTORY);
}

/** Copies a path of a container to the host. */
export function copyOut(engine: Engine, container: string, path: string, target: string, options: CopyOptions): void {
  const to = resolve(target) + (/\/\.?$/.test(target) ? "/" : "");
  // Before anything is mounted: it is the host's.
  using root = fd.openat(fd.AT_FDCWD, "/", fd.O_PATH | fd.O_DIRECTORY);
  using files = openFiles(engine, container, "archive-path");
  const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0];
  const owner = (entry: TarEntry) => (options.archive ? entry : { ...entry, uid, gid });
  copy({ ...files, name: `container ${container}` }, path, { root, name: "the host", owners: undefined }, to, options, owner);
}

/** Copies a path of the host into a container. */
export function copyIn(engine: Engine, container: string, source: string, path: string, options: CopyOptions): void {
  const from = resolve(source) + (/\/\.?$/.exec(source)?.[0] ?? "");
  using root = fd.openat(fd.AT_FDCWD, "/", fd.O_PATH | fd.O_DIRECTORY);
  using files = openFiles(engine, container, "extract-to-dir");
  const owner = (entry: TarEntry) => ({ ...entry, ...hostOwner(entry, files.owners) });
  copy({ root, name: "the host", owners: undefined }, from, { ...files, name: `container ${container}` }, path, options, owner);
}

function openFiles(engine: Engine, container: string, event: "archive-path" | "extract-to-dir"): ContainerFiles {
  const record = resolveContainer(engine, container);
  addContainerEvent(engine.db, record.id, event);
  try {
    return openContainerFiles(engine, record);
  } catch (error) {
    if (hasCode(error, "ENOENT", "ESRCH")) throw new EngineError(`container ${container} ended just now, try again`);
    throw error;
  }
}

const missing = ({ name }: Place, path: string) =>
  name === "the host" ? `lstat ${path}: no such file or directory` : `Could not find the file ${path} in ${name}`;

interface Source {
  /** Where it is, and its name there. */
  folder: fd.OwnedFd;
  name: string;
  isFolder: boolean;
  /** Whether what is in the folder is meant, not the folder. */
  isContents: boolean;
}

function openSource(place: Place, path: string, { followLink }: CopyOptions): Source {
  const isContents = /(^|\/)\.$/.test(path);
  // With a slash behind it a link stands for its folder, too.
  const follows = followLink || isContents || path.endsWith("/");
  try {
    using file = openInRoot(place.root.fd, path, fd.O_PATH | (follows ? 0 : fd.O_NOFOLLOW));
    const isFolder = fd.fileTypeAt(file.fd, "") === fd.S_IFDIR;
    if (path.endsWith("/") && !isFolder) throw new EngineError(`${path} is not a directory`);
    if (isFolder) return { folder: fd.openat(file.fd, ".", fd.O_RDONLY | fd.O_DIRECTORY), name: ".", isFolder, isContents };
    // By its folder: what is told of it is then of what is there now, and no link is followed.
    const real = follows ? realName(place, path) : path;
    const folder = openInRoot(place.root.fd, dirname(resolve("/", real)), fd.O_RDONLY | fd.O_DIRECTORY);
    return { folder, name: basename(real), isFolder, isContents: false };
  } catch (error) {
    if (hasCode(error, "ENOENT", "ENOTDIR")) throw new EngineError(missing(place, path));
    throw error instanceof EngineError ? error : new EngineError(`cannot copy ${path} of ${place.name}: ${reasonOf(error)}`);
  }
}

const MAX_LINKS = 40;

// The path a link leads to, in its own root; there may be nothing.
function realName(place: Place, path: string): string {
  let real = resolve("/", path);
  for (let i = 0; i < MAX_LINKS; i++) {
    const above = openTarget(place, dirname(real));
    if (!above) throw new EngineError(missing(place, dirname(real)));
    using folder = above.file;
    const link = readLink(folder.fd, basename(real));
    if (link === undefined) return real;
    real = resolve(dirname(real), link);
  }
  throw new EngineError(`too many links at ${path} of ${place.name}`);
}

function readLink(folder: number, name: string): string | undefined {
  try {
    return fd.readlinkat(folder, name);
  } catch (error) {
    if (hasCode(error, "ENOENT", "EINVAL")) return undefined; // nothing, or no link
    throw error;
  }
}

function openTarget(place: Place, path: string): { file: fd.OwnedFd; isFolder: boolean } | undefined {
  try {
    const file = openInRoot(place.root.fd, path, fd.O_PATH);
    return { file, isFolder: fd.fileTypeAt(file.fd, "") === fd.S_IFDIR };
  } catch (error) {
    if (hasCode(error, "ENOENT")) return undefined;
    if (hasCode(error, "ENOTDIR")) throw new EngineError(`${path} of ${place.name} is not a directory`);
    throw new EngineError(`cannot open ${path} of ${place.name}: ${reasonOf(error)}`);
  }
}

// docker's rules of what becomes what (docker-cp(1)).
function copy(from: Place, path: string, to: Place, target: string, options: CopyOptions, owner: (entry: TarEntry) => TarEntry): void {
  const source = openSource(from, path, options);
  using folder = source.folder;
  const there = openTarget(to, target);
  using _there = there?.file;
  if (there && !there.isFolder && source.isFolder) throw new EngineError(`cannot copy a directory to a file: ${target} of ${to.name}`);
  if (there && !there.isFolder && target.endsWith("/")) throw new EngineError(`${target} of ${to.name} is not a directory`);
  if (!there && !source.isFolder && target.endsWith("/")) throw new EngineError(`the destination directory must exist: ${missing(to, target)}`);
  // Into a folder that is there goes the source under its name, or its contents; else the target's own name is new.
  const isInside = there?.isFolder === true;
  // What a link leads to is written, not the link.
  const real = isInside ? target : realName(to, target);
  const parent = isInside ? target : dirname(real);
  const own = basename(resolve("/", path));
  const name = isInside ? (source.isContents || own === "" ? "." : own) : basename(real);
  const into = isInside ? there : openTarget(to, parent);
  if (!into) throw new EngineError(missing(to, parent));
  using into_ = isInside ? undefined : into.file;
  void into_;
  const fill = (write: (bytes: Uint8Array) => void) => {
    const writer = new TarWriter(write);
    writePath(writer, folder, source.name, name, { whiteouts: false, exclude: new Set(), owners: from.owners });
    writer.close();
  };
  writeInto({ folder: into.file, owners: to.owners }, fill, owner);
}
