/** What only the first process of a machine does: modules of the kernel, children of nobody, the end. */

import type { OwnedFd } from "./fd.ts";
import { statIfThere } from "./files.ts";
import { call, hasCode, tryCall } from "./libc.ts";

/** Inode of the first PID namespace (linux/proc_ns.h, PROC_PID_INIT_INO). */
const INITIAL_PID_NAMESPACE = 0xeffffffcn;

/** Whether this is the machine's first process, not a container's. */
export function isFirstProcess(): boolean {
  if (process.pid !== 1) return false;
  return statIfThere("/proc/self/ns/pid")?.ino === INITIAL_PID_NAMESPACE;
}

const MODULE_INIT_COMPRESSED_FILE = 4;

/**
 * finit_module(2).
 *
 * @param isCompressed whether the kernel is to unpack it (Linux 5.17)
 * @throws {SyscallError} but for one that is there already
 */
export function loadModule(file: OwnedFd, isCompressed: boolean): void {
  try {
    call("finit_module", file.fd, "", isCompressed ? MODULE_INIT_COMPRESSED_FILE : 0);
  } catch (error) {
    if (!hasCode(error, "EEXIST")) throw error;
  }
}

const P_ALL = 0;
const P_PID = 1;
const WNOHANG = 1;
const WEXITED = 4;
const WNOWAIT = 0x1000000;

/** Takes away what ended and is nobody's child but ours by inheritance (waitid(2)). Children of our own are left to who waits for them. */
export function reapOrphans(own: ReadonlySet<number>): void {
  const info = Buffer.alloc(128); // siginfo_t: si_pid at 12
  for (let i = 0; i < 10_000; i++) {
    info.fill(0);
    if (tryCall("waitid", P_ALL, 0, info, WEXITED | WNOHANG | WNOWAIT, null) < 0) return;
    const pid = info.readInt32LE(12);
    if (pid === 0 || own.has(pid)) return;
    tryCall("waitid", P_PID, pid, info, WEXITED | WNOHANG, null);
  }
}

// linux/reboot.h
const MAGIC = [0xfee1dead, 0x28121969] as const;
const COMMANDS = { poweroff: 0x4321fedc, reboot: 0x01234567 } as const;

/** Writes out what is in memory and ends the machine (reboot(2)). */
export function endMachine(how: keyof typeof COMMANDS): never {
  call("sync");
  call("reboot", MAGIC[0], MAGIC[1], COMMANDS[how], null);
  throw new Error("unreachable");
}
