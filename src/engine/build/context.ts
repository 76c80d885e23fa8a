/** Where a build takes files from: a folder of the host, or what an earlier stage made. */

import * as fd from "../../../ffi/fd.ts";
import { readdirSync, readlinkSync } from "../../../ffi/files.ts";
import { openInRoot } from "../../../ffi/in-root.ts";
import { hasCode } from "../../../ffi/libc.ts";
import { basename, dirname } from "../../../ffi/path.ts";
import { type IgnoreFile, toRegExp } from "../../image/dockerignore.ts";
import type { ModeChange } from "../../image/symbolic-mode.ts";
import type { TarEntry } from "../../image/tar-header.ts";
import { TarWriter } from "../../image/tar-writer.ts";
import { writePath } from "../../image/tree.ts";
import { EngineError } from "../errors.ts";
import { type BuildOfSteps, type BuildOptions, imageOf, withFiles } from "./steps.ts";

/** A root that sources of COPY and ADD are resolved in; links never lead out of it. */
export interface SourceRoot {
  root: fd.OwnedFd;
  ignore: IgnoreFile | undefined;
  /** What of a source is left out, by its path in that. */
  exclude?: IgnoreFile;
  /** For messages. */
  name: string;
}

/** One source, as it was found. */
export interface Source {
  /** Relative to the root, without a slash at its end; empty for the root itself. */
  path: string;
  isFolder: boolean;
}

/** The folder of the host that `from` means, the build's context where it is undefined; undefined where it is a stage or an image. */
export function contextOf({ contexts, context, ignore }: BuildOptions, from: string | undefined): ContextFolder | undefined {
  if (from === undefined) return { path: context, ignore, name: "the build context" };
  const named = contexts[from];
  return named?.type === "folder" ? { path: named.path, ignore: named.ignore, name: `the context ${from}` } : undefined;
}

interface ContextFolder extends Omit<SourceRoot, "root"> {
  /** Undefined where the build has none. */
  path: string | undefined;
}

/**
 * Calls back with the files that `from` means: a context's, a stage's or an image's.
 *
 * @param fail makes the error of a build that has no context
 */
export async function withSources<T>(
  build: BuildOfSteps,
  from: string | undefined,
  fail: (why: string) => Error,
  action: (root: SourceRoot) => T | Promise<T>,
): Promise<T> {
  const context = contextOf(build.options, from);
  if (context && context.path === undefined) throw fail("this build has no context to take files from");
  if (context?.path !== undefined) {
    using root = fd.openat(fd.AT_FDCWD, context.path, fd.O_RDONLY | fd.O_DIRECTORY);
    return await action({ ...context, root });
  }
  const name = from as string;
  return await withFiles(build, await imageOf(build, name), async (files) => {
    using root = fd.openat(files.root.fd, ".", fd.O_RDONLY | fd.O_DIRECTORY);
    return await action({ root, ignore: undefined, name });
  });
}

/** Sources that fit a pattern. Throws {@link EngineError} where there are none. */
export function findSources(place: SourceRoot, pattern: string): Source[] {
  const parts = pattern.split("/").filter((part) => part !== "" && part !== ".");
  const clean: string[] = [];
  // What leads above the context stays at its top.
  for (const part of parts)
    if (part === "..") clean.pop();
    else clean.push(part);
  const found = match(place, "", clean);
  if (found.length === 0)
    throw new EngineError(
      /[*?[]/.test(pattern) ? `no source files were specified: nothing in ${place.name} fits ${pattern}` : `${pattern}: not found in ${place.name}`,
    );
  return found.filter(({ path, isFolder }) => isFolder || !place.exclude?.ignores(basename(path)));
}

function match(place: SourceRoot, path: string, parts: string[]): Source[] {
  const [part, ...rest] = parts;
  if (part === undefined) {
    if (path !== "" && isLeftOut(place, path)) return [];
    const type = typeOf(place, path);
    return type === undefined ? [] : [{ path, isFolder: type === "folder" }];
  }
  if (!/[*?[\\]/.test(part)) return match(place, join(path, part), rest);
  if (typeOf(place, path) !== "folder") return [];
  using folder = openInRoot(place.root.fd, path || ".", fd.O_RDONLY | fd.O_DIRECTORY);
  const pattern = toRegExp(part);
  return readdirSync(folder.path)
    .filter((name) => pattern.test(name))
    .sort()
    .flatMap((name) => match(place, join(path, name), rest));
}

const join = (folder: string, name: string) => (folder === "" ? name : `${folder}/${name}`);

function typeOf({ root }: SourceRoot, path: string): "folder" | "other" | undefined {
  try {
    using file = openInRoot(root.fd, path || ".", fd.O_PATH);
    return fd.fileTypeAt(file.fd, "") === fd.S_IFDIR ? "folder" : "other";
  } catch (error) {
    if (hasCode(error, "ENOENT", "ENOTDIR", "ELOOP")) return undefined;
    throw error;
  }
}

// An ignored folder is there where something in it is an exception.
function isLeftOut(place: SourceRoot, path: string): boolean {
  const { ignore } = place;
  if (!ignore?.ignores(path)) return false;
  if (!ignore.hasExceptions || typeOf(place, path) !== "folder") return true;
  using folder = openInRoot(place.root.fd, path, fd.O_RDONLY | fd.O_DIRECTORY);
  return !hasException(ignore, folder, path);
}

function hasException(ignore: IgnoreFile, folder: fd.OwnedFd, path: string): boolean {
  return readdirSync(folder.path).some((name) => {
    const own = join(path, name);
    if (!ignore.ignores(own)) return true;
    if (fd.fileTypeAt(folder.fd, name) !== fd.S_IFDIR) return false; // a link's folder is another one's
    using below = fd.openat(folder.fd, name, fd.O_RDONLY | fd.O_DIRECTORY | fd.O_NOFOLLOW);
    return hasException(ignore, below, own);
  });
}

/** What becomes of files on their way. */
export interface Change {
  uid: number;
  gid: number;
  mode: ModeChange | undefined;
  /** Whether times are left out, for a digest. */
  timeless?: boolean;
}

class CopyWriter extends TarWriter {
  readonly #change: Change;

  constructor(write: (bytes: Uint8Array) => void, change: Change) {
    super(write);
    this.#change = change;
  }

  override entry(entry: TarEntry): void {
    const { uid, gid, mode, timeless } = this.#change;
    const changed = mode && entry.type !== "symlink" && { mode: mode(entry.mode, entry.type === "directory") };
    super.entry({ ...entry, uid, gid, ...changed, ...(timeless && { mtime: 0n }) });
  }
}

/**
 * Writes sources as a tar: of folders their contents, files under their names.
 *
 * @param name what a single file is to be called instead
 */
export function writeSources(
  write: (bytes: Uint8Array) => void,
  place: SourceRoot,
  sources: Source[],
  name: string | undefined,
  change: Change,
): void {
  const writer = new CopyWriter(write, change);
  for (const { path, isFolder } of sources) {
    // Paths of the tar, put back below the source they come from.
    const exclude = {
      has(written: string): boolean {
        if (!isFolder) return false;
        const below = written.replace(/^(\.\/)+/, "");
        return isLeftOut(place, join(path, below)) || place.exclude?.ignores(below) === true;
      },
    };
    const options = { whiteouts: false, exclude };
    if (isFolder) {
      using folder = openInRoot(place.root.fd, path || ".", fd.O_RDONLY | fd.O_DIRECTORY);
      writePath(writer, folder, ".", ".", options);
      continue;
    }
    // A link stands for what it leads to, in its own root.
    using file = openInRoot(place.root.fd, path, fd.O_PATH);
    const real = readlinkSync(file.path).slice(readlinkSync(place.root.path).length);
    using folder = openInRoot(place.root.fd, dirname(real), fd.O_RDONLY | fd.O_DIRECTORY);
    writePath(writer, folder, basename(real), name ?? basename(path), options);
  }
  writer.close();
}
