/**
 * Files with holes in tar: GNU's old header, and pax in its versions 0.0, 0.1 and 1.0
 * (GNU tar manual, "Storing Sparse Files"). What is stored are the filled regions, one
 * after the other.
 */
import { BLOCK, parseDecimal, readNumber, TarError } from "./tar-header.ts";

/** A filled part of a file, in bytes. */
interface Region {
  offset: number;
  length: number;
}

export interface SparseFile {
  /** Where the name in the header is not the file's own. */
  name: string | undefined;
  /** Bytes of the file with its holes. */
  size: number;
  /** Undefined where they stand at the start of the content (version 1.0). */
  regions: Region[] | undefined;
}

/** Offsets in the old header and its extensions (tar.h: oldgnu_header, sparse_header). */
const OLD = { regions: 386, extended: 482, realSize: 483 } as const;
const EXTENSION = { regions: 0, extended: 504 } as const;
const FIELD_LENGTH = 12;
/** Blocks of the map that may follow a header; more are an attack. */
export const MAX_EXTENSIONS = 4096;
const MAX_MAP = 1 << 20;

/** Whether another block of the map follows this one. */
export function isExtended(block: Buffer, isFirst: boolean): boolean {
  return block[isFirst ? OLD.extended : EXTENSION.extended] !== 0;
}

/** The map of a header of type `S` and the blocks behind it. Throws {@link TarError}. */
export function oldGnuSparse(blocks: Buffer[]): SparseFile {
  const regions: Region[] = [];
  blocks.forEach((block, i) => {
    const [start, count] = i === 0 ? [OLD.regions, 4] : [EXTENSION.regions, 21];
    for (let at = start; at < start + count * 2 * FIELD_LENGTH; at += 2 * FIELD_LENGTH) {
      if (block[at + FIELD_LENGTH] === 0) return; // an empty entry ends the map
      regions.push({ offset: readNumber(block, [at, FIELD_LENGTH]), length: readNumber(block, [at + FIELD_LENGTH, FIELD_LENGTH]) });
    }
  });
  return checked({ name: undefined, size: readNumber(blocks[0] as Buffer, [OLD.realSize, FIELD_LENGTH]), regions });
}

/** The map that pax records tell of, if they do. Throws {@link TarError}. */
export function paxSparse(records: [string, Buffer][]): SparseFile | undefined {
  const own = records.filter(([key]) => key.startsWith("GNU.sparse."));
  if (own.length === 0) return undefined;
  const text = (key: string) => own.findLast(([k]) => k === `GNU.sparse.${key}`)?.[1].toString();
  const number = (key: string, value: string | undefined) => parseDecimal(`GNU.sparse.${key}`, value ?? "");
  const name = text("name");
  if (text("major") === "1" && text("minor") === "0") return { name, size: number("realsize", text("realsize")), regions: undefined };
  if (text("major") !== undefined)
    throw new TarError(`the tar archive has a sparse file of version ${text("major")}.${text("minor")}: expected 0.0, 0.1 or 1.0`);
  const numbers = text("map")
    ?.split(",")
    .map((n) => number("map", n));
  // Version 0.0 repeats two keys instead.
  const pairs = numbers ?? own.filter(([key]) => /\.(offset|numbytes)$/.test(key)).map(([key, value]) => number(key, value.toString()));
  return checked({ name, size: number("size", text("size")), regions: regionsOf(pairs) });
}

function regionsOf(numbers: number[]): Region[] {
  if (numbers.length % 2 !== 0) throw new TarError("the tar archive is damaged: the map of a sparse file has an odd number of numbers");
  return Array.from({ length: numbers.length / 2 }, (_, i) => ({ offset: numbers[2 * i] as number, length: numbers[2 * i + 1] as number }));
}

function checked(file: SparseFile): SparseFile {
  let end = 0;
  for (const { offset, length } of file.regions ?? []) {
    if (offset < end || length < 0 || offset + length > file.size)
      throw new TarError("the tar archive is damaged: regions of a sparse file overlap or lie outside of it");
    end = offset + length;
  }
  return file;
}

/** Turns what is stored of a sparse file into content and holes. */
export class SparseContent {
  #file: SparseFile;
  readonly #data: (chunk: Uint8Array) => void;
  readonly #hole: (bytes: number) => void;
  /** What came of a map that stands in the content. */
  #map = Buffer.alloc(0);
  #region = 0;
  #position = 0;

  constructor(file: SparseFile, data: (chunk: Uint8Array) => void, hole: (bytes: number) => void) {
    this.#file = file;
    this.#data = data;
    this.#hole = hole;
  }

  write(piece: Uint8Array): void {
    let rest = piece;
    if (this.#file.regions === undefined) {
      const before = this.#map.length;
      this.#map = Buffer.concat([this.#map, piece]);
      const map = readMap(this.#map);
      if (!map) return;
      this.#file = checked({ ...this.#file, regions: map.regions });
      rest = piece.subarray(map.length - before);
    }
    while (rest.length > 0) {
      const region = this.#file.regions?.[this.#region];
      if (!region) throw new TarError("the tar archive is damaged: a sparse file has more content than its map tells");
      this.#skipTo(region.offset);
      const part = rest.subarray(0, region.offset + region.length - this.#position);
      if (part.length > 0) this.#data(part);
      this.#position += part.length;
      rest = rest.subarray(part.length);
      if (this.#position === region.offset + region.length) this.#region++;
    }
  }

  /** The stored content is complete. Throws {@link TarError} where the map tells of more. */
  end(): void {
    const { regions, size } = this.#file;
    if (regions === undefined || regions.slice(this.#region).some(({ length }) => length > 0))
      throw new TarError("the tar archive is damaged: a sparse file has less content than its map tells");
    this.#skipTo(size);
  }

  #skipTo(offset: number): void {
    if (offset <= this.#position) return;
    this.#hole(offset - this.#position);
    this.#position = offset;
  }
}

// Decimal numbers, one a line: how many regions, then offset and length of each; whole blocks.
function readMap(bytes: Buffer): { regions: Region[]; length: number } | undefined {
  const numbers: number[] = [];
  let wanted = 1;
  let at = 0;
  while (numbers.length < wanted) {
    const newline = bytes.indexOf(10, at);
    if (newline < 0) {
      if (bytes.length > MAX_MAP) throw new TarError(`the tar archive has a sparse file with a map of more than ${MAX_MAP} bytes`);
      return undefined;
    }
    numbers.push(parseDecimal("sparse map", bytes.toString("latin1", at, newline)));
    if (numbers.length === 1) wanted = 1 + 2 * (numbers[0] as number);
    at = newline + 1;
  }
  const length = Math.ceil(at / BLOCK) * BLOCK;
  return bytes.length < length ? undefined : { regions: regionsOf(numbers.slice(1)), length };
}
