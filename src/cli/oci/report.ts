/** What can be asked: `state`, `list`, `ps`, `events`, `spec`, `features`; and `update`. */
import { existsSync, readFileSync, writeFileSync } from "../../../ffi/files.ts";
import { join } from "../../../ffi/path.ts";
import { defaultSpec, features as describeFeatures, OCI_VERSION, rootlessSpec } from "../../runtime/container/describe.ts";
import { readJson, withoutZeros } from "../../runtime/container/load-config.ts";
import { type ContainerState, cgroupOf, isAlive, listStates, readState, statusOf } from "../../runtime/container/state-file.ts";
import { readStats } from "../../runtime/container/stats.ts";
import { updateContainer } from "../../runtime/container/verbs.ts";
import { RuntimeFailure } from "../../runtime/errors.ts";
import type { Resources } from "../../runtime/spec.ts";
import { UsageError } from "../errors.ts";
import { alignTable } from "../format/output.ts";
import { parseDuration, parseSize } from "../values.ts";
import { defineRuntimeCommand } from "./command.ts";

const print = (value: unknown) => console.log(JSON.stringify(value, null, 2));

function describeState(root: string, state: ContainerState): Record<string, unknown> {
  const status = statusOf(root, state);
  return {
    ociVersion: OCI_VERSION,
    id: state.id,
    pid: status === "stopped" ? 0 : state.pid,
    status,
    bundle: state.bundle,
    rootfs: state.spec.root.path,
    created: state.created,
    ...(state.spec.annotations && { annotations: state.spec.annotations }),
    owner: state.owner === "root" ? "" : state.owner,
  };
}

export const state = defineRuntimeCommand({
  summary: "Print the state of a container",
  usage: "ID",
  flags: {},
  args: { min: 1, max: 1 },
  run: ({ root }, _flags, [id = ""]) => print(describeState(root, readState(root, id))),
});

function requireFormat(format: string | undefined, otherwise: string): string {
  const wanted = format ?? otherwise;
  if (wanted !== "table" && wanted !== "json") throw new UsageError(`invalid format ${JSON.stringify(wanted)}: expected table or json`, 1);
  return wanted;
}

export const list = defineRuntimeCommand({
  summary: "List containers",
  usage: "[OPTIONS]",
  flags: {
    format: { short: "f", type: "string", help: "table or json" },
    quiet: { short: "q", type: "boolean", help: "Only ids" },
  },
  args: { min: 0, max: 0 },
  run({ root }, flags) {
    const states = listStates(root);
    if (flags.quiet) {
      for (const { id } of states) console.log(id);
    } else if (requireFormat(flags.format, "table") === "json") console.log(JSON.stringify(states.map((s) => describeState(root, s))));
    else {
      const rows = states.map((s) => {
        const status = statusOf(root, s);
        return [s.id, status === "stopped" ? 0 : s.pid, status, s.bundle, s.created, s.owner].join("\t");
      });
      process.stdout.write(alignTable(["ID\tPID\tSTATUS\tBUNDLE\tCREATED\tOWNER", ...rows]));
    }
  },
});

export const ps = defineRuntimeCommand({
  summary: "List the processes of a container",
  usage: "[OPTIONS] ID",
  flags: { format: { short: "f", type: "string", help: "table or json" } },
  args: { min: 1 },
  run({ root }, flags, [id = ""]) {
    const found = readState(root, id);
    if (!isAlive(found)) throw new RuntimeFailure("container is not running");
    const pids = cgroupOf(found)?.pids() ?? [found.pid];
    if (requireFormat(flags.format, "table") === "json") {
      console.log(JSON.stringify(pids));
      return;
    }
    process.stdout.write(alignTable(["UID\tPID\tPPID\tTIME\tCMD", ...pids.flatMap(describeProcess)]));
  },
});

function describeProcess(pid: number): string[] {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const uid = /^Uid:\t(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1] ?? "?";
    const command =
      readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim() || stat.slice(stat.indexOf("("), stat.lastIndexOf(")") + 1);
    const seconds = Math.floor((Number(fields[11]) + Number(fields[12])) / 100); // USER_HZ
    const time = [seconds / 3600, (seconds / 60) % 60, seconds % 60].map((n) => String(Math.floor(n)).padStart(2, "0")).join(":");
    return [[uid, pid, fields[1], time, command].join("\t")];
  } catch {
    return []; // ended meanwhile
  }
}

export const events = defineRuntimeCommand({
  summary: "Print a container's use of resources, again and again",
  usage: "[OPTIONS] ID",
  flags: {
    stats: { type: "boolean", help: "Once only" },
    interval: { type: "string", value: "duration", help: "Time between two (default 5s)" },
  },
  args: { min: 1, max: 1 },
  async run({ root }, flags, [id = ""]) {
    const interval = parseDuration(flags.interval ?? "5s");
    if (!interval) throw new UsageError(`invalid interval ${JSON.stringify(flags.interval)}: expected a duration such as 5s`, 1);
    const found = readState(root, id);
    if (!isAlive(found)) throw new RuntimeFailure("container is not running");
    do {
      console.log(JSON.stringify(readStats(found)));
      if (flags.stats) return;
      await Bun.sleep(interval);
    } while (isAlive(found));
  },
});

export const spec = defineRuntimeCommand({
  summary: "Write a config.json to begin with",
  usage: "[OPTIONS]",
  flags: {
    bundle: { short: "b", type: "string", value: "DIR", help: "Folder to write it to (default: the current one)" },
    rootless: { type: "boolean", help: "For a user without root's rights" },
  },
  args: { min: 0, max: 0 },
  run(_context, flags) {
    const path = join(flags.bundle ?? ".", "config.json");
    if (existsSync(path)) throw new RuntimeFailure(`${path} exists already, remove it first`);
    writeFileSync(
      path,
      `${JSON.stringify(flags.rootless ? rootlessSpec(process.getuid?.() ?? 0, process.getgid?.() ?? 0) : defaultSpec(), null, "\t")}\n`,
    );
  },
});

export const features = defineRuntimeCommand({
  summary: "Print what this runtime can do",
  usage: "",
  flags: {},
  args: { min: 0, max: 0 },
  run: () => print(describeFeatures()),
});

const UPDATE_FLAGS = {
  resources: { short: "r", type: "string", value: "FILE", help: "Read all limits from a file, as linux.resources; - for standard input" },
  "blkio-weight": { type: "string", value: "int", help: "Block I/O weight, 10 to 1000" },
  "cpu-period": { type: "string", value: "int", help: "CPU period in microseconds" },
  "cpu-quota": { type: "string", value: "int", help: "CPU quota in microseconds" },
  "cpu-burst": { type: "string", value: "int", help: "CPU burst in microseconds" },
  "cpu-share": { type: "string", value: "int", help: "CPU shares" },
  "cpu-rt-period": { type: "string", value: "int", help: "Real-time period in microseconds" },
  "cpu-rt-runtime": { type: "string", value: "int", help: "Real-time runtime in microseconds" },
  "cpu-idle": { type: "string", value: "int", help: "1 to make the group idle" },
  "cpuset-cpus": { type: "string", help: "CPUs" },
  "cpuset-mems": { type: "string", help: "Memory nodes" },
  memory: { type: "string", value: "bytes", help: "Memory limit" },
  "memory-reservation": { type: "string", value: "bytes", help: "Memory soft limit" },
  "memory-swap": { type: "string", value: "bytes", help: "Memory and swap; -1 for no limit" },
  "pids-limit": { type: "string", value: "int", help: "Number of processes" },
} as const;

export const update = defineRuntimeCommand({
  summary: "Change limits of a container",
  usage: "[OPTIONS] ID",
  flags: UPDATE_FLAGS,
  args: { min: 1, max: 1 },
  run({ root }, flags, [id = ""]) {
    const resources = flags.resources !== undefined ? (readJson(flags.resources, "resources") as Resources) : resourcesOf(flags);
    updateContainer(root, id, withoutZeros(resources));
  },
});

function resourcesOf(flags: { [K in keyof typeof UPDATE_FLAGS]: string | undefined }): Resources {
  const read = (flag: keyof typeof UPDATE_FLAGS, parse: (text: string) => number): number => {
    const text = flags[flag];
    if (text === undefined) return 0;
    const value = text === "-1" ? -1 : parse(text);
    if (Number.isNaN(value)) throw new UsageError(`invalid value ${JSON.stringify(text)} for --${flag}: expected a number`, 1);
    return value;
  };
  const count = (flag: keyof typeof UPDATE_FLAGS) => read(flag, Number);
  const bytes = (flag: keyof typeof UPDATE_FLAGS) => read(flag, parseSize);
  const weight = count("blkio-weight");
  const idle = flags["cpu-idle"] === undefined ? undefined : count("cpu-idle");
  return {
    memory: { limit: bytes("memory"), reservation: bytes("memory-reservation"), swap: bytes("memory-swap") },
    cpu: {
      period: count("cpu-period"),
      quota: count("cpu-quota"),
      burst: count("cpu-burst"),
      shares: count("cpu-share"),
      realtimePeriod: count("cpu-rt-period"),
      realtimeRuntime: count("cpu-rt-runtime"),
      cpus: flags["cpuset-cpus"] ?? "",
      mems: flags["cpuset-mems"] ?? "",
      ...(idle !== undefined && { idle }),
    },
    pids: { limit: count("pids-limit") },
    ...(weight && { blockIO: { weight } }),
  };
}
