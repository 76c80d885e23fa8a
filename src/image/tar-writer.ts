/** Writes tar: ustar headers, with pax records (POSIX.1-2017) for what does not fit. The same tree gives the same bytes. */
import { encodeName } from "../../ffi/file-name.ts";
import type { TarEntry } from "./tar-header.ts";

const BLOCK = 512;
const TYPE_FLAGS: Record<TarEntry["type"], string> = {
  file: "0",
  hardlink: "1",
  symlink: "2",
  character: "3",
  block: "4",
  directory: "5",
  fifo: "6",
};
const SECOND = 1_000_000_000n;

export class TarWriter {
  readonly #write: (bytes: Uint8Array) => void;
  #rest = 0;

  constructor(write: (bytes: Uint8Array) => void) {
    this.#write = write;
  }

  /** Begins an entry; a file's `size` bytes of content follow through {@link data}. */
  entry(entry: TarEntry): void {
    this.#pad();
    const pax = paxRecords(entry);
    if (pax.length > 0) {
      this.#write(
        header(
          {
            ...entry,
            path: `PaxHeaders/${entry.path.slice(0, 80)}`,
            type: "file",
            size: pax.length,
            linkPath: "",
            mtime: 0n,
            uid: 0,
            gid: 0,
            mode: 0o644,
          },
          "x",
        ),
      );
      this.#write(pax);
      this.#rest = pax.length;
      this.#pad();
    }
    this.#write(header(entry, TYPE_FLAGS[entry.type]));
    this.#rest = entry.type === "file" ? entry.size : 0;
  }

  data(bytes: Uint8Array): void {
    this.#write(bytes);
  }

  /** The end of the archive. */
  close(): void {
    this.#pad();
    this.#write(Buffer.alloc(2 * BLOCK));
  }

  // Content ends at a whole block.
  #pad(): void {
    const padding = (BLOCK - (this.#rest % BLOCK)) % BLOCK;
    if (padding > 0) this.#write(Buffer.alloc(padding));
    this.#rest = 0;
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

function header(entry: TarEntry, flag: string): Buffer {
  const b = Buffer.alloc(BLOCK);
  const octal = (value: number | bigint, at: number, length: number) => {
    const max = 8n ** BigInt(length - 1) - 1n;
    const fitting = BigInt(value) < 0n || BigInt(value) > max ? 0n : BigInt(value);
    b.write(`${fitting.toString(8).padStart(length - 1, "0")}\0`, at, "latin1");
  };
  encodeName(entry.path).copy(b, 0, 0, 100);
  octal(entry.mode & 0o7777, 100, 8);
  octal(entry.uid, 108, 8);
  octal(entry.gid, 116, 8);
  octal(entry.type === "file" ? entry.size : 0, 124, 12);
  octal(entry.mtime / SECOND, 136, 12);
  b.write("        ", 148, "latin1"); // the checksum counts its own field as spaces
  b.write(flag, 156, "latin1");
  encodeName(entry.linkPath).copy(b, 157, 0, 100);
  b.write("ustar\x0000", 257, "latin1");
  octal(entry.deviceMajor, 329, 8);
  octal(entry.deviceMinor, 337, 8);
  const sum = b.reduce((total, byte) => total + byte, 0);
  b.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return b;
}
