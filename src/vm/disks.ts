/** Disks of a machine: found by the label of their ext4 (or ext2, ext3), or by what stands in front of all. */
import { closeSync, existsSync, openSync, readdirSync, readSync } from "../../ffi/files.ts";
import { join } from "../../ffi/path.ts";

// struct ext4_super_block (fs/ext4/ext4.h), 1024 bytes into the disk.
const SUPERBLOCK_AT = 1024;
const MAGIC_AT = 0x38;
const MAGIC = 0xef53;
const LABEL_AT = 0x78;
const LABEL_SIZE = 16;
const HEAD = SUPERBLOCK_AT + 1024;

/** The label of an ext4 whose first bytes these are; undefined where it is none. */
export function labelOf(head: Buffer): string | undefined {
  if (head.length < HEAD || head.readUInt16LE(SUPERBLOCK_AT + MAGIC_AT) !== MAGIC) return undefined;
  const field = head.subarray(SUPERBLOCK_AT + LABEL_AT, SUPERBLOCK_AT + LABEL_AT + LABEL_SIZE);
  return field.subarray(0, field.indexOf(0) < 0 ? LABEL_SIZE : field.indexOf(0)).toString();
}

/** Device nodes of disks and partitions whose ext4 has this label. */
export function disksLabelled(label: string): string[] {
  const folder = "/sys/class/block";
  const names = existsSync(folder) ? readdirSync(folder).sort() : [];
  return names.map((name) => join("/dev", name)).filter((path) => labelOf(headOf(path)) === label);
}

function headOf(path: string): Buffer {
  const head = Buffer.alloc(HEAD);
  try {
    const fd = openSync(path, "r");
    try {
      return head.subarray(0, readSync(fd, head, 0, HEAD, 0));
    } finally {
      closeSync(fd);
    }
  } catch {
    return head.subarray(0, 0); // a drive without a medium
  }
}
