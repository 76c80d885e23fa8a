/** Log files that were put aside, compressed: gzip (RFC 1952), with the original's inode number in an extra field. */
import { closeSync, createReadStream, createWriteStream, fstatSync, openSync, readSync, renameSync, rmSync, statSync } from "node:fs";
import { pipeline } from "node:stream/promises";
import { constants, crc32, createDeflateRaw } from "node:zlib";

/** Suffix of what is being written. */
export const PART = ".part";

const FEXTRA = 4;
const SUBFIELD = "BI"; // berth's: the inode number, eight bytes
const HEADER = 10 + 2 + 4 + 8;

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
    const header = Buffer.alloc(HEADER);
    header.set([0x1f, 0x8b, 8, FEXTRA]);
    header.writeUInt32LE(Math.floor(Date.now() / 1000), 4);
    header[9] = 3; // made on Unix
    header.writeUInt16LE(HEADER - 12, 10);
    header.write(SUBFIELD, 12, "latin1");
    header.writeUInt16LE(8, 14);
    header.writeBigUInt64LE(fstatSync(fd, { bigint: true }).ino, 16);
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

/** The inode number that a log file had when it was written to. */
export function originalInode(path: string): bigint | undefined {
  try {
    if (!path.endsWith(".gz")) return statSync(path, { bigint: true }).ino;
    const fd = openSync(path, "r");
    const header = Buffer.alloc(HEADER);
    const n = readSync(fd, header, 0, HEADER, 0);
    closeSync(fd);
    return n === HEADER && header[3] === FEXTRA && header.toString("latin1", 12, 14) === SUBFIELD ? header.readBigUInt64LE(16) : undefined;
  } catch {
    return undefined; // put aside once more, just now
  }
}
