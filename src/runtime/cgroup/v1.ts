/** cgroup v1: one folder per controller hierarchy (kernel: Documentation/admin-guide/cgroup-v1). */
import { existsSync, readFileSync } from "../../../ffi/files.ts";
import { hasCode } from "../../../ffi/libc.ts";
import { dirname } from "../../../ffi/path.ts";
import { kill } from "../../../ffi/signal.ts";
import type { DeviceRule, Resources } from "../spec.ts";
import { type Cgroup, CgroupError, type Usage } from "./cgroup.ts";
import { killUntilEmpty, makeFolder, readKeyed, readNumber, readPids, removeFolders, writeControl, writeLimit, writeLimits } from "./files.ts";
import type { Hierarchies } from "./hierarchy.ts";

/** Always made: to count, to freeze, to find what is inside, to fence devices. */
const BASE = ["memory", "pids", "cpuacct", "freezer", "devices"];
/** The others are made where a limit needs them; a folder here costs every container time. */
const CONTROLLERS = [...BASE, "cpu", "cpuset", "blkio", "hugetlb", "net_cls", "net_prio", "perf_event"];

/** Where limits begin that are none: the kernel says the largest multiple of a page. */
const UNLIMITED = 2 ** 62;

export class CgroupV1 implements Cgroup {
  readonly #hierarchies: Hierarchies;
  readonly #path: string;
  /** What this process made. */
  #made: string[] | undefined;

  constructor(hierarchies: Hierarchies, path: string) {
    this.#hierarchies = hierarchies;
    this.#path = path;
  }

  #folder(controller: string): string | undefined {
    const mount = this.#hierarchies.v1.get(controller);
    return mount && mount.path + this.#path;
  }

  /** Folders that exist now; one where controllers are mounted together. */
  get paths(): string[] {
    return this.#candidates.filter(existsSync);
  }

  // Where its folders are, if it has them.
  get #candidates(): string[] {
    const folders: string[] = [];
    for (const controller of CONTROLLERS) {
      const folder = this.#folder(controller);
      if (folder !== undefined && !folders.includes(folder)) folders.push(folder);
    }
    return folders;
  }

  #require(controller: string, limit: string): string {
    const folder = this.#folder(controller);
    if (!folder) throw new CgroupError(`cannot limit ${limit}: this host has no ${controller} cgroup controller`);
    return folder;
  }

  create(resources: Resources, all = false): void {
    const { cpu, memory } = resources;
    const wanted = all ? [...CONTROLLERS] : [...BASE];
    // Java looks for its limits only where these are there, too.
    if (memory?.limit !== undefined || cpu !== undefined) wanted.push("cpu", "cpuset");
    if (resources.blockIO) wanted.push("blkio");
    if (resources.hugepageLimits?.length) wanted.push("hugetlb");
    if (resources.network?.classID !== undefined) wanted.push("net_cls");
    if (resources.network?.priorities) wanted.push("net_prio");
    this.#made = [];
    for (const controller of wanted) {
      const folder = this.#folder(controller);
      if (!folder || this.#made.includes(folder)) continue;
      makeFolder(folder);
      this.#made.push(folder);
      if (controller === "cpuset") this.#inheritCpuset(folder);
    }
  }

  // A new cpuset has no cpus and no memory nodes, and nothing can join it then.
  #inheritCpuset(folder: string): void {
    const parent = dirname(folder);
    if (parent.length > (this.#hierarchies.v1.get("cpuset")?.path.length ?? 0)) this.#inheritCpuset(parent);
    for (const file of ["cpuset.cpus", "cpuset.mems"]) {
      const own = readFileSync(`${folder}/${file}`, "utf8").trim();
      if (own === "") writeControl(`${folder}/${file}`, readFileSync(`${parent}/${file}`, "utf8").trim());
    }
  }

  joinWhole(pid: number): void {
    for (const folder of this.paths) writeLimit(folder, "cgroup.procs", pid, "the cgroup's processes");
  }

  join(): string[] {
    return (this.#made ?? this.paths).map((folder) => `${folder}/tasks`);
  }

  apply(resources: Resources): void {
    const { memory, cpu, pids, devices } = resources;
    if (memory?.limit !== undefined || memory?.swap !== undefined) this.#limitMemory(memory.limit, memory.swap);
    if (memory?.reservation !== undefined) {
      writeLimit(this.#require("memory", "memory-reservation"), "memory.soft_limit_in_bytes", memory.reservation, "memory-reservation");
    }
    if (cpu?.shares !== undefined) writeLimit(this.#require("cpu", "cpu-shares"), "cpu.shares", cpu.shares, "cpu-shares");
    if (cpu?.period !== undefined) writeLimit(this.#require("cpu", "cpu-period"), "cpu.cfs_period_us", cpu.period, "cpu-period");
    if (cpu?.quota !== undefined) writeLimit(this.#require("cpu", "cpus"), "cpu.cfs_quota_us", cpu.quota, "cpu-quota");
    if (cpu?.cpus !== undefined) writeLimit(this.#require("cpuset", "cpuset-cpus"), "cpuset.cpus", cpu.cpus, "cpuset-cpus");
    if (cpu?.mems !== undefined) writeLimit(this.#require("cpuset", "cpuset-mems"), "cpuset.mems", cpu.mems, "cpuset-mems");
    if (pids !== undefined && pids.limit !== 0) {
      writeLimit(this.#require("pids", "pids-limit"), "pids.max", pids.limit > 0 ? pids.limit : "max", "pids-limit");
    }
    if (devices) this.#fenceDevices(devices);
    this.#applyRare(resources);
  }

  // What few configurations have.
  #applyRare({ memory, cpu, blockIO, hugepageLimits, network, unified }: Resources): void {
    const write = (controller: string, file: string, value: string | number | undefined, limit: string) => {
      if (value !== undefined) writeLimit(this.#require(controller, limit), file, value, limit);
    };
    write("memory", "memory.swappiness", memory?.swappiness, "memory swappiness");
    write("memory", "memory.oom_control", memory?.disableOOMKiller === true ? 1 : undefined, "OOM killer");
    write("cpu", "cpu.cfs_burst_us", cpu?.burst, "cpu burst");
    write("cpu", "cpu.rt_period_us", cpu?.realtimePeriod, "cpu real-time period");
    write("cpu", "cpu.rt_runtime_us", cpu?.realtimeRuntime, "cpu real-time runtime");
    write("cpu", "cpu.idle", cpu?.idle, "cpu idle");
    write("net_cls", "net_cls.classid", network?.classID, "network class");
    for (const { name, priority } of network?.priorities ?? []) write("net_prio", "net_prio.ifpriomap", `${name} ${priority}`, "network priority");
    for (const { pageSize, limit } of hugepageLimits ?? []) write("hugetlb", `hugetlb.${pageSize}.limit_in_bytes`, limit, `hugetlb ${pageSize}`);
    if (blockIO) this.#limitBlockIO(blockIO);
    if (unified && Object.keys(unified).length > 0) throw new CgroupError("cannot apply unified resources: this host's cgroups are v1");
  }

  // The weight's file is named after the scheduler that honours it.
  #limitBlockIO(blockIO: NonNullable<Resources["blockIO"]>): void {
    const folder = this.#require("blkio", "blkio");
    const weightFile = ["blkio.weight", "blkio.bfq.weight"].find((file) => existsSync(`${folder}/${file}`)) ?? "blkio.weight";
    if (blockIO.weight) writeLimit(folder, weightFile, blockIO.weight, "blkio weight");
    if (blockIO.leafWeight) writeLimit(folder, "blkio.leaf_weight", blockIO.leafWeight, "blkio leaf weight");
    for (const { major, minor, weight, leafWeight } of blockIO.weightDevice ?? []) {
      if (weight) writeLimit(folder, `${weightFile}_device`, `${major}:${minor} ${weight}`, "blkio weight of a device");
      if (leafWeight) writeLimit(folder, "blkio.leaf_weight_device", `${major}:${minor} ${leafWeight}`, "blkio leaf weight of a device");
    }
    const throttles = [
      ["read_bps", blockIO.throttleReadBpsDevice],
      ["write_bps", blockIO.throttleWriteBpsDevice],
      ["read_iops", blockIO.throttleReadIOPSDevice],
      ["write_iops", blockIO.throttleWriteIOPSDevice],
    ] as const;
    for (const [name, devices] of throttles) {
      for (const { major, minor, rate } of devices ?? [])
        writeLimit(folder, `blkio.throttle.${name}_device`, `${major}:${minor} ${rate}`, `blkio ${name}`);
    }
  }

  // memory+swap must never be below memory: which of the two is written first
  // depends on whether the limit grows.
  #limitMemory(limit: number | undefined, swap: number | undefined): void {
    const folder = this.#require("memory", "memory");
    const swapFile = "memory.memsw.limit_in_bytes";
    const hasSwap = existsSync(`${folder}/${swapFile}`);
    const writeSwap = () => {
      if (swap === undefined) return;
      if (hasSwap) writeLimit(folder, swapFile, swap, "memory-swap");
      else if (swap !== limit && swap !== -1 && swap !== (limit ?? 0) * 2)
        throw new CgroupError("cannot limit memory-swap: this kernel does not account swap");
    };
    if (limit === undefined) {
      writeSwap();
      return;
    }
    const grows = limit === -1 || limit > readNumber(folder, "memory.limit_in_bytes");
    if (grows) writeSwap();
    writeLimit(folder, "memory.limit_in_bytes", limit, "memory");
    if (!grows) writeSwap();
  }

  #fenceDevices(rules: DeviceRule[]): void {
    const folder = this.#folder("devices");
    if (!folder || !existsSync(folder)) return;
    const number = (n: number | undefined) => (n === undefined || n < 0 ? "*" : n);
    let texts: string[] = [];
    for (const [i, rule] of rules.entries()) {
      const all = (rule.type ?? "a") === "a" && number(rule.major) === "*" && number(rule.minor) === "*";
      texts.push(all ? "a" : `${rule.type ?? "a"} ${number(rule.major)}:${number(rule.minor)} ${rule.access ?? "rwm"}`);
      // Their order counts.
      if (rules[i + 1]?.allow === rule.allow) continue;
      writeLimits(folder, rule.allow ? "devices.allow" : "devices.deny", texts, "devices");
      texts = [];
    }
  }

  freeze(on: boolean): void {
    const folder = this.#require("freezer", "pause");
    for (let attempt = 0; attempt < 500; attempt++) {
      writeLimit(folder, "freezer.state", on ? "FROZEN" : "THAWED", "pause");
      const state = readFileSync(`${folder}/freezer.state`, "utf8").trim();
      if (state === (on ? "FROZEN" : "THAWED")) return;
      Bun.sleepSync(2);
    }
    throw new CgroupError(`${folder} did not ${on ? "freeze" : "thaw"} within a second`);
  }

  isFrozen(): boolean {
    const folder = this.#folder("freezer");
    try {
      return folder !== undefined && readFileSync(`${folder}/freezer.state`, "utf8").trim() !== "THAWED";
    } catch {
      return false;
    }
  }

  kill(): void {
    killUntilEmpty(
      () => this.pids(),
      (alive) => {
        if (alive.length > 1) this.#setFrozen(true); // nothing forks while we go through
        for (const pid of this.pids()) {
          try {
            kill(pid, 9);
          } catch (error) {
            if (!hasCode(error, "ESRCH")) throw error;
          }
        }
        this.#setFrozen(false);
      },
    );
  }

  // Without waiting for it; somebody else may remove the cgroup meanwhile.
  #setFrozen(on: boolean): void {
    const freezer = this.#folder("freezer");
    if (freezer === undefined) return;
    try {
      writeControl(`${freezer}/freezer.state`, on ? "FROZEN" : "THAWED");
    } catch (error) {
      if (!hasCode(error, "ENOENT", "ENODEV")) throw error;
    }
  }

  pids(): number[] {
    const folder = this.#candidates.find(existsSync);
    return folder ? readPids(folder) : [];
  }

  usage(): Usage {
    const memory = this.#folder("memory") ?? "";
    const limit = readNumber(memory, "memory.limit_in_bytes");
    return {
      ...this.#blockUsage(),
      memoryLimit: limit === 0 || limit >= UNLIMITED ? Number.POSITIVE_INFINITY : limit,
      memory: Math.max(0, readNumber(memory, "memory.usage_in_bytes") - readKeyed(memory, "memory.stat", "total_inactive_file")),
      cpu: readNumber(this.#folder("cpuacct") ?? "", "cpuacct.usage"),
      pids: readNumber(this.#folder("pids") ?? "", "pids.current"),
    };
  }

  // Where the hierarchy is not in use, what the processes know themselves: of those that live.
  #blockUsage(): { read: number; written: number } {
    const blkio = this.#folder("blkio") ?? "";
    const file = `${blkio}/blkio.throttle.io_service_bytes_recursive`;
    const text = existsSync(file) ? readFileSync(file, "utf8") : "";
    const sum = (word: string) => [...text.matchAll(new RegExp(` ${word} (\\d+)`, "g"))].reduce((total, [, bytes]) => total + Number(bytes), 0);
    if (text !== "") return { read: sum("Read"), written: sum("Write") };
    const own = (key: string) => this.pids().reduce((total, pid) => total + readKeyed(`/proc/${pid}`, "io", `${key}:`), 0);
    return { read: own("read_bytes"), written: own("write_bytes") };
  }

  oomKills(): number {
    return readKeyed(this.#folder("memory") ?? "", "memory.oom_control", "oom_kill");
  }

  remove(): void {
    removeFolders(this.#candidates);
  }
}
