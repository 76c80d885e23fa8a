/**
 * Which log file a compressed one was: its inode number, in an extra field of the gzip
 * header (RFC 1952, 2.3.1.1). Whoever follows a log finds there where to go on.
 */
import { fstatSync, readSync } from "../../../ffi/files.ts";

/** Suffix of what is being written. */
export const PART = ".part";

const FEXTRA = 4;
const SUBFIELD = "BI"; // berth's: the inode number, eight bytes
const HEADER = 10 + 2 + 4 + 8;

export function gzipHeader(inode: bigint): Buffer {
  const header = Buffer.alloc(HEADER);
  header.set([0x1f, 0x8b, 8, FEXTRA]);
  header.writeUInt32LE(Math.floor(Date.now() / 1000), 4);
  header[9] = 3; // made on Unix
  header.writeUInt16LE(HEADER - 12, 10);
  header.write(SUBFIELD, 12, "latin1");
  header.writeUInt16LE(8, 14);
  header.writeBigUInt64LE(inode, 16);
  return header;
}

/** The inode number that an open log file had when it was written to; 0 where it cannot be told. */
export function originalInode(fd: number, isCompressed: boolean): bigint {
  if (!isCompressed) return fstatSync(fd).ino;
  const header = Buffer.alloc(HEADER);
  const isTagged = readSync(fd, header, 0, HEADER, 0) === HEADER && header[3] === FEXTRA && header.toString("latin1", 12, 14) === SUBFIELD;
  return isTagged ? header.readBigUInt64LE(16) : 0n;
}
