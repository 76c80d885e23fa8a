/** Whole lines as records of docker's json-file driver, by ffi/json-lines.c. */
import type { Pointer } from "bun:ffi";
import { loadCode } from "./code.ts";
import { addressOf } from "./libc.ts";
import { I64, linkSymbols, VOID } from "./native.ts";
import { once } from "./once.ts";

const load = once(() => linkSymbols({ encode: { ptr: loadCode(BERTH_JSON_LINES) as Pointer, args: [I64], returns: VOID } }).symbols);

/** Of struct job in ffi/json-lines.c: 64-bit words. */
const TAKEN = 9;
const WRITTEN = 10;
/** What it may write behind the last record. */
const ROUNDING = 64;

/** Whether this is the executable, and not its sources. */
export const hasJsonLines = (): boolean => typeof BERTH_JSON_LINES === "string";

/** Makes records in memory of its own that it uses again. */
export class JsonLines {
  readonly #longest: number;
  #memory = Buffer.alloc(0);
  #used = 0;

  /** @param longest bytes of a line that goes into one record */
  constructor(longest: number) {
    this.#longest = longest;
  }

  /** What was made since it was last taken; the memory is used again from then on. */
  take(): Buffer {
    const made = this.#memory.subarray(0, this.#used);
    this.#used = 0;
    return made;
  }

  /** Adds records that were made elsewhere. */
  add(records: Buffer): void {
    this.#reserve(records.length);
    this.#used += records.copy(this.#memory, this.#used);
  }

  /**
   * Adds records of the lines of a piece of output, up to one that is too long or not UTF-8, or that has no end.
   *
   * @param prefix what stands before a line
   * @param suffix what stands behind it, instead of its newline
   * @returns how many bytes it took
   */
  encode(bytes: Buffer, prefix: string, suffix: string): number {
    const code = load();
    const before = padded(prefix);
    const behind = padded(suffix);
    const most = before.length + 6 * this.#longest + behind.length + ROUNDING;
    let taken = 0;
    for (;;) {
      const left = bytes.length - taken;
      this.#reserve(most + left);
      const room = this.#memory.length - this.#used;
      // In the order of struct job.
      const input = [addressOf(bytes) + BigInt(taken), BigInt(left)];
      const output = [addressOf(this.#memory) + BigInt(this.#used), BigInt(room)];
      const frame = [addressOf(before.memory), addressOf(behind.memory), BigInt(before.length), BigInt(behind.length)];
      const job = BigInt64Array.from([...input, ...output, ...frame, BigInt(this.#longest), 0n, 0n]);
      code.encode(addressOf(job));
      taken += Number(job[TAKEN]);
      this.#used += Number(job[WRITTEN]);
      // It stopped for want of room, or for good.
      if (taken === bytes.length || this.#memory.length - this.#used >= most) return taken;
    }
  }

  #reserve(bytes: number): void {
    const wanted = this.#used + bytes;
    if (wanted <= this.#memory.length) return;
    const larger = Buffer.allocUnsafe(2 * wanted);
    this.#memory.copy(larger, 0, 0, this.#used);
    this.#memory = larger;
  }
}

// In memory of a multiple of 16 bytes, as which it is copied.
function padded(text: string): { memory: Buffer; length: number } {
  const bytes = Buffer.from(text);
  return { memory: Buffer.concat([bytes], Math.ceil(bytes.length / 16) * 16), length: bytes.length };
}
