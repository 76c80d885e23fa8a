/**
 * A squashfs 4.0 (kernel: fs/squashfs/squashfs_fs.h) with one file in its root. The same
 * content gives the same bytes. Numbers are the processor's, which is little-endian.
 */
import { promisify } from "node:util";
import { deflate } from "node:zlib";

const MAGIC = 0x73717368;
const SUPERBLOCK = 96; // bytes
const BLOCK_LOG = 17;
const BLOCK = 1 << BLOCK_LOG;
const [ZLIB, ZSTD] = [1, 6];
const NO_FRAGMENTS = 0x10;
const NO_XATTRS = 0x200;
const STORED_BLOCK = 1 << 24;
const STORED_METADATA = 1 << 15;
const METADATA = 8192; // bytes that a block of metadata holds
const [TYPE_FOLDER, TYPE_FILE] = [1, 2];
const NONE_32 = 0xffffffff;
const NONE_64 = 0xffffffffffffffffn;
const FILE_HEAD = 32;
const FOLDER_SIZE = 32;
/** Blocks that are packed at once. */
const BATCH = 64;

type Pack = (bytes: Buffer) => Promise<Uint8Array>;

const PACKERS: Record<"gzip" | "zstd", { id: number; pack: Pack }> = {
  gzip: { id: ZLIB, pack: promisify(deflate) as Pack },
  zstd: { id: ZSTD, pack: (bytes) => Bun.zstdCompress(bytes, { level: 15 }) },
};

interface DataBlock {
  bytes: Uint8Array;
  /** As the file's inode has it: bytes, and whether they are packed. */
  size: number;
}

/**
 * @param name of the file, executable and root's
 * @throws RangeError for a file whose list of blocks does not fit: more than 250 MB
 */
export async function squashfsOf(name: string, content: Buffer, compression: keyof typeof PACKERS): Promise<Buffer> {
  const { id, pack } = PACKERS[compression];
  const blocks = await packBlocks(content, pack);
  const data = Buffer.concat(blocks.map(({ bytes }) => bytes));
  const inodes = metadata(encodeInodes(name, content.length, blocks));
  const folder = metadata(encodeListing(name));
  const users = metadata(Buffer.alloc(4)); // the one user there is, root
  const inodesAt = SUPERBLOCK + data.length;
  const folderAt = inodesAt + inodes.length;
  const usersAt = folderAt + folder.length;
  const userTable = Buffer.alloc(8);
  userTable.writeBigUInt64LE(BigInt(usersAt));
  const userTableAt = usersAt + users.length;
  const end = userTableAt + userTable.length;
  const [noXattrs, noFragments, noExports] = [NONE_64, NONE_64, NONE_64];
  const head = Buffer.concat([
    Buffer.from(Uint32Array.of(MAGIC, 2, 0, BLOCK, 0).buffer),
    Buffer.from(Uint16Array.of(id, BLOCK_LOG, NO_FRAGMENTS | NO_XATTRS, 1, 4, 0).buffer),
    Buffer.from(BigUint64Array.of(0n, BigInt(end), BigInt(userTableAt), noXattrs, BigInt(inodesAt), BigInt(folderAt), noFragments, noExports).buffer),
  ]);
  const whole = Buffer.concat([head, data, inodes, folder, users, userTable]);
  // Devices are read by pages.
  return Buffer.concat([whole, Buffer.alloc(-whole.length & 4095)]);
}

async function packBlocks(content: Buffer, pack: Pack): Promise<DataBlock[]> {
  const blocks: DataBlock[] = [];
  for (let at = 0; at < content.length; at += BLOCK * BATCH) {
    const plain = Array.from({ length: BATCH }, (_, i) => content.subarray(at + i * BLOCK, at + (i + 1) * BLOCK)).filter(({ length }) => length > 0);
    for (const [i, bytes] of (await Promise.all(plain.map((piece) => pack(piece)))).entries()) {
      const stored = plain[i] as Buffer;
      blocks.push(bytes.length < stored.length ? { bytes, size: bytes.length } : { bytes: stored, size: stored.length | STORED_BLOCK });
    }
  }
  return blocks;
}

// The root's inode, number 1, then the file's.
function encodeInodes(name: string, size: number, blocks: DataBlock[]): Buffer {
  const inodes = Buffer.alloc(FOLDER_SIZE + FILE_HEAD + blocks.length * 4);
  const inode = (at: number, type: number, number: number) => {
    inodes.writeUInt16LE(type, at);
    inodes.writeUInt16LE(0o755, at + 2);
    inodes.writeUInt32LE(number, at + 12);
  };
  inode(0, TYPE_FOLDER, 1);
  inodes.writeUInt32LE(2, 20); // links
  inodes.writeUInt16LE(encodeListing(name).length + 3, 24);
  inodes.writeUInt32LE(3, 28); // the root's parent: a number that nothing has
  inode(FOLDER_SIZE, TYPE_FILE, 2);
  const content = Uint32Array.of(SUPERBLOCK, NONE_32, 0, size, ...blocks.map((block) => block.size));
  Buffer.from(content.buffer).copy(inodes, FOLDER_SIZE + 16);
  return inodes;
}

function encodeListing(name: string): Buffer {
  const bytes = Buffer.from(name);
  const listing = Buffer.alloc(20);
  listing.writeUInt32LE(1, 8); // number of the first inode below
  listing.writeUInt16LE(FOLDER_SIZE, 12); // where it is
  listing.writeInt16LE(1, 14); // its number, from that one on
  listing.writeUInt16LE(TYPE_FILE, 16);
  listing.writeUInt16LE(bytes.length - 1, 18);
  return Buffer.concat([listing, bytes]);
}

function metadata(bytes: Buffer): Buffer {
  if (bytes.length > METADATA) throw new RangeError(`${bytes.length} bytes of metadata: a block holds ${METADATA}`);
  const head = Buffer.alloc(2);
  head.writeUInt16LE(bytes.length | STORED_METADATA);
  return Buffer.concat([head, bytes]);
}
