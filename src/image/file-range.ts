/** Pieces of open files. */
import { readSync } from "../../ffi/files.ts";
import type { Bytes } from "./unpack.ts";

/** A part of an open file, in bytes. */
export interface FileRange {
  fd: number;
  offset: number;
  size: number;
}

/** A file that ends before its part does. */
export class CutOffError extends Error {
  override name = "CutOffError";
}

const CHUNK = 1 << 20;

/** The bytes of a part. Throws {@link CutOffError}. */
export async function* readRange({ fd, offset, size }: FileRange): AsyncGenerator<Bytes> {
  for (let at = 0; at < size; ) {
    const buffer = Buffer.allocUnsafeSlow(Math.min(CHUNK, size - at)) as Bytes;
    const n = readSync(fd, buffer, 0, buffer.length, offset + at);
    if (n === 0) throw new CutOffError("the file is cut off");
    at += n;
    yield buffer.subarray(0, n);
  }
}
