/** One container's cgroup, whichever version the host has. */
import type { Resources } from "../spec.ts";

/** What the kernel counted; bytes and nanoseconds. */
export interface Usage {
  /** Without what is cached of files and can be dropped. */
  memory: number;
  /** Infinity where there is none. */
  memoryLimit: number;
  cpu: number;
  pids: number;
  /** From and to block devices. */
  read: number;
  written: number;
}

export interface Cgroup {
  /** Where it is, for messages and inspect. */
  readonly paths: string[];
  /**
   * Makes the folders that `resources` and bookkeeping need.
   *
   * @param all in every hierarchy, for whoever watches containers through the files of cgroupfs
   * @throws {CgroupError}
   */
  create(resources: Resources, all?: boolean): void;
  /**
   * Moves a process in, whole, or gives files into which its main thread is to write
   * "0" itself. On v1 the latter takes a hundredth of the time: moving others waits for
   * all CPUs (cgroup_procs_write_start in kernel/cgroup/cgroup.c). Other threads stay
   * behind, so it is only for a process that goes on to execve(2).
   */
  join(pid: number): string[];
  /** Moves a process in, whole, whatever that takes. */
  joinWhole(pid: number): void;
  /** Writes the limits. Throws {@link CgroupError} naming the limit and why the kernel refused it. */
  apply(resources: Resources): void;
  freeze(on: boolean): void;
  isFrozen(): boolean;
  /** Sends SIGKILL to everything inside and waits, bounded, until it is empty. */
  kill(): void;
  /** Processes inside, by their numbers in this PID namespace. */
  pids(): number[];
  usage(): Usage;
  /** How often the kernel killed something inside for want of memory. */
  oomKills(): number;
  /** Removes the folders; no error where they are gone. */
  remove(): void;
}

/** A limit or folder the kernel refused. */
export class CgroupError extends Error {
  override name = "CgroupError";
}

/** Names of the limits asked for, for the message where they cannot be had. */
export function requestedLimits(resources: Resources): string[] {
  const { memory, cpu, pids } = resources;
  const names: [string, unknown][] = [
    ["memory", memory?.limit],
    ["memory-swap", memory?.swap],
    ["memory-reservation", memory?.reservation],
    ["cpu-shares", cpu?.shares],
    ["cpus", cpu?.quota],
    ["cpuset-cpus", cpu?.cpus],
    ["cpuset-mems", cpu?.mems],
    ["blkio", resources.blockIO],
    ["hugetlb", resources.hugepageLimits?.length ? true : undefined],
    ["network classes", resources.network],
    ["unified", resources.unified],
    ["pids-limit", pids?.limit && pids.limit > 0 ? pids.limit : undefined],
  ];
  return names.filter(([, value]) => value !== undefined).map(([name]) => name);
}
