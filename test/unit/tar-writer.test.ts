import { expect, test } from "bun:test";
import type { TarEntry } from "../../src/image/tar-header.ts";
import { TarReader } from "../../src/image/tar-reader.ts";
import { TarWriter } from "../../src/image/tar-writer.ts";

const MEGABYTE = 1 << 20;
const PLAIN = { type: "file" as const, mode: 0o644, uid: 0, gid: 0, mtime: 0n, linkPath: "", deviceMajor: 0, deviceMinor: 0, xattrs: new Map() };

function pattern(size: number): Buffer {
  const bytes = Buffer.alloc(size);
  for (let i = 0; i < size; i++) bytes[i] = (i * 31 + (i >> 9)) & 0xff;
  return bytes;
}

// What a writer makes, read again, each piece kept as whoever gets it has to.
function read(make: (writer: TarWriter) => void): { entries: TarEntry[]; contents: Buffer[]; pieces: number } {
  const pieces: Buffer[] = [];
  const writer = new TarWriter((bytes) => pieces.push(Buffer.from(bytes)));
  make(writer);
  writer.close();
  const entries: TarEntry[] = [];
  const contents: Buffer[] = [];
  const reader = new TarReader({
    entry: (entry) => {
      entries.push(entry);
      contents.push(Buffer.alloc(0));
    },
    data: (chunk) => contents.push(Buffer.concat([contents.pop() as Buffer, chunk])),
    end: () => {},
  });
  for (const piece of pieces) reader.write(piece);
  reader.close();
  expect(pieces.reduce((sum, { length }) => sum + length, 0) % 512).toBe(0);
  return { entries, contents, pieces: pieces.length };
}

test("contents of all sizes, handed over or read, come out as they were, many at once", () => {
  const sizes = [0, 1, 511, 512, 513, 4096, MEGABYTE / 4 - 512, MEGABYTE / 4 - 511, MEGABYTE / 4, 3 * MEGABYTE + 7, 5];
  const { entries, contents } = read((writer) => {
    for (const size of sizes) {
      writer.entry({ ...PLAIN, path: `given-${size}`, size });
      writer.data(pattern(size));
      writer.entry({ ...PLAIN, path: `read-${size}`, size, mtime: 1_700_000_000_123_456_789n });
      let at = 0;
      // As a file that is not read as much of as was asked for.
      writer.content(size, (memory) => {
        const n = Math.min(memory.length, 70_000);
        memory.set(pattern(size).subarray(at, at + n));
        at += n;
        return n;
      });
    }
  });
  expect(entries.map(({ path }) => path)).toEqual(sizes.flatMap((size) => [`given-${size}`, `read-${size}`]));
  for (const [i, content] of contents.entries()) expect(content.equals(pattern(sizes[i >> 1] as number))).toBe(true);
  const small = read((writer) => {
    for (let i = 0; i < 100; i++) writer.entry({ ...PLAIN, path: `${i}`, size: 0 });
  });
  expect(small.pieces).toBe(1);
});

test("a file that ends before its time has zeros to its size, not what was there before", () => {
  const size = MEGABYTE;
  const { contents } = read((writer) => {
    writer.entry({ ...PLAIN, path: "before", size });
    writer.data(Buffer.alloc(size, 1));
    writer.entry({ ...PLAIN, path: "filling", size: 200_000 });
    writer.data(Buffer.alloc(200_000, 2));
    writer.entry({ ...PLAIN, path: "short", size });
    let isRead = false;
    writer.content(size, (memory) => {
      if (isRead) return 0;
      isRead = true;
      memory.fill(3, 0, 10);
      return 10;
    });
  });
  expect(contents[2]?.equals(Buffer.concat([Buffer.alloc(10, 3), Buffer.alloc(size - 10)]))).toBe(true);
});
