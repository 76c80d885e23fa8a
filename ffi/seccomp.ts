/** Installing system call filters (seccomp(2)). */
import { addressOf, call } from "./libc.ts";

const SECCOMP_SET_MODE_FILTER = 1;

/** SECCOMP_FILTER_FLAG_* by their OCI names; TSYNC is not needed by a process that goes on to execve(2). */
export const SECCOMP_FLAGS: Record<string, number> = {
  SECCOMP_FILTER_FLAG_TSYNC: 0,
  SECCOMP_FILTER_FLAG_LOG: 2,
  SECCOMP_FILTER_FLAG_SPEC_ALLOW: 4,
};

/** struct sock_filter: code (2 bytes), jt, jf (1 each), k (4). */
export function encodeFilter(program: { code: number; jt: number; jf: number; k: number }[]): Buffer {
  const bytes = Buffer.alloc(program.length * 8);
  program.forEach(({ code, jt, jf, k }, i) => {
    bytes.writeUInt16LE(code, i * 8);
    bytes.writeUInt8(jt, i * 8 + 2);
    bytes.writeUInt8(jf, i * 8 + 3);
    bytes.writeUInt32LE(k >>> 0, i * 8 + 4);
  });
  return bytes;
}

/** Filters this thread from now on. Needs CAP_SYS_ADMIN or no_new_privs. */
export function installFilter(filter: Uint8Array, flags: number): void {
  const program = Buffer.alloc(16); // struct sock_fprog: length in instructions, pointer
  program.writeUInt16LE(filter.length / 8, 0);
  program.writeBigUInt64LE(addressOf(filter), 8);
  call("seccomp", SECCOMP_SET_MODE_FILTER, flags, program);
}
