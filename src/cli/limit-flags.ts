/** The flags of limits, and their values. Every `parse…` throws {@link ValueError} naming what was expected. */
import { readFileSync, statIfThere } from "../../ffi/files.ts";
import type { DeviceCgroupRule, DeviceValue, Limits } from "../store/container-config.ts";
import type { ReadAll, ReadOne } from "./container-flags.ts";
import { UsageError, ValueError } from "./errors.ts";
import { optional, parseInteger, parseIntegerIn, parseSize } from "./values.ts";

const MEMORY_MIN = 6 << 20;
const MAX_CPU = 1 << 16;

/** What the flags of limits say. Throws {@link UsageError}. */
export function limits(read: ReadOne, readAll: ReadAll, isOomKillDisabled: boolean | undefined): Limits {
  const result: Limits = {
    ...optional("memory", read("memory", parseMemory)),
    ...optional(
      "memorySwap",
      read("memory-swap", (t) => (t === "-1" ? -1 : parseSize(t))),
    ),
    ...optional("memoryReservation", read("memory-reservation", parseSize)),
    ...optional(
      "cpuShares",
      read("cpu-shares", (t) => parseInteger(t, 0)),
    ),
    ...optional("nanoCpus", read("cpus", parseCpus)),
    ...optional(
      "cpuPeriod",
      read("cpu-period", (t) => parseInteger(t, 0)),
    ),
    ...optional(
      "cpuQuota",
      read("cpu-quota", (t) => parseInteger(t)),
    ),
    ...optional("cpusetCpus", read("cpuset-cpus", parseCpuList)),
    ...optional("cpusetMems", read("cpuset-mems", parseCpuset)),
    ...optional(
      "pidsLimit",
      read("pids-limit", (t) => parseInteger(t, -1)),
    ),
    ...optional(
      "memorySwappiness",
      read("memory-swappiness", (t) => parseIntegerIn(t, -1, 100)),
    ),
    ...optional(
      "cpuRtPeriod",
      read("cpu-rt-period", (t) => parseInteger(t, 0)),
    ),
    ...optional(
      "cpuRtRuntime",
      read("cpu-rt-runtime", (t) => parseInteger(t, 0)),
    ),
    ...optional("blkioWeight", read("blkio-weight", parseWeight)),
    ...several("blkioWeightDevice", readAll("blkio-weight-device", forDevice(parseWeight))),
    ...several("deviceReadBps", readAll("device-read-bps", forDevice(parseSize))),
    ...several("deviceWriteBps", readAll("device-write-bps", forDevice(parseSize))),
    ...several(
      "deviceReadIops",
      readAll(
        "device-read-iops",
        forDevice((t) => parseInteger(t, 0)),
      ),
    ),
    ...several(
      "deviceWriteIops",
      readAll(
        "device-write-iops",
        forDevice((t) => parseInteger(t, 0)),
      ),
    ),
    ...(isOomKillDisabled && { oomKillDisable: true }),
  };
  if (result.memorySwappiness === -1) delete result.memorySwappiness; // docker's word for the usual one
  const { memory, memorySwap } = result;
  if (memorySwap !== undefined && memorySwap > 0 && memory === undefined)
    throw new UsageError("You should always set the Memory limit when using Memoryswap limit, see usage");
  if (memory !== undefined && memorySwap !== undefined && memorySwap > 0 && memorySwap < memory) {
    throw new UsageError("Minimum memoryswap limit should be larger than memory limit, see usage");
  }
  if (result.nanoCpus !== undefined && (result.cpuPeriod !== undefined || result.cpuQuota !== undefined)) {
    throw new UsageError("Conflicting options: --cpus and --cpu-period or --cpu-quota cannot both be set");
  }
  return Object.fromEntries(
    Object.entries(result).filter(([name, value]) => value !== 0 || ["memorySwap", "memorySwappiness"].includes(name)),
  ) as Limits;
}

function several<K extends string>(name: K, values: DeviceValue[]): { [k in K]?: DeviceValue[] } {
  return optional(name, values.length > 0 ? values : undefined);
}

function parseMemory(text: string): number {
  const size = parseSize(text);
  if (size !== 0 && size < MEMORY_MIN) throw new ValueError("Minimum memory limit allowed is 6MB");
  return size;
}

function parseCpus(text: string): number {
  if (!/^\d*\.?\d+$|^\d+\.$/.test(text)) throw new ValueError("expected a number of CPUs, such as 2 or 0.5");
  const cpus = Number(text);
  const available = navigator.hardwareConcurrency;
  if (cpus !== 0 && (cpus < 0.01 || cpus > available)) {
    throw new ValueError(`range of CPUs is from 0.01 to ${available.toFixed(2)}, as there are only ${available} CPUs available`);
  }
  return Math.round(cpus * 1e9);
}

const expand = (list: string) =>
  list.split(",").flatMap((range) => {
    const [first = 0, last = first] = range.split("-").map(Number);
    return Array.from({ length: Math.max(0, Math.min(last, MAX_CPU) - first + 1) }, (_, i) => first + i);
  });

function parseCpuList(text: string): string {
  const list = parseCpuset(text);
  const online = readFileSync("/sys/devices/system/cpu/online", "latin1").trim();
  const available = new Set(expand(online));
  if (!expand(list).every((cpu) => available.has(cpu)))
    throw new ValueError(`Requested CPUs are not available - requested ${text}, available: ${online}`);
  return list;
}

function parseCpuset(text: string): string {
  if (!/^\d+(-\d+)?(,\d+(-\d+)?)*$/.test(text)) throw new ValueError("expected a list such as 0-3 or 0,2");
  return text;
}

function parseWeight(text: string): number {
  const weight = parseInteger(text, 0);
  if (weight !== 0 && (weight < 10 || weight > 1000)) throw new ValueError("Range of blkio weight is from 10 to 1000");
  return weight;
}

// `PATH:VALUE`.
const forDevice =
  (parse: (text: string) => number) =>
  (text: string): DeviceValue => {
    const [, path, value] = /^(\/.+):([^:]+)$/.exec(text) ?? [];
    if (path === undefined || value === undefined) throw new ValueError("bad format: expected DEVICE:NUMBER, such as /dev/sda:1mb");
    const status = statIfThere(path);
    if (!status?.isBlockDevice()) throw new ValueError(`${path} is ${status ? "no block device" : "not there"}`);
    return { path, value: parse(value) };
  };

/** One `--device-cgroup-rule`: `c 1:3 mr`. */
export function parseDeviceRule(text: string): DeviceCgroupRule {
  const [, type, major, minor, access = ""] = /^([abc]) (\d+|\*):(\d+|\*) ([rwm]{1,3})$/.exec(text) ?? [];
  if (type === undefined) throw new ValueError("expected TYPE MAJOR:MINOR ACCESS, such as 'c 1:3 mr'");
  const number = (name: "major" | "minor", value = "") => (value === "*" ? {} : { [name]: Number(value) });
  return { type: type as DeviceCgroupRule["type"], access, ...number("major", major), ...number("minor", minor) };
}
