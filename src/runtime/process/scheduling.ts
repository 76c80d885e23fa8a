/** Scheduler, I/O priority and personality of a process (sched_setattr(2), ioprio_set(2), personality(2)). */
import { call, reasonOf } from "../../../ffi/libc.ts";
import { RuntimeFailure } from "../errors.ts";
import type { Linux, Process, Scheduler } from "../spec.ts";

/** linux/sched.h */
const POLICIES = ["SCHED_OTHER", "SCHED_FIFO", "SCHED_RR", "SCHED_BATCH", "SCHED_ISO", "SCHED_IDLE", "SCHED_DEADLINE"];
const FLAGS: Record<string, number> = {
  SCHED_FLAG_RESET_ON_FORK: 0x01,
  SCHED_FLAG_RECLAIM: 0x02,
  SCHED_FLAG_DL_OVERRUN: 0x04,
  SCHED_FLAG_KEEP_POLICY: 0x08,
  SCHED_FLAG_KEEP_PARAMS: 0x10,
  SCHED_FLAG_UTIL_CLAMP_MIN: 0x20,
  SCHED_FLAG_UTIL_CLAMP_MAX: 0x40,
};
/** linux/ioprio.h */
const IO_CLASSES = ["IOPRIO_CLASS_NONE", "IOPRIO_CLASS_RT", "IOPRIO_CLASS_BE", "IOPRIO_CLASS_IDLE"];
const IOPRIO_WHO_PROCESS = 1;
const IOPRIO_CLASS_SHIFT = 13;
/** linux/personality.h */
const PERSONALITIES: Record<string, number> = { LINUX: 0, LINUX32: 8 };

function requireKnown<T>(value: T | undefined, what: string, text: string): T {
  if (value === undefined) throw new RuntimeFailure(`unknown ${what} ${text}`);
  return value;
}

function attempt(what: string, action: () => void): void {
  try {
    action();
  } catch (error) {
    throw new RuntimeFailure(`cannot set ${what}: ${reasonOf(error)}`, "setup", { cause: error });
  }
}

/** Sets the scheduling policy of this thread. */
export function setScheduler(scheduler: Scheduler): void {
  const policy = POLICIES.indexOf(scheduler.policy);
  if (policy < 0) throw new RuntimeFailure(`unknown scheduler policy ${scheduler.policy}`);
  const flags = (scheduler.flags ?? []).reduce((bits, flag) => bits | requireKnown(FLAGS[flag], "scheduler flag", flag), 0);
  const b = Buffer.alloc(56); // struct sched_attr, SCHED_ATTR_SIZE_VER1
  b.writeUInt32LE(b.length, 0);
  b.writeUInt32LE(policy, 4);
  b.writeBigUInt64LE(BigInt(flags), 8);
  b.writeInt32LE(scheduler.nice ?? 0, 16);
  b.writeUInt32LE(scheduler.priority ?? 0, 20);
  b.writeBigUInt64LE(BigInt(scheduler.runtime ?? 0), 24);
  b.writeBigUInt64LE(BigInt(scheduler.deadline ?? 0), 32);
  b.writeBigUInt64LE(BigInt(scheduler.period ?? 0), 40);
  attempt(`scheduler ${scheduler.policy}`, () => call("sched_setattr", 0, b, 0));
}

/** Sets the I/O priority of this thread. */
export function setIoPriority({ class: name, priority }: NonNullable<Process["ioPriority"]>): void {
  const ioClass = IO_CLASSES.indexOf(name);
  if (ioClass < 0) throw new RuntimeFailure(`unknown ioPriority class ${name}`);
  attempt("ioPriority", () => call("ioprio_set", IOPRIO_WHO_PROCESS, 0, (ioClass << IOPRIO_CLASS_SHIFT) | priority));
}

export function setPersonality({ domain, flags }: NonNullable<Linux["personality"]>): void {
  if (flags && flags.length > 0) throw new RuntimeFailure(`personality flags ${flags.join(", ")} are not supported`);
  const value = requireKnown(PERSONALITIES[domain], "personality", domain);
  attempt(`personality ${domain}`, () => call("personality", value));
}
