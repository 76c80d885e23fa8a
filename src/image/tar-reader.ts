/**
 * Reads tar as it comes in layers: ustar and pax (POSIX.1-2017, pax), and GNU's long
 * names, numbers and sparse files (GNU tar manual, "Basic Tar Format"). A package for this is there
 * (node-tar), but it drops device numbers of GNU archives, extended attributes, and
 * fractions of a second, all of which belong to a layer.
 */

import { decodeName } from "../../ffi/file-name.ts";
import {
  BLOCK,
  FIELD,
  hasValidChecksum,
  parseDecimal,
  parsePax,
  parseTime,
  readNumber,
  readText,
  SECOND,
  type TarEntry,
  TarError,
  TYPE_OFFSET,
  untilNul,
} from "./tar-header.ts";
import { isExtended, MAX_EXTENSIONS, oldGnuSparse, paxSparse, SparseContent, type SparseFile } from "./tar-sparse.ts";

/** Called in the order of the archive. */
export interface TarHandler {
  entry(entry: TarEntry): void;
  /** A piece of the last entry's content; the memory is the caller's. */
  data(chunk: Uint8Array): void;
  /** So many zeros, which a sparse file has no blocks for. Where this is missing, sparse files are refused. */
  hole?(bytes: number): void;
  /** The content of the last entry is complete. */
  end(): void;
}

const TYPES: Record<string, TarEntry["type"]> = {
  "\0": "file",
  "0": "file",
  "7": "file",
  S: "file",
  "1": "hardlink",
  "2": "symlink",
  "3": "character",
  "4": "block",
  "5": "directory",
  "6": "fifo",
};
/** Longer names, paths or attributes than this are an attack, not an archive. */
const MAX_META = 1 << 20;

const XATTR = "SCHILY.xattr.";

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
  #own: [string, Buffer][] = [];
  /** A header whose map of regions goes on in the next block, and what came of it. */
  #sparseHeaders: Buffer[] = [];
  #sparse: SparseContent | undefined;

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
        else if (this.#sparse) this.#sparse.write(piece);
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
    if (this.#content > 0 || this.#padding > 0 || this.#filled > 0 || this.#meta || this.#sparseHeaders.length > 0)
      throw new TarError("the tar archive is cut off");
  }

  #header(): void {
    const b = this.#block;
    if (this.#sparseHeaders.length > 0) {
      this.#sparseHeader(b);
      return;
    }
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
    if (type === "S") this.#sparseHeader(b);
    else this.#begin(b, paxSparse(this.#own));
  }

  #sparseHeader(block: Buffer): void {
    const headers = this.#sparseHeaders;
    headers.push(Buffer.from(block));
    if (headers.length > MAX_EXTENSIONS) throw new TarError(`the tar archive has a sparse file whose map has more than ${MAX_EXTENSIONS} blocks`);
    if (isExtended(block, headers.length === 1)) return;
    this.#sparseHeaders = [];
    this.#begin(headers[0] as Buffer, oldGnuSparse(headers));
  }

  #begin(header: Buffer, sparse: SparseFile | undefined): void {
    const entry = this.#entry(header);
    const stored = entry.size;
    // Only files have content; what GNU's dumps write behind folders is skipped with them.
    if (sparse && entry.type === "file") {
      if (!this.#handler.hole) throw new TarError(`${JSON.stringify(entry.path)} is a sparse file, expected one without holes`);
      this.#sparse = new SparseContent(
        sparse,
        (chunk) => this.#handler.data(chunk),
        (bytes) => this.#handler.hole?.(bytes),
      );
      this.#handler.entry({ ...entry, path: sparse.name ?? entry.path, size: sparse.size });
    } else {
      this.#handler.entry(entry);
    }
    this.#expect(stored);
  }

  #expect(size: number): void {
    this.#content = size;
    this.#padding = (BLOCK - (size % BLOCK)) % BLOCK;
    if (size === 0) this.#contentEnds();
  }

  #contentEnds(): void {
    const meta = this.#meta;
    if (!meta) {
      this.#sparse?.end();
      this.#sparse = undefined;
      this.#handler.end();
      return;
    }
    this.#meta = undefined;
    const body = Buffer.concat(meta.parts);
    if (meta.type === "L") this.#longName = untilNul(body);
    else if (meta.type === "K") this.#longLink = untilNul(body);
    else if (meta.type === "x") this.#own.push(...parsePax(body));
    else for (const [key, value] of parsePax(body)) this.#global.set(key, value);
  }

  #entry(b: Buffer): TarEntry {
    const flag = String.fromCharCode(b[TYPE_OFFSET] as number);
    const pax = new Map([...this.#global, ...this.#own]);
    const text = (key: string) => {
      const value = pax.get(key);
      return value && decodeName(value);
    };
    const number = (key: string, field: readonly [number, number]) => {
      const value = text(key);
      return value === undefined ? readNumber(b, field) : parseDecimal(key, value);
    };
    const isUstar = readText(b, FIELD.magic) === "ustar"; // GNU's own magic has a space behind it, and no prefix field
    const prefix = isUstar ? readText(b, FIELD.prefix) : "";
    const name = readText(b, FIELD.name);
    const path = text("path") ?? this.#longName ?? (prefix ? `${prefix}/${name}` : name);
    const type = flag === "\0" && path.endsWith("/") ? "directory" : TYPES[flag];
    if (!type) {
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
    this.#own = [];
    return entry;
  }
}
