/** Resource limits (getrlimit(2)) a process starts with. */
import { hasCode, reasonOf } from "../../../ffi/libc.ts";
import { getResourceLimit, RLIMITS, setResourceLimit, UNLIMITED } from "../../../ffi/process.ts";
import { RuntimeFailure } from "../errors.ts";
import type { Rlimit } from "../spec.ts";

// Bun raises its own soft limit to the hard one; programs that close "all"
// descriptors or use select(2) expect the kernel's default (INR_OPEN_CUR).
const DEFAULT_SOFT_NOFILE = 1024n;

/** Sets the limits asked for and puts back the soft one that Bun changed. */
export function applyRlimits(rlimits: Rlimit[]): void {
  if (!rlimits.some((r) => r.type === "RLIMIT_NOFILE")) {
    const { hard } = getResourceLimit(0, RLIMITS.RLIMIT_NOFILE);
    setResourceLimit(0, RLIMITS.RLIMIT_NOFILE, { soft: hard < DEFAULT_SOFT_NOFILE ? hard : DEFAULT_SOFT_NOFILE, hard });
  }
  for (const { type, soft, hard } of rlimits) {
    const resource = RLIMITS[type as keyof typeof RLIMITS];
    if (resource === undefined) throw new RuntimeFailure(`unknown resource limit ${type}`);
    try {
      setResourceLimit(0, resource, { soft: toLimit(soft), hard: toLimit(hard) });
    } catch (error) {
      const own = getResourceLimit(0, resource).hard;
      const why = hasCode(error, "EPERM")
        ? `this process may not raise the hard limit above ${own === UNLIMITED ? "unlimited" : own}`
        : reasonOf(error);
      throw new RuntimeFailure(`cannot set ${type} to ${soft}:${hard}: ${why}`, "setup", { cause: error });
    }
  }
}

const toLimit = (value: number) => (value < 0 ? UNLIMITED : BigInt(value));
