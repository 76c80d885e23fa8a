/** `events`: usage of a container in runc's shape (runc's types/events.go). */
import { existsSync, readFileSync } from "../../../ffi/files.ts";
import { readKeyed, readNumber } from "../cgroup/files.ts";
import { cgroupMode } from "../cgroup/hierarchy.ts";
import { type ContainerState, cgroupOf } from "./state-file.ts";

const UNLIMITED = 2 ** 63;

/** One `stats` event. Bytes and nanoseconds. */
export function readStats(state: ContainerState): Record<string, unknown> {
  const paths = cgroupOf(state)?.paths ?? [];
  return { type: "stats", id: state.id, data: cgroupMode() === "v2" ? statsV2(paths[0] ?? "") : statsV1(paths) };
}

const keyed = (path: string) =>
  existsSync(path)
    ? Object.fromEntries(
        readFileSync(path, "utf8")
          .trim()
          .split("\n")
          .map((line) => line.split(" "))
          .map(([key, value]) => [key, Number(value)]),
      )
    : {};

function statsV1(paths: string[]): Record<string, unknown> {
  const folder = (controller: string) => paths.find((path) => path.split("/").some((part) => part.split(",").includes(controller))) ?? "";
  const [memory, cpuacct, cpu, pids] = [folder("memory"), folder("cpuacct"), folder("cpu"), folder("pids")];
  const use = (prefix: string) => ({
    limit: readNumber(memory, `memory.${prefix}limit_in_bytes`),
    usage: readNumber(memory, `memory.${prefix}usage_in_bytes`),
    max: readNumber(memory, `memory.${prefix}max_usage_in_bytes`),
    failcnt: readNumber(memory, `memory.${prefix}failcnt`),
  });
  const tick = 10_000_000; // nanoseconds of USER_HZ
  return {
    cpu: {
      usage: {
        total: readNumber(cpuacct, "cpuacct.usage"),
        kernel: readKeyed(cpuacct, "cpuacct.stat", "system") * tick,
        user: readKeyed(cpuacct, "cpuacct.stat", "user") * tick,
      },
      throttling: {
        periods: readKeyed(cpu, "cpu.stat", "nr_periods"),
        throttledPeriods: readKeyed(cpu, "cpu.stat", "nr_throttled"),
        throttledTime: readKeyed(cpu, "cpu.stat", "throttled_time"),
      },
    },
    memory: {
      cache: readKeyed(memory, "memory.stat", "cache"),
      usage: use(""),
      swap: use("memsw."),
      kernel: use("kmem."),
      raw: keyed(`${memory}/memory.stat`),
    },
    pids: { current: readNumber(pids, "pids.current"), limit: limitOf(readNumber(pids, "pids.max")) },
    blkio: {},
    hugetlb: {},
    intel_rdt: {},
    network_interfaces: null,
  };
}

const limitOf = (value: number) => (Number.isNaN(value) ? 0 : value);

function statsV2(folder: string): Record<string, unknown> {
  const max = (file: string) => {
    const value = readNumber(folder, file);
    return Number.isNaN(value) ? UNLIMITED : value;
  };
  return {
    cpu: {
      usage: {
        total: readKeyed(folder, "cpu.stat", "usage_usec") * 1000,
        kernel: readKeyed(folder, "cpu.stat", "system_usec") * 1000,
        user: readKeyed(folder, "cpu.stat", "user_usec") * 1000,
      },
      throttling: {
        periods: readKeyed(folder, "cpu.stat", "nr_periods"),
        throttledPeriods: readKeyed(folder, "cpu.stat", "nr_throttled"),
        throttledTime: readKeyed(folder, "cpu.stat", "throttled_usec") * 1000,
      },
    },
    memory: {
      cache: readKeyed(folder, "memory.stat", "file"),
      usage: {
        limit: max("memory.max"),
        usage: readNumber(folder, "memory.current"),
        max: readNumber(folder, "memory.peak"),
        failcnt: readKeyed(folder, "memory.events", "max"),
      },
      swap: { limit: max("memory.swap.max"), usage: readNumber(folder, "memory.swap.current") },
      raw: keyed(`${folder}/memory.stat`),
    },
    pids: { current: readNumber(folder, "pids.current"), limit: limitOf(readNumber(folder, "pids.max")) },
    blkio: {},
    hugetlb: {},
    intel_rdt: {},
    network_interfaces: null,
  };
}
