/** Reads a tar stream of any common compression and unpacks it as a layer. */
import { type FileSink, LayerError, LayerWriter } from "./layer-writer.ts";
import { TarError, TarReader } from "./tar-reader.ts";

/** A layer that was unpacked. */
export interface UnpackedLayer {
  /** `sha256:…` of the tar without compression. */
  diffId: string;
  /** Bytes of the files' contents. */
  size: number;
}

type Bytes = Uint8Array<ArrayBuffer>;

/** Names of compressions by the first bytes of a file. */
export function compressionOf(head: Uint8Array): "none" | "gzip" | "zstd" | "xz" | "bzip2" {
  const starts = (...bytes: number[]) => bytes.every((byte, i) => head[i] === byte);
  if (starts(0x1f, 0x8b)) return "gzip";
  if (starts(0x28, 0xb5, 0x2f, 0xfd)) return "zstd";
  if (starts(0xfd, 0x37, 0x7a, 0x58, 0x5a)) return "xz";
  if (starts(0x42, 0x5a, 0x68)) return "bzip2";
  return "none";
}

/** Undoes the compression of a stream, told by its first bytes. Throws {@link LayerError} on one it cannot undo. */
export async function decompress(source: ReadableStream<Bytes>): Promise<ReadableStream<Bytes>> {
  const reader = source.getReader();
  const first = await reader.read();
  const compression = compressionOf(first.value ?? new Uint8Array());
  const whole = new ReadableStream<Bytes>({
    start(controller) {
      if (first.value) controller.enqueue(first.value);
      if (first.done) controller.close();
    },
    async pull(controller) {
      const { value, done } = await reader.read();
      if (value) controller.enqueue(value);
      if (done) controller.close();
    },
    cancel: (reason) => reader.cancel(reason),
  });
  if (compression === "none") return whole;
  if (compression === "xz" || compression === "bzip2") {
    throw new LayerError(`the archive is compressed with ${compression}, which is not supported yet: expected plain, gzip or zstd`);
  }
  return whole.pipeThrough(new DecompressionStream(compression as CompressionFormat) as unknown as ReadableWritablePair<Bytes, Bytes>);
}

/**
 * Unpacks a tar stream into an existing, empty folder. The whole stream is read.
 *
 * @throws {LayerError} where it is no tar, is cut off, or an entry cannot be made
 */
export async function unpackLayer(source: ReadableStream<Bytes>, folder: string): Promise<UnpackedLayer> {
  const hash = new Bun.CryptoHasher("sha256");
  const writer = new LayerWriter(folder);
  let size = 0;
  let sink: FileSink | undefined;
  const reader = new TarReader({
    entry(entry) {
      sink = writer.add(entry);
      size += entry.size;
    },
    data: (chunk) => sink?.write(chunk),
    end: () => sink?.close(),
  });
  try {
    for await (const chunk of await decompress(source)) {
      hash.update(chunk);
      reader.write(chunk);
    }
    reader.close();
    return { diffId: `sha256:${hash.digest("hex")}`, size };
  } catch (error) {
    if (error instanceof LayerError) throw error;
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
