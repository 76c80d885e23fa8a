/** Random bytes of the kernel's; the first of Web Crypto's take a process a millisecond. */
import { call } from "./libc.ts";

/** At most 256 bytes, which getrandom(2) always gives in one piece. */
export function randomBytes(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  call("getrandom", bytes, length, 0);
  return bytes;
}

/** A whole number from 0 on, below a limit of 2^48 at most. Those of Math.random are the same in all processes that go on from one snapshot. */
export const randomBelow = (limit: number): number => Math.floor((randomBytes(6).readUIntLE(0, 6) / 2 ** 48) * limit);
