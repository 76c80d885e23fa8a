/** Users, groups and capabilities of the calling thread (credentials(7), capabilities(7)). */
import { onAdopted } from "./adopted.ts";
import { AT_FDCWD, statat } from "./fd.ts";
import { readFileSync } from "./files.ts";
import { type Call, call, errnoName, SyscallError, tryCalls } from "./libc.ts";
import {
  PR_CAP_AMBIENT,
  PR_CAP_AMBIENT_CLEAR_ALL,
  PR_CAP_AMBIENT_RAISE,
  PR_CAPBSET_DROP,
  PR_CAPBSET_READ,
  PR_SET_KEEPCAPS,
  tryPrctl,
} from "./process.ts";

/** Names in the order of their numbers (linux/capability.h). */
// biome-ignore format: a table
export const CAPABILITIES = [
  "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID", "CAP_SETUID", "CAP_SETPCAP",
  "CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST", "CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_IPC_LOCK", "CAP_IPC_OWNER",
  "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT", "CAP_SYS_PTRACE", "CAP_SYS_PACCT", "CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE",
  "CAP_SYS_RESOURCE", "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD", "CAP_LEASE", "CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL", "CAP_SETFCAP",
  "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG", "CAP_WAKE_ALARM", "CAP_BLOCK_SUSPEND", "CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF",
  "CAP_CHECKPOINT_RESTORE",
] as const;

export interface CapabilitySets {
  effective: bigint;
  permitted: bigint;
  inheritable: bigint;
}

const EINVAL = 22;
const LINUX_CAPABILITY_VERSION_3 = 0x20080522;

/** capget(2) of this thread; one bit a capability. */
export function getCapabilities(): CapabilitySets {
  const data = new Uint32Array(6);
  call("capget", new Uint32Array([LINUX_CAPABILITY_VERSION_3, 0]), data);
  const join = (i: number) => BigInt(data[i] as number) | (BigInt(data[i + 3] as number) << 32n);
  return { effective: join(0), permitted: join(1), inheritable: join(2) };
}

/** capset(2) of this thread. */
export function setCapabilities(sets: CapabilitySets): void {
  const low = (v: bigint) => Number(v & 0xffffffffn);
  const high = (v: bigint) => Number(v >> 32n);
  const { effective: e, permitted: p, inheritable: i } = sets;
  call("capset", new Uint32Array([LINUX_CAPABILITY_VERSION_3, 0]), new Uint32Array([low(e), low(p), low(i), high(e), high(p), high(i)]));
}

/** Drops from the bounding set what `keep` lacks, also what this kernel has and we have no name for. */
export function limitBoundingSet(keep: bigint): void {
  const known = CAPABILITIES.length;
  if (dropFromBoundingSet(keep, 0, known) && tryPrctl(PR_CAPBSET_READ, known) >= 0) dropFromBoundingSet(keep, known, 64);
}

// Gives false where the kernel has no more of them.
function dropFromBoundingSet(keep: bigint, from: number, to: number): boolean {
  const dropped: number[] = [];
  for (let n = from; n < to; n++) if ((keep & (1n << BigInt(n))) === 0n) dropped.push(n);
  const results = tryCalls(dropped.map((n): Call => ["prctl", PR_CAPBSET_DROP, n, 0, 0, 0]));
  for (const [i, result] of results.entries()) {
    if (result === -EINVAL) return false; // no such capability, nor any above
    // Who may drop none has none left to drop, or must not go on.
    const n = dropped[i] as number;
    if (result < 0 && tryPrctl(PR_CAPBSET_READ, n) === 1) throw new SyscallError("prctl", errnoName(-result), ["PR_CAPBSET_DROP", String(n)]);
  }
  return true;
}

/** Makes the ambient set exactly `set`; a kernel before 4.3 has none. */
export function setAmbientSet(set: bigint): void {
  tryPrctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL);
  for (let n = 0; n < 64; n++) {
    if (set & (1n << BigInt(n))) call("prctl", PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, n, 0, 0);
  }
}

/** Real, effective and saved ids of this thread. */
export function setUser(uid: number): void {
  call("setresuid", uid, uid, uid);
}

export function setGroup(gid: number): void {
  call("setresgid", gid, gid, gid);
}

/** Supplementary groups. EPERM is the kernel's answer in a user namespace that denies them. */
export function setGroups(gids: number[]): void {
  call("setgroups", gids.length, new Uint32Array(gids));
}

/** Keeps capabilities over the change to another user; execve(2) forgets it. */
export function keepCapabilities(): void {
  tryPrctl(PR_SET_KEEPCAPS, 1);
}

/**
 * Calls back with other ids for files (setfsuid(2)) and all capabilities of before; of this
 * thread only, and only while it lasts.
 */
export function asFileOwner<T>(uid: number, gid: number, action: () => T): T {
  const before = getCapabilities();
  call("setfsgid", gid);
  call("setfsuid", uid);
  // Leaving 0 took those that override permissions.
  setCapabilities({ ...before, effective: before.permitted });
  try {
    return action();
  } finally {
    call("setfsuid", 0);
    call("setfsgid", 0);
    setCapabilities(before);
  }
}

/** One line of uid_map (user_namespaces(7)): ids in the namespace, where they begin above, how many. */
export interface IdExtent {
  first: number;
  above: number;
  size: number;
}

let ownMaps: { uids: IdExtent[]; gids: IdExtent[] } | undefined;

/** Which ids there are in this process's user namespace; read once. */
export function ownIdMaps(): { uids: IdExtent[]; gids: IdExtent[] } {
  const read = (file: string) =>
    readFileSync(`/proc/self/${file}`, "latin1")
      .trim()
      .split("\n")
      .map((line) => {
        const [first = 0, above = 0, size = 0] = line.trim().split(/\s+/).map(Number);
        return { first, above, size };
      });
  ownMaps ??= { uids: read("uid_map"), gids: read("gid_map") };
  return ownMaps;
}

let isInside: boolean | undefined;
onAdopted(() => {
  ownMaps = undefined;
  isInside = undefined;
});

/** Whether this process is in another user namespace than the host's: root here is not root there. */
export function inUserNamespace(): boolean {
  if (isInside === undefined) {
    const PROC_USER_INIT_INO = 0xeffffffdn; // linux/proc_ns.h
    try {
      isInside = statat(AT_FDCWD, "/proc/self/ns/user", true).ino !== PROC_USER_INIT_INO;
    } catch {
      isInside = false; // a kernel without them
    }
  }
  return isInside;
}

/** Whether setgroups(2) is refused in this user namespace, as where a user made it without help. */
export function deniesGroups(): boolean {
  return inUserNamespace() && readFileSync("/proc/self/setgroups", "latin1").trim() === "deny";
}
