/** Machine code of this folder's C, in this process. */
import { call } from "./libc.ts";
import { memoryAt } from "./native.ts";

const PROT_READ = 1;
const PROT_WRITE = 2;
const PROT_EXEC = 4;
const MAP_PRIVATE_ANONYMOUS = 0x22;

/** @returns the address of so much new memory, zeros */
export function allocate(bytes: number): number {
  return call("mmap", 0, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0);
}

/**
 * @param base64 what build.ts has compiled to run at any address
 * @returns where it is
 */
export function loadCode(base64: string): number {
  const code = Uint8Array.fromBase64(base64);
  const address = allocate(code.length);
  new Uint8Array(memoryAt(address, code.length)).set(code);
  call("mprotect", address, code.length, PROT_READ | PROT_EXEC);
  return address;
}
