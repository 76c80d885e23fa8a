/** A blob on its way from a registry into the store, readable while it comes. */
import { closeSync, openSync, readSync } from "../../ffi/files.ts";
import type { Descriptor } from "../image/media-types.ts";
import type { Registry } from "../image/registry/client.ts";
import type { Bytes } from "../image/unpack.ts";
import { BlobWriter } from "../store/blob-writer.ts";
import { algorithmOf } from "../store/digest.ts";
import type { Engine } from "./engine.ts";

const CHUNK = 1 << 20;

export class Download {
  readonly descriptor: Descriptor;
  readonly #writer: BlobWriter;
  readonly #progress: (bytes: number) => void;
  #isDone = false;
  #failure: unknown;
  #wake: (() => void) | undefined;

  /** @param progress told of the bytes there are */
  constructor(engine: Engine, descriptor: Descriptor, progress: (bytes: number) => void) {
    this.descriptor = descriptor;
    this.#progress = progress;
    this.#writer = new BlobWriter(engine.layout, algorithmOf(descriptor.digest));
  }

  /** Where it waits beside the store. */
  get path(): string {
    return this.#writer.path;
  }

  /** Fetches it. Throws `RegistryError`, and {@link DigestError} where it is not what was announced. */
  async run(registry: Registry): Promise<void> {
    try {
      for await (const chunk of registry.blob(this.descriptor)) {
        if (this.#failure !== undefined) throw this.#failure;
        this.#writer.write(chunk);
        this.#progress(this.#writer.size);
        this.#wake?.();
      }
      this.#writer.finish(this.descriptor);
      this.#isDone = true;
      this.#wake?.();
    } catch (error) {
      this.abandon(error);
      throw error;
    }
  }

  /** Gives it up, for this reason. */
  abandon(reason: unknown): void {
    this.#failure ??= reason;
    this.#writer.abandon();
    this.#wake?.();
  }

  /** The bytes as they come, once; the end comes when all are checked. Throws what {@link run} does. */
  async *bytes(): AsyncGenerator<Bytes> {
    const file = openSync(this.path, "r");
    try {
      for (let at = 0; ; ) {
        if (this.#failure !== undefined) throw this.#failure;
        const there = this.#writer.size;
        if (at < there) {
          const buffer = new Uint8Array(Math.min(CHUNK, there - at));
          const n = readSync(file, buffer, 0, buffer.length, at);
          at += n;
          yield buffer.subarray(0, n) as Bytes;
        } else if (this.#isDone) {
          return;
        } else {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
        }
      }
    } finally {
      closeSync(file);
    }
  }
}
