/** Bytes on their way into the store: written beside, checked, renamed. */
import { closeSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from "../../ffi/files.ts";
import { reasonOf } from "../../ffi/libc.ts";
import { dirname } from "../../ffi/path.ts";
import { StoreError } from "./errors.ts";
import { type Layout, makePrivateFolder } from "./layout.ts";
import { rubbishIn, temporaryPath } from "./temporary.ts";

/** Content that is not what its digest or size says. */
export class DigestError extends Error {
  override name = "DigestError";
}

/** A new file beside the blobs that is this process's while it lives, and rubbish afterwards. */
export function temporaryBlobPath(layout: Layout): string {
  makePrivateFolder(layout.blobs);
  return temporaryPath(layout.blobs);
}

/** Deletes what dead processes left there. */
export function sweepTemporaryBlobs(layout: Layout): void {
  for (const path of rubbishIn(layout.blobs)) rmSync(path, { recursive: true, force: true });
}

export class BlobWriter {
  readonly path: string;
  readonly #fd: number;
  readonly #hash: Bun.CryptoHasher;
  readonly #algorithm: "sha256" | "sha512";
  #size = 0;
  #hashes = true;
  #isOpen = true;

  constructor(layout: Layout, algorithm: "sha256" | "sha512" = "sha256") {
    this.#algorithm = algorithm;
    this.#hash = new Bun.CryptoHasher(algorithm);
    this.path = temporaryBlobPath(layout);
    this.#fd = openSync(this.path, "wx", 0o600);
  }

  get size(): number {
    return this.#size;
  }

  /** The digest will be known from elsewhere: no work twice. */
  leaveHashing(): void {
    this.#hashes = false;
  }

  write(chunk: Uint8Array): void {
    if (this.#hashes) this.#hash.update(chunk);
    this.#size += chunk.length;
    try {
      for (let at = 0; at < chunk.length; ) at += writeSync(this.#fd, chunk, at);
    } catch (error) {
      throw new StoreError(`cannot write ${this.path}: ${reasonOf(error)}`, { cause: error });
    }
  }

  /**
   * Ends the blob, which stays beside the store until {@link placeBlob}.
   *
   * @param known its digest, where {@link leaveHashing} was called
   * @throws {DigestError} where it is not what was expected
   */
  finish(expected?: { digest: string; size: number }, known?: string): { digest: string; size: number } {
    this.close();
    const digest = !this.#hashes && known !== undefined ? known : `${this.#algorithm}:${this.#hash.digest("hex")}`;
    if (expected && (expected.digest !== digest || expected.size !== this.#size)) {
      throw new DigestError(`expected ${expected.digest} of ${expected.size} bytes, got ${digest} of ${this.#size}`);
    }
    return { digest, size: this.#size };
  }

  /** Ends the writing. */
  close(): void {
    if (this.#isOpen) closeSync(this.#fd);
    this.#isOpen = false;
  }

  abandon(): void {
    this.close();
    rmSync(this.path, { force: true });
  }
}

/** Puts a finished blob in its place; under the write lock, together with its record. */
export function placeBlob(layout: Layout, from: string, digest: string): void {
  const path = layout.blob(digest);
  mkdirSync(dirname(path), { recursive: true, mode: 0o711 });
  renameSync(from, path);
}
