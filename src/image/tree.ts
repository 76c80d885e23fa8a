/** Writes a folder's content as tar: a whole root, or an overlay's upper layer with its whiteouts. */
import * as fd from "../../ffi/fd.ts";
import { readdirSync } from "../../ffi/folder.ts";
import { call } from "../../ffi/libc.ts";
import { type Owners, plainCapabilities, toContainer } from "../../ffi/owners.ts";
import { getXattr, listXattrs } from "../../ffi/xattr.ts";
import type { Snapshot } from "./snapshot.ts";
import type { TarEntry } from "./tar-header.ts";
import type { TarWriter } from "./tar-writer.ts";
import { isOverlayOpaque, isOverlays, isOverlayWhiteout, OPAQUE, WHITEOUT } from "./whiteouts.ts";

export interface TreeOptions {
  /** Whether overlay's whiteouts become those of layers, as in an upper folder. */
  whiteouts: boolean;
  /** What was there before: only what is new, changed or gone is written. */
  before?: Snapshot;
  /** Whose files they are, where owners are to be told as a user namespace has them. */
  owners?: Owners | undefined;
  /** Paths, relative to the root, that are left out with all below them. */
  exclude: Pick<ReadonlySet<string>, "has">;
}

const TYPES: Record<number, TarEntry["type"]> = {
  [fd.S_IFDIR]: "directory",
  [fd.S_IFREG]: "file",
  [fd.S_IFLNK]: "symlink",
  [fd.S_IFCHR]: "character",
  [fd.S_IFBLK]: "block",
  [fd.S_IFIFO]: "fifo",
};

/** Writes everything below a folder, names in order. Gives how many bytes of content there were. */
export function writeTree(writer: TarWriter, root: fd.OwnedFd, options: TreeOptions): number {
  return new TreeWriter(writer, options).folder(root, "");
}

/** Writes one name of a folder, with all below it where it is a folder, under another path. */
export function writePath(writer: TarWriter, folder: fd.OwnedFd, name: string, path: string, options: TreeOptions): number {
  return new TreeWriter(writer, options).entry(folder, name, path);
}

class TreeWriter {
  readonly #writer: TarWriter;
  readonly #options: TreeOptions;
  /** First names of files that have several, by device and number. */
  readonly #links = new Map<string, string>();

  constructor(writer: TarWriter, options: TreeOptions) {
    this.#writer = writer;
    this.#options = options;
  }

  folder(folder: fd.OwnedFd, path: string): number {
    let bytes = 0;
    const names = readdirSync(folder.path);
    const isWanted = (name: string) => !this.#options.exclude.has(join(path, name));
    for (const name of names.sort((a, b) => (a < b ? -1 : 1))) if (isWanted(name)) bytes += this.entry(folder, name, join(path, name));
    for (const name of this.#options.before?.gone(path, names).filter(isWanted) ?? []) this.#writer.entry(plainFile(join(path, WHITEOUT + name)));
    return bytes;
  }

  entry(folder: fd.OwnedFd, name: string, path: string): number {
    const status = fd.statat(folder.fd, name);
    const type = TYPES[status.mode & fd.S_IFMT];
    if (!type) return 0; // a socket means nothing to anybody else
    if (this.#options.whiteouts && isOverlayWhiteout(status)) {
      this.#writer.entry({ ...plainFile(`${path.slice(0, path.length - name.length)}${WHITEOUT}${name}`), mtime: status.mtime });
      return 0;
    }
    if (this.#options.before?.has(path, status)) {
      if (type !== "directory") return 0;
      using child = fd.openat(folder.fd, name, fd.O_RDONLY | fd.O_DIRECTORY | fd.O_NOFOLLOW);
      return this.folder(child, path);
    }
    const { owners } = this.#options;
    const attributes = `/proc/self/fd/${folder.fd}/${name}`;
    const key = `${status.devMajor}:${status.devMinor}:${status.ino}`;
    const first = type !== "directory" && status.nlink > 1 ? this.#links.get(key) : undefined;
    const entry: TarEntry = {
      path: type === "directory" ? `${path}/` : path,
      type: first === undefined ? type : "hardlink",
      mode: status.mode & 0o7777,
      uid: owners ? toContainer(owners.uids, status.uid) : status.uid,
      gid: owners ? toContainer(owners.gids, status.gid) : status.gid,
      size: type === "file" && first === undefined ? Number(status.size) : 0,
      mtime: status.mtime,
      linkPath: first ?? (type === "symlink" ? readLink(folder, name) : ""),
      deviceMajor: type === "character" || type === "block" ? status.rdevMajor : 0,
      deviceMinor: type === "character" || type === "block" ? status.rdevMinor : 0,
      xattrs: first === undefined && type !== "symlink" ? readXattrs(attributes) : new Map(),
    };
    this.#writer.entry(entry);
    if (first !== undefined) return 0;
    if (type !== "directory" && status.nlink > 1) this.#links.set(key, path);
    if (entry.size > 0) this.#content(folder, name, entry.size);
    if (type !== "directory") return entry.size;
    if (this.#options.whiteouts && isOverlayOpaque(attributes)) this.#writer.entry(plainFile(join(path, OPAQUE)));
    using child = fd.openat(folder.fd, name, fd.O_RDONLY | fd.O_DIRECTORY | fd.O_NOFOLLOW);
    return this.folder(child, path);
  }

  #content(folder: fd.OwnedFd, name: string, size: number): void {
    using file = fd.openat(folder.fd, name, fd.O_RDONLY | fd.O_NOFOLLOW);
    this.#writer.content(size, (memory) => call("read", file.fd, memory, memory.length));
  }
}

function plainFile(path: string): TarEntry {
  return { path, type: "file", mode: 0, uid: 0, gid: 0, size: 0, mtime: 0n, linkPath: "", deviceMajor: 0, deviceMinor: 0, xattrs: new Map() };
}

function readLink(folder: fd.OwnedFd, name: string): string {
  return fd.readlinkat(folder.fd, name);
}

const join = (path: string, name: string) => (path === "" ? name : `${path}/${name}`);

function readXattrs(path: string): Map<string, Buffer> {
  const names = listXattrs(path).filter((name) => !isOverlays(name));
  return new Map(
    names.flatMap((name) => {
      const value = getXattr(path, name);
      return value ? [[name, name === "security.capability" ? plainCapabilities(value) : value] as const] : [];
    }),
  );
}
