/** What a process may do: its capabilities, user and groups, set last before execve. */
import * as c from "../../../ffi/credentials.ts";
import { hasCode, reasonOf } from "../../../ffi/libc.ts";
import { PR_SET_NO_NEW_PRIVS, prctl } from "../../../ffi/process.ts";
import { RuntimeFailure } from "../errors.ts";
import type { CapabilityNames, Process } from "../spec.ts";

const numberOf = (name: string) => (c.CAPABILITIES as readonly string[]).indexOf(name);

/** The bits of capability names; what this program does not know is left out, see {@link unknownCapabilities}. */
export function capabilityBits(names: readonly string[]): bigint {
  return names.map(numberOf).reduce((bits, n) => (n < 0 ? bits : bits | (1n << BigInt(n))), 0n);
}

/** Names that cannot be granted; the specification wants a warning, no failure (config.md, "capabilities"). */
export function unknownCapabilities(names: CapabilityNames): string[] {
  return [...new Set(Object.values(names).flat())].filter((name) => numberOf(name) < 0);
}

/**
 * Changes user and groups of this thread for good; the result its capabilities.
 *
 * @param installFilter called at the last moment at which the kernel still allows it
 */
export function dropPrivileges(process: Process, installFilter: (() => void) | undefined): () => void {
  const names: CapabilityNames = process.capabilities ?? {};
  const bounding = capabilityBits(names.bounding ?? []);
  const held = c.getCapabilities().permitted;
  const permitted = capabilityBits(names.permitted ?? []) & held;
  const inheritable = capabilityBits(names.inheritable ?? []) & held;
  const effective = capabilityBits(names.effective ?? []) & permitted;
  const { user } = process;
  const attempt = (action: () => void) => {
    try {
      action();
    } catch (error) {
      const hint = hasCode(error, "EINVAL") && c.inUserNamespace() ? "; the user namespace has no such ids" : "";
      throw new RuntimeFailure(`cannot become user ${user.uid}:${user.gid}: ${reasonOf(error)}${hint}`, "setup", { cause: error });
    }
  };
  attempt(() => {
    c.limitBoundingSet(bounding);
    c.keepCapabilities();
    if (!c.deniesGroups()) c.setGroups(user.additionalGids ?? []);
    c.setGroup(user.gid);
    c.setUser(user.uid);
  });
  const limit = () => {
    // Without no_new_privs a filter needs CAP_SYS_ADMIN, which the next line may take.
    if (!process.noNewPrivileges) {
      if (installFilter) c.setCapabilities({ effective: held, permitted: held, inheritable: 0n });
      installFilter?.();
    }
    c.setCapabilities({ effective, permitted, inheritable });
    c.setAmbientSet(capabilityBits(names.ambient ?? []) & permitted & inheritable);
    if (process.noNewPrivileges) {
      prctl(PR_SET_NO_NEW_PRIVS, 1);
      installFilter?.();
    }
  };
  return () => attempt(limit);
}
