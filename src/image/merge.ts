/** Layers copied one over the other, where they cannot be mounted so. */
import { copyFile, copyMetadata } from "../../ffi/copy.ts";
import * as fd from "../../ffi/fd.ts";
import { readdirSync } from "../../ffi/files.ts";
import { hasCode } from "../../ffi/libc.ts";
import type { Owners } from "../../ffi/owners.ts";
import { removeAt } from "../../ffi/remove.ts";
import { AUFS_META, isOverlayOpaque, isOverlayWhiteout, OPAQUE, WHITEOUT } from "./whiteouts.ts";

/**
 * Copies unpacked layers, the lowest first, into an empty folder; file systems that can share the blocks.
 *
 * @param owners of a user namespace that is to have the copy
 */
export function mergeLayers(layers: string[], target: fd.OwnedFd, owners?: Owners): void {
  for (const layer of layers) {
    using source = fd.openat(fd.AT_FDCWD, layer, fd.O_RDONLY | fd.O_DIRECTORY);
    new LayerCopy(target, owners).folder(source, target, "");
  }
}

class LayerCopy {
  readonly #root: fd.OwnedFd;
  readonly #owners: Owners | undefined;
  /** First names of files that have several, by their numbers. */
  readonly #links = new Map<bigint, string>();

  constructor(root: fd.OwnedFd, owners: Owners | undefined) {
    this.#root = root;
    this.#owners = owners;
  }

  folder(source: fd.OwnedFd, target: fd.OwnedFd, path: string): void {
    const names = readdirSync(source.path);
    // First what hides: a layer's own files are not hidden by its own marks.
    if (names.includes(OPAQUE) || isOverlayOpaque(`${source.path}/.`)) for (const name of readdirSync(target.path)) removeAt(target.fd, name);
    for (const name of names) {
      if (name.startsWith(WHITEOUT) && !name.startsWith(AUFS_META)) removeIfThere(target.fd, name.slice(WHITEOUT.length));
    }
    for (const name of names) if (!name.startsWith(WHITEOUT)) this.#entry(source, target, name, path === "" ? name : `${path}/${name}`);
    copyMetadata(fd.statat(source.fd, ""), source.path, target.fd, "", this.#owners);
  }

  #entry(source: fd.OwnedFd, target: fd.OwnedFd, name: string, path: string): void {
    const status = fd.statat(source.fd, name);
    if (isOverlayWhiteout(status)) {
      removeIfThere(target.fd, name);
      return;
    }
    if ((status.mode & fd.S_IFMT) === fd.S_IFDIR) {
      if (!isFolder(target.fd, name)) {
        removeIfThere(target.fd, name);
        fd.mkdirat(target.fd, name, 0o700);
      }
      using from = fd.openat(source.fd, name, fd.O_RDONLY | fd.O_DIRECTORY | fd.O_NOFOLLOW);
      using to = fd.openat(target.fd, name, fd.O_RDONLY | fd.O_DIRECTORY | fd.O_NOFOLLOW);
      this.folder(from, to, path);
      return;
    }
    removeIfThere(target.fd, name);
    const first = status.nlink > 1 ? this.#links.get(status.ino) : undefined;
    if (first !== undefined) {
      // Made a moment ago by us, of our own layer: no link on the way there is anybody else's.
      fd.linkat(this.#root.fd, first, target.fd, name);
      return;
    }
    if (status.nlink > 1) this.#links.set(status.ino, path);
    using file = fd.openat(source.fd, name, fd.O_PATH | fd.O_NOFOLLOW);
    copyFile(file, target.fd, name, this.#owners);
  }
}

function isFolder(folder: number, name: string): boolean {
  try {
    return fd.fileTypeAt(folder, name) === fd.S_IFDIR;
  } catch (error) {
    if (hasCode(error, "ENOENT")) return false;
    throw error;
  }
}

function removeIfThere(folder: number, name: string): void {
  try {
    removeAt(folder, name);
  } catch (error) {
    if (!hasCode(error, "ENOENT")) throw error;
  }
}
