/** Writes tar: ustar headers, with pax records (POSIX.1-2017) for what does not fit. The same tree gives the same bytes. */
import { encodeName } from "../../ffi/file-name.ts";
import { BLOCK, FIELD, SECOND, type TarEntry, TYPE_OFFSET } from "./tar-header.ts";

const TYPE_FLAGS: Record<TarEntry["type"], string> = {
  file: "0",
  hardlink: "1",
  symlink: "2",
  character: "3",
  block: "4",
  directory: "5",
  fifo: "6",
};

/** Bytes that are handed on at once; as many as stay near the processor. */
const BUFFER = 1 << 18;

export class TarWriter {
  readonly #write: (bytes: Uint8Array) => void;
  /** What was not handed on yet. */
  readonly #buffer = Buffer.allocUnsafeSlow(BUFFER);
  #filled = 0;
  #rest = 0;

  /** @param write takes bytes that are its own for the call only: their memory is used again */
  constructor(write: (bytes: Uint8Array) => void) {
    this.#write = write;
  }

  /** Begins an entry; a file's `size` bytes of content follow through {@link data} or {@link content}. */
  entry(entry: TarEntry): void {
    this.#pad();
    const pax = paxRecords(entry);
    if (pax.length > 0) {
      const path = `PaxHeaders/${entry.path.slice(0, 80)}`;
      const attributes: TarEntry = { ...entry, path, type: "file", size: pax.length, linkPath: "", mtime: 0n, uid: 0, gid: 0, mode: 0o644 };
      writeHeader(this.#reserve(BLOCK), attributes, "x");
      this.data(pax);
      this.#rest = pax.length;
      this.#pad();
    }
    writeHeader(this.#reserve(BLOCK), entry, TYPE_FLAGS[entry.type]);
    this.#rest = entry.type === "file" ? entry.size : 0;
  }

  data(bytes: Uint8Array): void {
    if (bytes.length < BUFFER) {
      this.#reserve(bytes.length).set(bytes);
      return;
    }
    this.#flush();
    this.#write(bytes);
  }

  /**
   * A file's content, as many bytes as its header says, whatever becomes of it meanwhile: zeros where it ends before.
   *
   * @param read puts bytes at the beginning of the memory that it is given; gives how many, 0 at the end
   */
  content(size: number, read: (memory: Buffer) => number): void {
    for (let left = size; left > 0; ) {
      if (this.#filled === BUFFER) this.#flush();
      const memory = this.#buffer.subarray(this.#filled, this.#filled + left);
      const n = read(memory) || memory.fill(0).length;
      this.#filled += n;
      left -= n;
    }
  }

  /** The end of the archive. */
  close(): void {
    this.#pad();
    this.#reserve(2 * BLOCK).fill(0);
    this.#flush();
  }

  // Content ends at a whole block.
  #pad(): void {
    this.#reserve((BLOCK - (this.#rest % BLOCK)) % BLOCK).fill(0);
    this.#rest = 0;
  }

  #reserve(size: number): Buffer {
    if (this.#filled + size > BUFFER) this.#flush();
    this.#filled += size;
    return this.#buffer.subarray(this.#filled - size, this.#filled);
  }

  #flush(): void {
    if (this.#filled > 0) this.#write(this.#buffer.subarray(0, this.#filled));
    this.#filled = 0;
  }
}

const MAX_OCTAL_7 = 0o7777777;
const MAX_OCTAL_11 = 0o77777777777;
const isPlain = (text: string, max: number) => Buffer.byteLength(text) <= max && /^[\x20-\x7e]*$/.test(text);

function paxRecords(entry: TarEntry): Buffer {
  const records: [string, string | Buffer][] = [];
  if (!isPlain(entry.path, 100)) records.push(["path", entry.path]);
  if (!isPlain(entry.linkPath, 100)) records.push(["linkpath", entry.linkPath]);
  if (entry.uid > MAX_OCTAL_7) records.push(["uid", String(entry.uid)]);
  if (entry.gid > MAX_OCTAL_7) records.push(["gid", String(entry.gid)]);
  if (entry.size > MAX_OCTAL_11) records.push(["size", String(entry.size)]);
  if (entry.mtime % SECOND !== 0n || entry.mtime < 0n) records.push(["mtime", formatTime(entry.mtime)]);
  for (const [name, value] of [...entry.xattrs].sort(([a], [b]) => (a < b ? -1 : 1))) records.push([`SCHILY.xattr.${name}`, value]);
  return Buffer.concat(records.map(([key, value]) => paxRecord(key, typeof value === "string" ? encodeName(value) : value)));
}

// The length counts its own digits.
function paxRecord(key: string, value: Buffer): Buffer {
  const rest = Buffer.concat([encodeName(` ${key}=`), value, Buffer.from("\n")]);
  let length = rest.length + String(rest.length).length;
  if (String(length).length > String(rest.length).length) length = rest.length + String(length).length;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

function formatTime(time: bigint): string {
  const sign = time < 0n ? "-" : "";
  const absolute = time < 0n ? -time : time;
  const fraction = (absolute % SECOND).toString().padStart(9, "0").replace(/0+$/, "");
  return `${sign}${absolute / SECOND}${fraction && `.${fraction}`}`;
}

function writeHeader(block: Buffer, entry: TarEntry, flag: string): void {
  block.fill(0);
  const octal = (value: number, [at, length]: readonly [number, number]) => {
    const fitting = value < 0 || value >= 8 ** (length - 1) ? 0 : value;
    block.write(fitting.toString(8).padStart(length - 1, "0"), at, "latin1");
  };
  const text = (value: string, [at, length]: readonly [number, number]) => encodeName(value).copy(block, at, 0, length);
  text(entry.path, FIELD.name);
  octal(entry.mode & 0o7777, FIELD.mode);
  octal(entry.uid, FIELD.uid);
  octal(entry.gid, FIELD.gid);
  octal(entry.type === "file" ? entry.size : 0, FIELD.size);
  octal(Number(entry.mtime / SECOND), FIELD.mtime);
  block.write(flag, TYPE_OFFSET, "latin1");
  text(entry.linkPath, FIELD.linkName);
  block.write("ustar\x0000", FIELD.magic[0], "latin1");
  octal(entry.deviceMajor, FIELD.major);
  octal(entry.deviceMinor, FIELD.minor);
  let sum = 8 * 0x20; // the checksum counts its own field as spaces
  for (const byte of block) sum += byte;
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, FIELD.checksum[0], "latin1");
}
