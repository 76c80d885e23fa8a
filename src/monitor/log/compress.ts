/** Log files that were put aside, compressed. */
import { createReadStream, createWriteStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { constants, crc32, createDeflateRaw } from "node:zlib";
import { fstatSync, openSync, renameSync, rmSync } from "../../../ffi/files.ts";
import { gzipHeader, PART } from "./inode-tag.ts";

/**
 * Compresses `path.N` to `path.N.gz`; nothing where it is gone.
 *
 * @param number what N is just now: the log can be put aside again meanwhile; undefined where the file is no more wanted
 */
export async function compressLog(path: string, number: () => number | undefined): Promise<void> {
  const part = path + PART;
  try {
    const source = `${path}.${number()}`;
    const fd = openSync(source, "r");
    const header = gzipHeader(fstatSync(fd).ino);
    let sum = 0;
    let size = 0;
    await pipeline(
      createReadStream("", { fd, highWaterMark: 1 << 18 }),
      async function* (chunks: AsyncIterable<Buffer>) {
        for await (const chunk of chunks) {
          sum = crc32(chunk, sum);
          size += chunk.length;
          yield chunk;
        }
      },
      createDeflateRaw({ level: constants.Z_BEST_SPEED }),
      async function* (chunks: AsyncIterable<Buffer>) {
        yield header;
        yield* chunks;
        const trailer = Buffer.alloc(8);
        trailer.writeUInt32LE(sum, 0);
        trailer.writeUInt32LE(size % 2 ** 32, 4);
        yield trailer;
      },
      createWriteStream(part, { mode: 0o640 }),
    );
    const now = number();
    if (now === undefined) return;
    renameSync(part, `${path}.${now}.gz`);
    rmSync(`${path}.${now}`, { force: true });
  } catch {
    // A full disk, or the container is being removed: what is there stays as it is.
  } finally {
    rmSync(part, { force: true });
  }
}
