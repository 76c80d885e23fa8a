/** Reads a tar stream of any common compression and unpacks it as a layer. */
import { Readable } from "node:stream";
import { StoreError } from "../store/errors.ts";
import { type FileSink, LayerError, LayerWriter } from "./layer-writer.ts";
import { TarError } from "./tar-header.ts";
import { TarReader } from "./tar-reader.ts";

/** A layer that was unpacked. */
export interface UnpackedLayer {
  /** `sha256:…` of the tar without compression. */
  diffId: string;
  /** Bytes of the files' contents. */
  size: number;
}

export type Bytes = Uint8Array<ArrayBuffer>;

/** Names of compressions by the first bytes of a file. */
export function compressionOf(head: Uint8Array): "none" | "gzip" | "zstd" | "xz" | "bzip2" {
  const starts = (...bytes: number[]) => bytes.every((byte, i) => head[i] === byte);
  if (starts(0x1f, 0x8b)) return "gzip";
  if (starts(0x28, 0xb5, 0x2f, 0xfd)) return "zstd";
  if (starts(0xfd, 0x37, 0x7a, 0x58, 0x5a)) return "xz";
  if (starts(0x42, 0x5a, 0x68)) return "bzip2";
  return "none";
}

const TAR_MAGIC = 257; // where a header says ustar

/** So many bytes of a file's head does {@link isArchive} ask for. */
export const ARCHIVE_HEAD = TAR_MAGIC + 5;

/** Whether the first bytes of a file are those of a tar archive, or of something compressed. */
export function isArchive(head: Buffer): boolean {
  return compressionOf(head) !== "none" || head.toString("latin1", TAR_MAGIC, ARCHIVE_HEAD) === "ustar";
}

/** What no layer but a bomb exceeds: the first bytes are free, the others at most so many times what they were packed to. */
const BOMB = { free: 1 << 30, ratio: 250 } as const;

/**
 * Undoes the compression of a stream, told by its first bytes.
 *
 * @throws {LayerError} on one it cannot undo; while it is read, on one that would fill the disk
 */
export async function* decompress(source: AsyncIterable<Bytes>): AsyncGenerator<Bytes> {
  let packed = 0;
  let unpacked = 0;
  async function* counted(): AsyncGenerator<Bytes> {
    for await (const chunk of source) {
      packed += chunk.length;
      yield chunk;
    }
  }
  for await (const chunk of await decompressed(counted())) {
    unpacked += chunk.length;
    if (unpacked > BOMB.free && unpacked > packed * BOMB.ratio)
      throw new LayerError(`${packed} bytes unpack to more than ${unpacked}: expected at most ${BOMB.ratio} times as many`);
    yield chunk;
  }
}

async function decompressed(source: AsyncIterable<Bytes>): Promise<AsyncIterable<Bytes>> {
  const iterator = source[Symbol.asyncIterator]();
  const first = await iterator.next();
  const compression = compressionOf(first.value ?? new Uint8Array());
  let pending: IteratorResult<Bytes> | undefined = first;
  const whole = new ReadableStream<Bytes>(
    {
      async pull(controller) {
        const next = pending ?? (await iterator.next());
        pending = undefined;
        if (next.done) controller.close();
        else controller.enqueue(next.value);
      },
      async cancel() {
        await iterator.return?.();
      },
    },
    { highWaterMark: 0 },
  );
  if (compression === "none") return whole;
  if (compression === "xz") {
    const { XzReadableStream } = await import("xz-decompress");
    return new XzReadableStream(whole) as unknown as AsyncIterable<Bytes>;
  }
  if (compression === "bzip2") {
    const { default: unbzip2 } = await import("unbzip2-stream");
    // It is a stream of node's first kind, which cannot be iterated.
    const plain = Readable.from(whole as unknown as AsyncIterable<Bytes>).pipe(unbzip2());
    return new Readable().wrap(plain) as unknown as AsyncIterable<Bytes>;
  }
  return whole.pipeThrough(new DecompressionStream(compression as CompressionFormat) as unknown as ReadableWritablePair<Bytes, Bytes>);
}

/**
 * Unpacks a tar stream into an existing, empty folder. The whole stream is read.
 *
 * @param lowers unpacked layers below this one, the topmost first
 * @param known the diff id, where somebody else finds it out
 * @throws {LayerError} where it is no tar, is cut off, or an entry cannot be made
 */
export async function unpackLayer(
  source: AsyncIterable<Bytes>,
  folder: string,
  lowers: string[] = [],
  known?: Promise<string>,
): Promise<UnpackedLayer> {
  const hash = known ? undefined : new Bun.CryptoHasher("sha256");
  const writer = new LayerWriter(folder, lowers);
  let size = 0;
  let sink: FileSink | undefined;
  const reader = new TarReader({
    entry(entry) {
      sink = writer.add(entry);
      size += entry.size;
    },
    data: (chunk) => sink?.write(chunk),
    hole: (bytes) => sink?.skip(bytes),
    end: () => sink?.close(),
  });
  try {
    for await (const chunk of decompress(source)) {
      hash?.update(chunk);
      reader.write(chunk);
    }
    reader.close();
    return { diffId: hash ? `sha256:${hash.digest("hex")}` : ((await known) as string), size };
  } catch (error) {
    if (error instanceof LayerError || error instanceof StoreError) throw error;
    throw new LayerError(
      error instanceof TarError ? error.message : `cannot read the archive: ${error instanceof Error ? error.message : String(error)}`,
      {
        cause: error,
      },
    );
  } finally {
    writer.close();
  }
}
