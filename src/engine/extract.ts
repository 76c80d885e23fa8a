/** Files put into a folder, of the host or of a container, as a tar has them or as they come. */
import { asFileOwner } from "../../ffi/credentials.ts";
import * as fd from "../../ffi/fd.ts";
import { type Owners, toHost } from "../../ffi/owners.ts";
import { type FileSink, LayerWriter } from "../image/layer-writer.ts";
import type { TarEntry } from "../image/tar-header.ts";
import { TarReader } from "../image/tar-reader.ts";
import { type Bytes, decompress } from "../image/unpack.ts";

/** Where files go. */
export interface Destination {
  folder: fd.OwnedFd;
  /** Of the container, where it has its own: nobody else may make files where they are mapped. */
  owners: Owners | undefined;
}

type Change = (entry: TarEntry) => TarEntry;

/** Unpacks a tar, as it comes. */
export async function extractInto(destination: Destination, source: AsyncIterable<Uint8Array>, change?: Change): Promise<void> {
  using extraction = new Extraction(destination, change);
  for await (const chunk of source) extraction.write(chunk);
}

/** Unpacks a tar, packed or not, in a folder of the host. */
export async function extractIntoFolder(path: string, source: AsyncIterable<Bytes>): Promise<void> {
  using folder = fd.openat(fd.AT_FDCWD, path, fd.O_RDONLY | fd.O_DIRECTORY);
  await extractInto({ folder, owners: undefined }, decompress(source));
}

/** Writes files as the callback gives them to a writer of tars. */
export function writeInto(destination: Destination, fill: (write: (bytes: Uint8Array) => void) => void, change?: Change): void {
  using extraction = new Extraction(destination, change);
  fill((bytes) => extraction.write(bytes));
}

/** Whom of the host a container's file belongs to. */
export const hostOwner = ({ uid, gid }: { uid: number; gid: number }, owners: Owners | undefined): { uid: number; gid: number } =>
  owners ? { uid: toHost(owners.uids, uid), gid: toHost(owners.gids, gid) } : { uid, gid };

class Extraction implements Disposable {
  readonly #writer: LayerWriter;
  readonly #reader: TarReader;
  readonly #owners: Owners | undefined;

  constructor({ folder, owners }: Destination, change: Change = (entry) => entry) {
    this.#owners = owners;
    this.#writer = new LayerWriter(folder.path, [], "copy");
    let sink: FileSink | undefined;
    this.#reader = new TarReader({
      entry: (entry) => {
        // The folder itself stays as it is.
        sink = entry.path === "./" || entry.path === "." ? undefined : this.#writer.add(change(entry));
      },
      data: (chunk) => sink?.write(chunk),
      hole: (bytes) => sink?.skip(bytes),
      end: () => sink?.close(),
    });
  }

  write(bytes: Uint8Array): void {
    const { uid, gid } = hostOwner({ uid: 0, gid: 0 }, this.#owners);
    if (this.#owners) asFileOwner(uid, gid, () => this.#reader.write(bytes));
    else this.#reader.write(bytes);
  }

  [Symbol.dispose](): void {
    this.#writer.close();
  }
}
