/** cgroup v1: one folder per controller hierarchy (kernel: Documentation/admin-guide/cgroup-v1). */
import { existsSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { hasCode } from "../../../ffi/libc.ts";
import { kill } from "../../../ffi/signal.ts";
import type { DeviceRule, Resources } from "../spec.ts";
import { type Cgroup, CgroupError, type Usage } from "./cgroup.ts";
import { killUntilEmpty, makeFolder, readKeyed, readNumber, readPids, removeFolder, writeControl, writeLimit } from "./files.ts";
import type { Hierarchies } from "./hierarchy.ts";

/** Always made: to count, to freeze, to find what is inside, to fence devices. */
const BASE = ["memory", "pids", "cpuacct", "freezer", "devices"];
/** Made where a limit needs them; an empty folder here costs every container time. */
const CONTROLLERS = [...BASE, "cpu", "cpuset", "blkio"];

export class CgroupV1 implements Cgroup {
  readonly #hierarchies: Hierarchies;
  readonly #path: string;

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
    const folders = CONTROLLERS.map((c) => this.#folder(c)).filter((f) => f !== undefined && existsSync(f));
    return [...new Set(folders as string[])];
  }

  #require(controller: string, limit: string): string {
    const folder = this.#folder(controller);
    if (!folder) throw new CgroupError(`cannot limit ${limit}: this host has no ${controller} cgroup controller`);
    return folder;
  }

  create(resources: Resources): void {
    const { cpu } = resources;
    const wanted = [...BASE];
    if (cpu?.shares !== undefined || cpu?.quota !== undefined || cpu?.period !== undefined) wanted.push("cpu");
    if (cpu?.cpus !== undefined || cpu?.mems !== undefined) wanted.push("cpuset");
    for (const controller of wanted) {
      const folder = this.#folder(controller);
      if (!folder) continue;
      makeFolder(folder);
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

  join(): string[] {
    return this.paths.map((folder) => `${folder}/tasks`);
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
    for (const rule of rules) {
      const all = (rule.type ?? "a") === "a" && rule.major === undefined && rule.minor === undefined;
      const text = all ? "a" : `${rule.type ?? "a"} ${rule.major ?? "*"}:${rule.minor ?? "*"} ${rule.access ?? "rwm"}`;
      writeLimit(folder, rule.allow ? "devices.allow" : "devices.deny", text, "devices");
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

  kill(): void {
    killUntilEmpty(
      () => this.pids(),
      (alive) => {
        const freezer = this.#folder("freezer");
        const frozen = freezer !== undefined && existsSync(freezer) && alive.length > 1;
        if (frozen) writeControl(`${freezer}/freezer.state`, "FROZEN"); // nothing forks while we go through
        for (const pid of this.pids()) {
          try {
            kill(pid, 9);
          } catch (error) {
            if (!hasCode(error, "ESRCH")) throw error;
          }
        }
        if (freezer !== undefined && existsSync(freezer)) writeControl(`${freezer}/freezer.state`, "THAWED");
      },
    );
  }

  pids(): number[] {
    const folder = this.paths[0];
    return folder ? readPids(folder) : [];
  }

  usage(): Usage {
    const memory = this.#folder("memory") ?? "";
    return {
      memory: Math.max(0, readNumber(memory, "memory.usage_in_bytes") - readKeyed(memory, "memory.stat", "total_inactive_file")),
      cpu: readNumber(this.#folder("cpuacct") ?? "", "cpuacct.usage"),
      pids: readNumber(this.#folder("pids") ?? "", "pids.current"),
    };
  }

  oomKills(): number {
    return readKeyed(this.#folder("memory") ?? "", "memory.oom_control", "oom_kill");
  }

  remove(): void {
    for (const folder of this.paths) removeFolder(folder);
  }
}
