/** Random bytes of the kernel's; the first of Web Crypto's take a process a millisecond. */
import { call } from "./libc.ts";

/** At most 256 bytes, which getrandom(2) always gives in one piece. */
export function randomBytes(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  call("getrandom", bytes, length, 0);
  return bytes;
}
