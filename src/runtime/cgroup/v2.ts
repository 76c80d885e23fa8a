/** cgroup v2: one folder with all controllers (kernel: Documentation/admin-guide/cgroup-v2.rst). */

import { setDeviceProgram } from "../../../ffi/bpf.ts";
import { inUserNamespace } from "../../../ffi/credentials.ts";
import { AT_FDCWD, O_DIRECTORY, O_RDONLY, openat } from "../../../ffi/fd.ts";
import { existsSync, readFileSync } from "../../../ffi/files.ts";
import { hasCode, reasonOf } from "../../../ffi/libc.ts";
import { kill } from "../../../ffi/signal.ts";
import type { DeviceRule, Resources } from "../spec.ts";
import { type Cgroup, CgroupError, type Usage } from "./cgroup.ts";
import { emptyCgroup } from "./delegated.ts";
import { compileDeviceRules } from "./device-program.ts";
import { foldersIn, killUntilEmpty, makeFolder, readKeyed, readNumber, readPids, removeFolder, writeControl, writeLimit } from "./files.ts";
import type { CgroupMount } from "./hierarchy.ts";

const CONTROLLERS = ["cpu", "cpuset", "hugetlb", "io", "memory", "pids"];

/** cpu.shares (2 to 262144) as cpu.weight (1 to 10000), on the line runc draws between the two scales. */
export function sharesToWeight(shares: number): number {
  return shares === 0 ? 100 : Math.floor(1 + ((shares - 2) * 9999) / 262142);
}

/** A byte count as v2 writes it: -1 is `max`. */
const orMax = (value: number) => (value < 0 ? "max" : value);

export class CgroupV2 implements Cgroup {
  readonly #mount: CgroupMount;
  readonly #folder: string;

  constructor(mount: CgroupMount, path: string) {
    this.#mount = mount;
    this.#folder = mount.path + path;
  }

  get paths(): string[] {
    return existsSync(this.#folder) ? [this.#folder] : [];
  }

  create(): void {
    // A controller reaches a folder only if every folder above hands it down.
    let above = this.#mount.path;
    // In a container that is allowed to, what we see as the root is its own cgroup, and its processes are in it.
    if (existsSync(`${above}/cgroup.type`) && readPids(above).length > 0) emptyCgroup(above);
    for (const name of this.#folder.slice(this.#mount.path.length + 1).split("/")) {
      this.#delegate(above);
      above += `/${name}`;
      makeFolder(above);
    }
  }

  // One by one: a single controller that the host lacks would refuse them all.
  #delegate(folder: string): void {
    const file = `${folder}/cgroup.subtree_control`;
    const on = readFileSync(file, "utf8").trim().split(" ");
    for (const controller of CONTROLLERS) {
      if (on.includes(controller)) continue;
      try {
        writeControl(file, `+${controller}`);
      } catch {
        // Absent here; a limit that needs it says so when it finds no file.
      }
    }
  }

  join(pid: number): string[] {
    this.joinWhole(pid);
    return [];
  }

  joinWhole(pid: number): void {
    try {
      writeControl(`${this.#folder}/cgroup.procs`, String(pid));
    } catch (error) {
      // Cgroups were made inside: its processes are below it, and so must others be.
      const below = hasCode(error, "EBUSY") ? foldersIn(this.#folder).find((name) => readPids(`${this.#folder}/${name}`).length > 0) : undefined;
      if (below === undefined) throw new CgroupError(`cannot move process ${pid} into ${this.#folder}: ${reasonOf(error)}`);
      writeControl(`${this.#folder}/${below}/cgroup.procs`, String(pid));
    }
  }

  apply(resources: Resources): void {
    const { memory, cpu, pids } = resources;
    const folder = this.#folder;
    if (memory?.limit !== undefined) writeLimit(folder, "memory.max", orMax(memory.limit), "memory");
    // OCI's swap counts memory and swap together, v2's swap alone.
    if (memory?.swap !== undefined) {
      const swap = memory.swap < 0 ? "max" : memory.swap - Math.max(0, memory.limit ?? 0);
      if (existsSync(`${folder}/memory.swap.max`) || swap !== 0) {
        if (existsSync(`${folder}/memory.swap.max`)) writeLimit(folder, "memory.swap.max", swap, "memory-swap");
        else if (memory.swap !== (memory.limit ?? 0) * 2) throw new CgroupError("cannot limit memory-swap: this kernel does not account swap");
      }
    }
    if (memory?.reservation !== undefined) writeLimit(folder, "memory.low", orMax(memory.reservation), "memory-reservation");
    if (cpu?.shares !== undefined) writeLimit(folder, "cpu.weight", sharesToWeight(cpu.shares), "cpu-shares");
    if (cpu?.quota !== undefined || cpu?.period !== undefined) {
      writeLimit(folder, "cpu.max", `${orMax(cpu.quota ?? -1)} ${cpu.period ?? 100000}`, "cpus");
    }
    if (cpu?.cpus !== undefined) writeLimit(folder, "cpuset.cpus", cpu.cpus, "cpuset-cpus");
    if (cpu?.mems !== undefined) writeLimit(folder, "cpuset.mems", cpu.mems, "cpuset-mems");
    if (pids !== undefined && pids.limit !== 0) writeLimit(folder, "pids.max", orMax(pids.limit), "pids-limit");
    if (resources.devices) this.#fenceDevices(resources.devices);
    this.#applyRare(resources);
  }

  #fenceDevices(rules: DeviceRule[]): void {
    try {
      using folder = openat(AT_FDCWD, this.#folder, O_RDONLY | O_DIRECTORY);
      setDeviceProgram(folder.fd, compileDeviceRules(rules));
    } catch (error) {
      // Programs are root's; in a user namespace there is no device that was not bound there.
      if (hasCode(error, "EPERM") && inUserNamespace()) return;
      throw new CgroupError(`cannot limit devices: ${reasonOf(error)} (an eBPF program on ${this.#folder})`);
    }
  }

  // What few configurations have.
  #applyRare({ memory, cpu, blockIO, hugepageLimits, network, unified }: Resources): void {
    const folder = this.#folder;
    const unsupported = (what: string) => new CgroupError(`cannot limit ${what}: cgroup v2 has no such thing`);
    if (memory?.swappiness !== undefined) throw unsupported("memory swappiness");
    if (memory?.disableOOMKiller) throw unsupported("the OOM killer");
    if (cpu?.realtimeRuntime !== undefined || cpu?.realtimePeriod !== undefined) throw unsupported("real-time CPU");
    if (network?.classID !== undefined || network?.priorities?.length) throw unsupported("network classes");
    if (cpu?.burst !== undefined) writeLimit(folder, "cpu.max.burst", cpu.burst, "cpu burst");
    if (cpu?.idle !== undefined) writeLimit(folder, "cpu.idle", cpu.idle, "cpu idle");
    for (const { pageSize, limit } of hugepageLimits ?? []) writeLimit(folder, `hugetlb.${pageSize}.max`, limit, `hugetlb ${pageSize}`);
    if (blockIO) this.#limitBlockIO(blockIO);
    for (const [file, value] of Object.entries(unified ?? {})) {
      if (file.includes("/")) throw new CgroupError(`unified resource ${JSON.stringify(file)} is no file of a cgroup`);
      for (const line of value.split("\n")) writeLimit(folder, file, line, file);
    }
  }

  #limitBlockIO(blockIO: NonNullable<Resources["blockIO"]>): void {
    const folder = this.#folder;
    const set = (device: string, weight: number) => {
      // bfq's scale is the one of v1, io.weight's goes from 1 to 10000 (as runc converts it).
      if (existsSync(`${folder}/io.bfq.weight`)) writeLimit(folder, "io.bfq.weight", `${device} ${weight}`, "blkio weight");
      else writeLimit(folder, "io.weight", `${device} ${Math.floor(1 + ((weight - 10) * 9999) / 990)}`, "blkio weight");
    };
    if (blockIO.weight) set("default", blockIO.weight);
    for (const { major, minor, weight } of blockIO.weightDevice ?? []) if (weight) set(`${major}:${minor}`, weight);
    const throttles = [
      ["rbps", blockIO.throttleReadBpsDevice],
      ["wbps", blockIO.throttleWriteBpsDevice],
      ["riops", blockIO.throttleReadIOPSDevice],
      ["wiops", blockIO.throttleWriteIOPSDevice],
    ] as const;
    for (const [name, devices] of throttles) {
      for (const { major, minor, rate } of devices ?? []) writeLimit(folder, "io.max", `${major}:${minor} ${name}=${rate}`, `blkio ${name}`);
    }
  }

  freeze(on: boolean): void {
    writeLimit(this.#folder, "cgroup.freeze", on ? 1 : 0, "pause");
    for (let attempt = 0; attempt < 500; attempt++) {
      if (readKeyed(this.#folder, "cgroup.events", "frozen") === (on ? 1 : 0)) return;
      Bun.sleepSync(2);
    }
    throw new CgroupError(`${this.#folder} did not ${on ? "freeze" : "thaw"} within a second`);
  }

  isFrozen(): boolean {
    return readKeyed(this.#folder, "cgroup.events", "frozen") === 1;
  }

  kill(): void {
    killUntilEmpty(
      () => this.pids(),
      (alive) => {
        try {
          writeControl(`${this.#folder}/cgroup.kill`, "1"); // Linux 5.14
        } catch {
          for (const pid of alive) {
            try {
              kill(pid, 9);
            } catch (error) {
              if (!hasCode(error, "ESRCH")) throw error;
            }
          }
        }
      },
    );
  }

  pids(): number[] {
    return readPids(this.#folder);
  }

  usage(): Usage {
    const max = readNumber(this.#folder, "memory.max"); // a number, or "max"
    const io = existsSync(`${this.#folder}/io.stat`) ? readFileSync(`${this.#folder}/io.stat`, "utf8") : "";
    const sum = (word: string) => [...io.matchAll(new RegExp(`${word}=(\\d+)`, "g"))].reduce((total, [, bytes]) => total + Number(bytes), 0);
    return {
      read: sum("rbytes"),
      written: sum("wbytes"),
      memoryLimit: max || Number.POSITIVE_INFINITY,
      memory: Math.max(0, readNumber(this.#folder, "memory.current") - readKeyed(this.#folder, "memory.stat", "inactive_file")),
      cpu: readKeyed(this.#folder, "cpu.stat", "usage_usec") * 1000,
      pids: readNumber(this.#folder, "pids.current"),
    };
  }

  oomKills(): number {
    return readKeyed(this.#folder, "memory.events", "oom_kill");
  }

  remove(): void {
    removeFolder(this.#folder);
  }
}
