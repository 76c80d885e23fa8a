/** Output put together to lines. */
import type { StreamName } from "../../runtime/stdio.ts";
import { MAX_LINE, wholeCharacters } from "./records.ts";

const NEWLINE = 10;

/** Hands on whole lines at once; what follows the last newline waits for the rest of its line. */
export class Lines {
  readonly #partial: Record<StreamName, Buffer>;
  readonly #write: (stream: StreamName, bytes: Buffer) => void;

  /**
   * @param write gets memory that is the reader's: to keep it, copy it
   * @param begun lines that wait for their rest already
   */
  constructor(write: (stream: StreamName, bytes: Buffer) => void, begun = { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) }) {
    this.#write = write;
    this.#partial = { ...begun };
  }

  add(stream: StreamName, chunk: Buffer): void {
    const last = chunk.lastIndexOf(NEWLINE);
    const partial = this.#partial[stream];
    if (last < 0) {
      this.#keep(stream, Buffer.concat([partial, chunk]));
      return;
    }
    // The line that was begun goes by itself: nothing is copied for its sake.
    const first = partial.length > 0 ? chunk.indexOf(NEWLINE) + 1 : 0;
    if (first > 0) this.#write(stream, Buffer.concat([partial, chunk.subarray(0, first)]));
    if (last >= first) this.#write(stream, chunk.subarray(first, last + 1));
    this.#keep(stream, Buffer.from(chunk.subarray(last + 1)));
  }

  #keep(stream: StreamName, rest: Buffer): void {
    let pending = rest;
    while (pending.length >= MAX_LINE) {
      const cut = wholeCharacters(pending, MAX_LINE);
      this.#write(stream, pending.subarray(0, cut));
      pending = pending.subarray(cut);
    }
    this.#partial[stream] = pending;
  }

  /** What waits for the rest of its line. */
  get begun(): Readonly<Record<StreamName, Buffer>> {
    return this.#partial;
  }

  /** Hands on what is left of lines that never ended. */
  end(): void {
    for (const stream of ["stdout", "stderr"] as const) {
      const rest = this.#partial[stream];
      this.#partial[stream] = Buffer.alloc(0);
      if (rest.length > 0) this.#write(stream, rest);
    }
  }
}
