/**
 * Reads tar as it comes in layers: ustar and pax (POSIX.1-2017, pax), and GNU's long
 * names and numbers (GNU tar manual, "Basic Tar Format"). A package for this is there
 * (node-tar), but it drops device numbers of GNU archives, extended attributes, and
 * fractions of a second, all of which belong to a layer.
 */

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

/** Called in the order of the archive. */
export interface TarHandler {
  entry(entry: TarEntry): void;
  /** A piece of the last entry's content; the memory is the caller's. */
  data(chunk: Uint8Array): void;
  /** The content of the last entry is complete. */
  end(): void;
}

/** An archive that cannot be read. */
export class TarError extends Error {
  override name = "TarError";
}

const BLOCK = 512;
/** Offset and length of the fields (tar.h). */
const FIELD = {
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
const TYPE_OFFSET = 156;
const TYPES: Record<string, TarEntry["type"]> = {
  "\0": "file",
  "0": "file",
  "7": "file",
  "1": "hardlink",
  "2": "symlink",
  "3": "character",
  "4": "block",
  "5": "directory",
  "6": "fifo",
};
/** Longer names, paths or attributes than this are an attack, not an archive. */
const MAX_META = 1 << 20;

export class TarReader {
  readonly #handler: TarHandler;
  readonly #block = Buffer.alloc(BLOCK);
  #filled = 0;
  #offset = 0;
  #zeroBlocks = 0;
  #isFirst = true;
  #ended = false;
  /** Bytes of content, then of padding, still to come. */
  #content = 0;
  #padding = 0;
  /** Content that describes the next entry, and its type. */
  #meta: { type: string; parts: Buffer[] } | undefined;
  #longName: string | undefined;
  #longLink: string | undefined;
  #global = new Map<string, Buffer>();
  #own = new Map<string, Buffer>();

  constructor(handler: TarHandler) {
    this.#handler = handler;
  }

  /** Takes the next piece of the archive. Throws {@link TarError}, and whatever the handler throws. */
  write(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length && !this.#ended) {
      if (this.#content > 0) {
        const piece = chunk.subarray(at, at + this.#content);
        at += piece.length;
        this.#content -= piece.length;
        if (this.#meta) this.#meta.parts.push(Buffer.from(piece));
        else this.#handler.data(piece);
        if (this.#content === 0) this.#contentEnds();
      } else if (this.#padding > 0) {
        const skipped = Math.min(this.#padding, chunk.length - at);
        at += skipped;
        this.#padding -= skipped;
      } else {
        const piece = chunk.subarray(at, at + BLOCK - this.#filled);
        this.#block.set(piece, this.#filled);
        this.#filled += piece.length;
        at += piece.length;
        if (this.#filled === BLOCK) {
          this.#filled = 0;
          this.#header();
        }
      }
    }
    this.#offset += chunk.length;
  }

  /** Whether the archive's own end was read. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Leaves out the content of the entry just begun, and its padding; gives how many bytes the caller is to skip. */
  skipContent(): number {
    if (this.#meta || this.#content + this.#padding === 0) return 0;
    const skipped = this.#content + this.#padding;
    if (this.#content > 0) this.#handler.end();
    this.#content = 0;
    this.#padding = 0;
    return skipped;
  }

  /** The end of the input. Throws {@link TarError} where it comes in the middle of an entry. */
  close(): void {
    if (this.#ended) return;
    if (this.#offset === 0) throw new TarError("not a tar archive: it is empty");
    if (this.#offset < BLOCK) throw new TarError("not a tar archive");
    if (this.#content > 0 || this.#padding > 0 || this.#filled > 0 || this.#meta) throw new TarError("the tar archive is cut off");
  }

  #header(): void {
    const b = this.#block;
    if (b.every((byte) => byte === 0)) {
      if (++this.#zeroBlocks === 2) this.#ended = true;
      return;
    }
    this.#zeroBlocks = 0;
    if (!hasValidChecksum(b)) {
      throw new TarError(this.#isFirst ? "not a tar archive" : "the tar archive is damaged: a header's checksum is wrong");
    }
    this.#isFirst = false;
    const type = String.fromCharCode(b[TYPE_OFFSET] as number);
    const size = readNumber(b, FIELD.size);
    if (type === "L" || type === "K" || type === "x" || type === "g") {
      if (size > MAX_META) throw new TarError(`the tar archive has a header of ${size} bytes: expected at most ${MAX_META}`);
      this.#meta = { type, parts: [] };
      this.#expect(size);
      return;
    }
    const entry = this.#entry(type);
    // Only files have content; what GNU's dumps write behind folders is skipped with them.
    this.#handler.entry(entry);
    this.#expect(entry.size);
  }

  #expect(size: number): void {
    this.#content = size;
    this.#padding = (BLOCK - (size % BLOCK)) % BLOCK;
    if (size === 0) this.#contentEnds();
  }

  #contentEnds(): void {
    const meta = this.#meta;
    if (!meta) {
      this.#handler.end();
      return;
    }
    this.#meta = undefined;
    const body = Buffer.concat(meta.parts);
    if (meta.type === "L") this.#longName = untilNul(body);
    else if (meta.type === "K") this.#longLink = untilNul(body);
    else for (const [key, value] of parsePax(body)) (meta.type === "g" ? this.#global : this.#own).set(key, value);
  }

  #entry(flag: string): TarEntry {
    const b = this.#block;
    const pax = new Map([...this.#global, ...this.#own]);
    const text = (key: string) => pax.get(key)?.toString();
    const number = (key: string, field: readonly [number, number]) => {
      const value = text(key);
      return value === undefined ? readNumber(b, field) : parseDecimal(key, value);
    };
    const isUstar = readText(b, FIELD.magic) === "ustar"; // GNU's own magic has a space behind it, and no prefix field
    const prefix = isUstar ? readText(b, FIELD.prefix) : "";
    const name = readText(b, FIELD.name);
    const path = text("path") ?? this.#longName ?? (prefix ? `${prefix}/${name}` : name);
    const type = flag === "\0" && path.endsWith("/") ? "directory" : TYPES[flag];
    if (!type || [...pax.keys()].some((key) => key.startsWith("GNU.sparse."))) {
      throw new TarError(`${JSON.stringify(path)} is of a kind that layers do not have (type ${JSON.stringify(flag)})`);
    }
    const xattrs = new Map<string, Buffer>();
    for (const [key, value] of pax) if (key.startsWith(XATTR)) xattrs.set(key.slice(XATTR.length), value);
    const mtime = text("mtime");
    const entry: TarEntry = {
      path,
      type,
      mode: readNumber(b, FIELD.mode) & 0o7777,
      uid: number("uid", FIELD.uid),
      gid: number("gid", FIELD.gid),
      size: type === "file" ? number("size", FIELD.size) : 0,
      mtime: mtime === undefined ? BigInt(readNumber(b, FIELD.mtime)) * SECOND : parseTime(mtime),
      linkPath: text("linkpath") ?? this.#longLink ?? readText(b, FIELD.linkName),
      deviceMajor: type === "character" || type === "block" ? readNumber(b, FIELD.major) : 0,
      deviceMinor: type === "character" || type === "block" ? readNumber(b, FIELD.minor) : 0,
      xattrs,
    };
    this.#longName = undefined;
    this.#longLink = undefined;
    this.#own.clear();
    return entry;
  }
}

const SECOND = 1_000_000_000n;
const XATTR = "SCHILY.xattr.";

function untilNul(bytes: Buffer): string {
  const nul = bytes.indexOf(0);
  return bytes.toString("utf8", 0, nul < 0 ? bytes.length : nul);
}

function readText(block: Buffer, [at, length]: readonly [number, number]): string {
  return untilNul(block.subarray(at, at + length));
}

// Octal text, or, with the highest bit set, GNU's two's complement in base 256.
function readNumber(block: Buffer, [at, length]: readonly [number, number]): number {
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

// The sum of all bytes, the field itself counted as spaces; some old programs added signed ones.
function hasValidChecksum(block: Buffer): boolean {
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

// Records of `LENGTH KEY=VALUE\n`, the length counting all of it; an empty value takes back a global one.
function parsePax(body: Buffer): [string, Buffer][] {
  const records: [string, Buffer][] = [];
  for (let at = 0; at < body.length && body[at] !== 0; ) {
    const space = body.indexOf(32, at);
    const length = Number(body.toString("latin1", at, space));
    const equals = body.indexOf(61, space);
    if (space < 0 || !Number.isInteger(length) || length < 5 || at + length > body.length || equals < 0 || equals >= at + length) {
      throw new TarError("the tar archive is damaged: a pax record is malformed");
    }
    records.push([body.toString("utf8", space + 1, equals), body.subarray(equals + 1, at + length - 1)]);
    at += length;
  }
  return records;
}

function parseDecimal(key: string, text: string): number {
  if (!/^-?\d+$/.test(text)) throw new TarError(`the tar archive is damaged: pax ${key} is ${JSON.stringify(text)}`);
  return Number(text);
}

function parseTime(text: string): bigint {
  const [, sign, seconds, fraction = ""] = /^(-?)(\d+)(?:\.(\d*))?$/.exec(text) ?? [];
  if (seconds === undefined) throw new TarError(`the tar archive is damaged: pax mtime is ${JSON.stringify(text)}`);
  const value = BigInt(seconds) * SECOND + BigInt(fraction.slice(0, 9).padEnd(9, "0"));
  return sign === "-" ? -value : value;
}
