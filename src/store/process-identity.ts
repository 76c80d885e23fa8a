/** Which process a record means: its number alone is given to others after it. */
import { onAdopted } from "../../ffi/adopted.ts";
import { readFileSync } from "../../ffi/files.ts";
import { processStartTime } from "../../ffi/process.ts";

export interface ProcessIdentity {
  pid: number;
  /** Clock ticks after boot. */
  startTime: number;
  bootId: string;
}

let boot: string | undefined;

/** Random name of this boot of the kernel (random(4)). */
export function bootId(): string {
  boot ??= readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
  return boot;
}

let own: ProcessIdentity | undefined;
onAdopted(() => {
  own = undefined;
});

export function currentProcess(): ProcessIdentity {
  own ??= { pid: process.pid, startTime: processStartTime(process.pid) ?? 0, bootId: bootId() };
  return own;
}

export function isAlive(identity: ProcessIdentity): boolean {
  return identity.bootId === bootId() && processStartTime(identity.pid) === identity.startTime;
}
