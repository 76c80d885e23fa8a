import { randomBytes } from "../../ffi/random.ts";

/** An id as docker's are: 64 hexadecimal digits. */
export function randomId(): string {
  return randomBytes(32).toString("hex");
}
