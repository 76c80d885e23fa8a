/** The parts of a tar header: ustar's fields, GNU's numbers and pax records (tar.h; POSIX.1-2017, pax; GNU tar manual). */
import { decodeName } from "../../ffi/file-name.ts";

/** One entry's header. Sizes in bytes, times in nanoseconds since 1970. */
export interface TarEntry {
  path: string;
  type: "file" | "directory" | "symlink" | "hardlink" | "character" | "block" | "fifo";
  mode: number;
  uid: number;
  gid: number;
  size: number;
  mtime: bigint;
  linkPath: string;
  deviceMajor: number;
  deviceMinor: number;
  /** Extended attributes by their names. */
  xattrs: Map<string, Buffer>;
}

/** An archive that cannot be read. */
export class TarError extends Error {
  override name = "TarError";
}

export const BLOCK = 512;
/** Offset and length of the fields (tar.h). */
export const FIELD = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  mtime: [136, 12],
  checksum: [148, 8],
  linkName: [157, 100],
  magic: [257, 6],
  major: [329, 8],
  minor: [337, 8],
  prefix: [345, 155],
} as const;
export const TYPE_OFFSET = 156;
export const SECOND = 1_000_000_000n;

/** A string that ends at a NUL, if there is one. */
export function untilNul(bytes: Buffer): string {
  const nul = bytes.indexOf(0);
  return decodeName(nul < 0 ? bytes : bytes.subarray(0, nul));
}

/** The text of a field. */
export function readText(block: Buffer, [at, length]: readonly [number, number]): string {
  return untilNul(block.subarray(at, at + length));
}

/** Octal text, or, with the highest bit set, GNU's two's complement in base 256. */
export function readNumber(block: Buffer, [at, length]: readonly [number, number]): number {
  const first = block[at] as number;
  if (first & 0x80) {
    let value = first & 0x40 ? -1n : 0n;
    value = (value << 6n) | BigInt(first & 0x3f);
    for (let i = 1; i < length; i++) value = (value << 8n) | BigInt(block[at + i] as number);
    return Number(value);
  }
  const text = readText(block, [at, length]).trim();
  if (!/^-?[0-7]*$/.test(text)) throw new TarError(`the tar archive is damaged: ${JSON.stringify(text)} is no octal number`);
  return text === "" ? 0 : Number.parseInt(text, 8);
}

/** The sum of all bytes, the field itself counted as spaces; some old programs added signed ones. */
export function hasValidChecksum(block: Buffer): boolean {
  const [at, length] = FIELD.checksum;
  let unsigned = 0;
  let signed = 0;
  for (let i = 0; i < BLOCK; i++) {
    const byte = i >= at && i < at + length ? 32 : (block[i] as number);
    unsigned += byte;
    signed += byte > 127 ? byte - 256 : byte;
  }
  let wanted: number;
  try {
    wanted = readNumber(block, FIELD.checksum);
  } catch {
    return false;
  }
  return wanted === unsigned || wanted === signed;
}

/** Records of `LENGTH KEY=VALUE\n`, the length counting all of it; an empty value takes back a global one. */
export function parsePax(body: Buffer): [string, Buffer][] {
  const records: [string, Buffer][] = [];
  for (let at = 0; at < body.length && body[at] !== 0; ) {
    const space = body.indexOf(32, at);
    const length = Number(body.toString("latin1", at, space));
    const equals = body.indexOf(61, space);
    if (space < 0 || !Number.isInteger(length) || length < 5 || at + length > body.length || equals < 0 || equals >= at + length) {
      throw new TarError("the tar archive is damaged: a pax record is malformed");
    }
    records.push([decodeName(body.subarray(space + 1, equals)), body.subarray(equals + 1, at + length - 1)]);
    at += length;
  }
  return records;
}

/** The number of a pax record. */
export function parseDecimal(key: string, text: string): number {
  if (!/^-?\d+$/.test(text)) throw new TarError(`the tar archive is damaged: pax ${key} is ${JSON.stringify(text)}`);
  return Number(text);
}

/** A pax time, seconds with a fraction, in nanoseconds. */
export function parseTime(text: string): bigint {
  const [, sign, seconds, fraction = ""] = /^(-?)(\d+)(?:\.(\d*))?$/.exec(text) ?? [];
  if (seconds === undefined) throw new TarError(`the tar archive is damaged: pax mtime is ${JSON.stringify(text)}`);
  const value = BigInt(seconds) * SECOND + BigInt(fraction.slice(0, 9).padEnd(9, "0"));
  return sign === "-" ? -value : value;
}
