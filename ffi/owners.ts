/** Another view of owners: ids of files as a user namespace maps them, where no mount can do it. */
import { getXattr, setXattr } from "./xattr.ts";

/** Ids inside, the same outside, how many of them. */
export interface OwnerRange {
  containerID: number;
  hostID: number;
  size: number;
}

/** Of users and groups. */
export interface Owners {
  uids: OwnerRange[];
  gids: OwnerRange[];
}

/** Who has what nobody inside has (/proc/sys/kernel/overflowuid). */
const NOBODY = 65534;

const find = (ranges: OwnerRange[], key: "containerID" | "hostID", id: number) =>
  ranges.find((range) => range[key] <= id && id < range[key] + range.size);

/** The id outside; what is not inside becomes the last one that is. */
export function toHost(ranges: OwnerRange[], id: number): number {
  const range = find(ranges, "containerID", id);
  if (range) return range.hostID + id - range.containerID;
  const last = ranges.at(-1);
  return last ? last.hostID + last.size - 1 : id;
}

/** The id inside; nobody where there is none. */
export function toContainer(ranges: OwnerRange[], id: number): number {
  const range = find(ranges, "hostID", id);
  return range ? id - range.hostID + range.containerID : NOBODY;
}

const CAPABILITY = "security.capability";
const REVISION_2 = 0x02000000;
const REVISION_3 = 0x03000000;
const SIZE_2 = 20; // struct vfs_cap_data: magic, two pairs of masks; revision 3 adds whose root they are for

/** File capabilities for root of a namespace instead of the host's (capabilities(7), "Namespaced file capabilities"). */
export function namespaceCapabilities(path: string, root: number): void {
  const value = getXattr(path, CAPABILITY, true);
  if (value?.length !== SIZE_2) return;
  const shifted = Buffer.alloc(SIZE_2 + 4);
  shifted.set(value);
  shifted.writeUInt32LE(REVISION_3 | (value.readUInt32LE(0) & 0xffffff), 0);
  shifted.writeUInt32LE(root, SIZE_2);
  setXattr(path, CAPABILITY, shifted);
}

/** As they are for root of whatever namespace. */
export function plainCapabilities(value: Buffer): Buffer {
  if (value.length !== SIZE_2 + 4) return value;
  const plain = Buffer.from(value.subarray(0, SIZE_2));
  plain.writeUInt32LE(REVISION_2 | (value.readUInt32LE(0) & 0xffffff), 0);
  return plain;
}
