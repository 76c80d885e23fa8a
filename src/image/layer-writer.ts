/** Unpacks the entries of one layer into a folder, never outside of it. */
import { copyFile, giveTo } from "../../ffi/copy.ts";
import { inUserNamespace } from "../../ffi/credentials.ts";
import * as fd from "../../ffi/fd.ts";
import { makeInRoot, openInRoot } from "../../ffi/in-root.ts";
import { call, hasCode, reasonOf } from "../../ffi/libc.ts";
import { removeAt } from "../../ffi/remove.ts";
import { setXattr } from "../../ffi/xattr.ts";
import type { TarEntry } from "./tar-header.ts";
import { AUFS_META, isOverlays, OPAQUE, overlayOpaque, WHITEOUT } from "./whiteouts.ts";

/** An entry that cannot be unpacked: what is wrong with it, or why the disk refused it. */
export class LayerError extends Error {
  override name = "LayerError";
}

const NODE_TYPES = { character: fd.S_IFCHR, block: fd.S_IFBLK, fifo: fd.S_IFIFO } as const;
const MAX_OPEN_FOLDERS = 128;

/** Where the content of a file goes. */
export interface FileSink {
  write(chunk: Uint8Array): void;
  /** Leaves out so many bytes, which read as zeros. */
  skip(bytes: number): void;
  /** Sets owner, mode and time. */
  close(): void;
}

export class LayerWriter {
  readonly #root: fd.OwnedFd;
  readonly #folders = new Map<string, fd.OwnedFd>();
  /** Set last: writing into a folder changes its time. */
  readonly #folderTimes = new Map<string, bigint>();

  readonly #lowers: string[];
  /** By descriptor, until folders' modes or numbers may have changed. */
  readonly #setgid = new Map<number, boolean>();
  readonly #uid = process.geteuid?.() ?? 0;
  readonly #gid = process.getegid?.() ?? 0;
  readonly #oldMask = process.umask(0);

  readonly #isCopy: boolean;

  /**
   * @param lowers unpacked layers below this one, the topmost first
   * @param kind what the entries are: of a layer, or files that somebody copies, of which none takes a folder's place
   */
  constructor(folder: string, lowers: string[] = [], kind: "layer" | "copy" = "layer") {
    this.#root = fd.openat(fd.AT_FDCWD, folder, fd.O_PATH | fd.O_DIRECTORY);
    this.#lowers = lowers;
    this.#isCopy = kind === "copy";
  }

  /** Makes an entry; for a file, gives where its content goes. Throws {@link LayerError}. */
  add(entry: TarEntry): FileSink | undefined {
    try {
      return this.#add(entry);
    } catch (error) {
      throw wrap(entry, error);
    }
  }

  /** Finishes the folder's own times and lets go of it. */
  close(): void {
    for (const folder of this.#folders.values()) folder.close();
    this.#folders.clear();
    for (const [path, mtime] of [...this.#folderTimes].reverse()) {
      try {
        using folder = openInRoot(this.#root.fd, path, fd.O_RDONLY | fd.O_DIRECTORY);
        fd.utimensat(folder.fd, ".", mtime, mtime);
      } catch (error) {
        if (!hasCode(error, "ENOENT", "ENOTDIR")) throw error; // replaced by a later entry
      }
    }
    this.#root.close();
    process.umask(this.#oldMask);
  }

  #add(entry: TarEntry): FileSink | undefined {
    const components = entry.path.split("/").filter((c) => c !== "" && c !== ".");
    if (components.includes("..")) throw new LayerError(`${JSON.stringify(entry.path)} leads outside of the archive`);
    const name = components.pop();
    if (name === undefined) {
      if (entry.type === "directory") this.#finish(this.#root.fd, "", entry, false);
      return undefined;
    }
    const folder = this.#folder(components.join("/"));
    if (name.startsWith(WHITEOUT) && !this.#isCopy) {
      this.#whiteOut(folder, name);
      return undefined;
    }
    if (entry.type === "directory") {
      this.#makeDirectory(folder, name, entry);
      this.#folderTimes.set([...components, name].join("/"), entry.mtime);
      return undefined;
    }
    if (entry.type === "hardlink") {
      this.#makeHardlink(folder, name, entry);
      return undefined;
    }
    const make = (): fd.OwnedFd | undefined => {
      if (entry.type === "file") return fd.openat(folder, name, fd.O_WRONLY | fd.O_CREAT | fd.O_EXCL | fd.O_NOFOLLOW, entry.mode & 0o777);
      if (entry.type === "symlink") fd.symlinkat(entry.linkPath, folder, name);
      else if (entry.type !== "directory" && entry.type !== "hardlink") {
        fd.mknodat(folder, name, NODE_TYPES[entry.type] | (entry.mode & 0o777), fd.makedev(entry.deviceMajor, entry.deviceMinor));
      }
      return undefined;
    };
    let file: fd.OwnedFd | undefined;
    try {
      file = this.#replacing(folder, name, make);
    } catch (error) {
      // No user namespace may have devices of an image's.
      if (hasCode(error, "EPERM") && (entry.type === "character" || entry.type === "block") && inUserNamespace()) return undefined;
      throw error;
    }
    if (file) return this.#sink(folder, name, file, entry);
    this.#finish(folder, name, entry);
    return undefined;
  }

  #sink(folder: number, name: string, file: fd.OwnedFd, entry: TarEntry): FileSink {
    const orClose = (action: () => void) => {
      try {
        action();
      } catch (error) {
        file.close();
        throw wrap(entry, error);
      }
    };
    return {
      write: (chunk) => orClose(() => fd.writeAll(file.fd, chunk)),
      skip: (bytes) => orClose(() => fd.writeHole(file.fd, bytes)),
      close: () => {
        file.close();
        this.#finish(folder, name, entry);
      },
    };
  }

  // The folder of an entry, made with what is missing above it, remembered by its path.
  #folder(path: string): number {
    if (path === "") return this.#root.fd;
    const known = this.#folders.get(path);
    if (known) return known.fd;
    if (this.#folders.size >= MAX_OPEN_FOLDERS) this.#forgetFolders();
    const folder = this.#makeFolder(path);
    this.#folders.set(path, folder);
    this.#setgid.delete(folder.fd);
    return folder.fd;
  }

  // What the archive does not describe looks as in the layers below, which it would hide else.
  #makeFolder(path: string): fd.OwnedFd {
    try {
      return openInRoot(this.#root.fd, path, fd.O_PATH | fd.O_DIRECTORY);
    } catch (error) {
      if (!hasCode(error, "ENOENT")) throw error;
    }
    const parts = path.split("/");
    for (let i = 1; i <= parts.length; i++) {
      const prefix = parts.slice(0, i).join("/");
      try {
        openInRoot(this.#root.fd, prefix, fd.O_PATH).close();
      } catch (error) {
        if (!hasCode(error, "ENOENT")) throw error;
        using made = makeInRoot(this.#root.fd, prefix, { last: "directory", mode: 0o755 });
        this.#copyFolderOfLower(prefix, made);
      }
    }
    return openInRoot(this.#root.fd, path, fd.O_PATH | fd.O_DIRECTORY);
  }

  #copyFolderOfLower(path: string, made: fd.OwnedFd): void {
    using lower = this.#openLower(path, fd.O_PATH | fd.O_NOFOLLOW);
    if (!lower) return;
    const status = fd.statat(lower.fd, "");
    if ((status.mode & fd.S_IFMT) !== fd.S_IFDIR) return;
    giveTo(made.fd, "", status.uid, status.gid);
    call("fchmodat", made.fd, ".", status.mode & 0o7777);
    this.#folderTimes.set(path, status.mtime);
  }

  #openLower(path: string, flags: number): fd.OwnedFd | undefined {
    for (const folder of this.#lowers) {
      using root = fd.openat(fd.AT_FDCWD, folder, fd.O_PATH | fd.O_DIRECTORY);
      try {
        return openInRoot(root.fd, path, flags);
      } catch (error) {
        if (!hasCode(error, "ENOENT", "ENOTDIR", "ELOOP")) throw error;
      }
    }
    return undefined;
  }

  // AUFS' marks, as layers have them (image-spec layer.md, "Whiteouts"), become overlay's.
  #whiteOut(folder: number, name: string): void {
    if (name === OPAQUE) {
      const mark = () => setXattr(`/proc/self/fd/${folder}/.`, overlayOpaque(), Buffer.from("y"));
      this.#overlayMark(mark, folder, name);
      return;
    }
    const hidden = name.slice(WHITEOUT.length);
    if (hidden === "" || hidden === "." || hidden === ".." || name.startsWith(AUFS_META)) return;
    const mark = () => this.#replacing(folder, hidden, () => fd.mknodat(folder, hidden, fd.S_IFCHR, 0));
    this.#overlayMark(mark, folder, name);
  }

  // On an overlay its own marks cannot be made; layers there are copied, not mounted (merge.ts), and keep AUFS'.
  #overlayMark(mark: () => void, folder: number, name: string): void {
    try {
      mark();
    } catch (error) {
      if (!hasCode(error, "EPERM", "EOPNOTSUPP")) throw error;
      fd.openat(folder, name, fd.O_WRONLY | fd.O_CREAT | fd.O_NOFOLLOW, 0o600).close();
    }
  }

  #forgetFolders(): void {
    for (const folder of this.#folders.values()) folder.close();
    this.#folders.clear();
  }

  #makeDirectory(folder: number, name: string, entry: TarEntry): void {
    this.#setgid.clear();
    let isNew = true;
    const make = () => fd.mkdirat(folder, name, entry.mode & 0o777);
    try {
      make();
    } catch (error) {
      if (!hasCode(error, "EEXIST")) throw error;
      isNew = fd.fileTypeAt(folder, name) !== fd.S_IFDIR;
      if (isNew && this.#isCopy) throw new LayerError(`cannot overwrite non-directory ${JSON.stringify(name)} with a directory`);
      if (isNew) {
        fd.unlinkat(folder, name);
        make();
      }
    }
    this.#finish(folder, name, entry, isNew);
  }

  #makeHardlink(folder: number, name: string, entry: TarEntry): void {
    let target: fd.OwnedFd;
    try {
      target = openInRoot(this.#root.fd, entry.linkPath, fd.O_PATH | fd.O_NOFOLLOW);
    } catch (error) {
      if (hasCode(error, "ENOENT") && this.#copyFromLower(folder, name, entry.linkPath)) return;
      throw new LayerError(`hard link ${JSON.stringify(entry.path)} to ${JSON.stringify(entry.linkPath)}: ${reasonOf(error)}`);
    }
    const AT_SYMLINK_FOLLOW = 0x400; // of /proc's own link, not of the target
    this.#replacing(folder, name, () => fd.linkat(fd.AT_FDCWD, target.path, folder, name, AT_SYMLINK_FOLLOW));
    target.close();
  }

  // A link to a file of a layer below: folders of layers share no inodes, so it becomes a copy.
  #copyFromLower(folder: number, name: string, target: string): boolean {
    using lower = this.#openLower(target, fd.O_PATH | fd.O_NOFOLLOW);
    if (!lower) return false;
    this.#replacing(folder, name, () => copyFile(lower, folder, name));
    return true;
  }

  // A later entry of the same name takes the place of an earlier one.
  #replacing<T>(folder: number, name: string, make: () => T): T {
    try {
      return make();
    } catch (error) {
      if (!hasCode(error, "EEXIST")) throw error;
      this.#remove(folder, name);
      return make();
    }
  }

  #remove(folder: number, name: string): void {
    const isFolder = fd.fileTypeAt(folder, name) === fd.S_IFDIR;
    if (isFolder && this.#isCopy) throw new LayerError(`cannot overwrite directory ${JSON.stringify(name)} with a non-directory`);
    removeAt(folder, name);
    if (!isFolder) return;
    // A remembered folder that is gone now must not be written into any more.
    for (const [path, known] of this.#folders) {
      if (fd.statat(known.fd, "").nlink > 0) continue;
      known.close();
      this.#folders.delete(path);
    }
  }

  // What is made in a folder with the setgid bit gets that folder's group.
  #handsDownGroup(folder: number): boolean {
    let result = this.#setgid.get(folder);
    if (result === undefined) {
      result = (fd.statat(folder, "").mode & 0o2000) !== 0;
      this.#setgid.set(folder, result);
    }
    return result;
  }

  // What is new has its mode from the start, and our own ids: only the rest is changed.
  #finish(folder: number, name: string, entry: TarEntry, isNew = true): void {
    const isOurs = isNew && entry.uid === this.#uid && entry.gid === this.#gid && !this.#handsDownGroup(folder);
    if (!isOurs) giveTo(folder, name, entry.uid, entry.gid);
    // After the change of owner, which takes capabilities away.
    for (const [attribute, value] of entry.xattrs) {
      if (!isOverlays(attribute)) setXattr(`/proc/self/fd/${folder}/${name}`, attribute, value);
    }
    const hasMode = isOurs && (entry.mode & 0o7000) === 0;
    if (entry.type !== "symlink" && !hasMode) call("fchmodat", folder, name === "" ? "." : name, entry.mode & 0o7777);
    if (entry.type !== "directory") fd.utimensat(folder, name, entry.mtime, entry.mtime);
  }
}

function wrap(entry: TarEntry, error: unknown): Error {
  if (error instanceof LayerError) return error;
  return new LayerError(`cannot unpack ${JSON.stringify(entry.path)}: ${reasonOf(error)}`, { cause: error });
}
