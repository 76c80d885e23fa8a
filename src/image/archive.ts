/** Archives of images: docker's (`docker save`), and OCI layouts in a tar or a folder. */

import * as fd from "../../ffi/fd.ts";
import { closeSync, fstatSync, openSync, readSync } from "../../ffi/files.ts";
import { openInRoot } from "../../ffi/in-root.ts";
import { hasCode } from "../../ffi/libc.ts";
import { type FileRange, readRange } from "./file-range.ts";
import { TarError } from "./tar-header.ts";
import { TarReader } from "./tar-reader.ts";

/** A file of an archive, open. */
export type OpenRange = FileRange & Disposable;

/** Files of an archive by their names. */
export interface ArchiveSource {
  /** Where a file is; the caller closes it. Throws {@link ArchiveError} where there is no such file. */
  open(path: string): OpenRange;
  /** A small file, whole. */
  read(path: string): Promise<Buffer>;
  has(path: string): boolean;
  close(): void;
}

/** An archive that is not one of images, or is damaged. */
export class ArchiveError extends Error {
  override name = "ArchiveError";
}

/** Where a layout has a blob (image-spec image-layout.md). */
export const blobPath = (digest: string) => `blobs/${digest.replace(":", "/")}`;

const MAX_SMALL = 16 << 20;

const normalise = (path: string) => {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return parts.join("/");
};

abstract class Source implements ArchiveSource {
  protected abstract place(path: string): (FileRange & { close?: () => void }) | undefined;
  abstract close(): void;

  has(path: string): boolean {
    const place = this.place(normalise(path));
    place?.close?.();
    return place !== undefined;
  }

  open(path: string): OpenRange {
    const place = this.place(normalise(path));
    if (!place) throw new ArchiveError(`the archive has no ${path}, though it names it`);
    return { ...place, [Symbol.dispose]: () => place.close?.() };
  }

  async read(path: string): Promise<Buffer> {
    const parts: Uint8Array[] = [];
    let size = 0;
    using file = this.open(path);
    for await (const chunk of readRange(file)) {
      size += chunk.length;
      if (size > MAX_SMALL) throw new ArchiveError(`${path} in the archive has more than ${MAX_SMALL} bytes`);
      parts.push(chunk);
    }
    return Buffer.concat(parts);
  }
}

/** A tar on disk: read once for its headers only, then at the places found. */
export class TarSource extends Source {
  readonly #fd: number;
  readonly #places = new Map<string, FileRange>();
  readonly #links = new Map<string, string>();

  /** @throws {ArchiveError} where it is no tar or is cut off */
  constructor(path: string) {
    super();
    this.#fd = openSync(path, "r");
    try {
      this.#index();
    } catch (error) {
      closeSync(this.#fd);
      throw error instanceof TarError ? new ArchiveError(error.message) : error;
    }
  }

  #index(): void {
    const status = fstatSync(this.#fd);
    const total = status.isBlockDevice() ? Number.POSITIVE_INFINITY : status.size;
    let position = 0;
    const reader = new TarReader({
      entry: ({ path, type, size, linkPath }) => {
        const name = normalise(path);
        if (type === "file") this.#places.set(name, { fd: this.#fd, offset: position + 512, size });
        else if (type === "symlink") this.#links.set(name, normalise(`${name}/../${linkPath}`));
        else if (type === "hardlink") this.#links.set(name, normalise(linkPath));
      },
      data() {},
      end() {},
    });
    const block = Buffer.alloc(512);
    while (!reader.ended && position < total) {
      const n = readSync(this.#fd, block, 0, 512, position);
      if (n === 0) break;
      reader.write(block.subarray(0, n));
      position += 512 + reader.skipContent();
    }
    if (position > total) throw new ArchiveError("the archive is cut off");
    reader.close();
  }

  protected place(path: string): FileRange | undefined {
    let name = path;
    for (let hops = 0; hops < 10 && this.#links.has(name); hops++) name = this.#links.get(name) ?? name;
    return this.#places.get(name);
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** A folder, its links kept inside. */
export class FolderSource extends Source {
  readonly #root: fd.OwnedFd;

  constructor(path: string) {
    super();
    this.#root = fd.openat(fd.AT_FDCWD, path, fd.O_PATH | fd.O_DIRECTORY);
  }

  protected place(path: string): (FileRange & { close: () => void }) | undefined {
    try {
      const file = openInRoot(this.#root.fd, path, fd.O_RDONLY);
      const status = fd.statat(file.fd, "");
      if ((status.mode & fd.S_IFMT) === fd.S_IFREG) return { fd: file.fd, offset: 0, size: Number(status.size), close: () => file.close() };
      file.close();
      return undefined;
    } catch (error) {
      if (hasCode(error, "ENOENT", "ENOTDIR", "ELOOP")) return undefined;
      throw error;
    }
  }

  close(): void {
    this.#root.close();
  }
}
