/** Flags that `run` and `create` share, and what they ask of the engine. */
import { readFileSync } from "node:fs";
import { CAPABILITIES } from "../../ffi/credentials.ts";
import { reasonOf } from "../../ffi/libc.ts";
import { signalNumber } from "../../ffi/signal.ts";
import { getWindowSize } from "../../ffi/tty.ts";
import type { ContainerOptions } from "../engine/create-container.ts";
import { readProfile } from "../engine/seccomp/profile.ts";
import type { ContainerConfig, Limits } from "../store/container-config.ts";
import { flagLabel } from "./arguments.ts";
import type { Flags, FlagValues } from "./command.ts";
import { UsageError, ValueError } from "./errors.ts";
import { parseDevice, parseMount, parseTmpfs, parseUlimit, parseVolume } from "./mount-flags.ts";
import { networkOptions } from "./network-flags.ts";
import { parseInteger, parsePair, parseSize } from "./values.ts";

export const CONTAINER_FLAGS = {
  annotation: { type: "list", help: "Add an annotation to the container (passed through to the OCI runtime)" },
  attach: { short: "a", type: "list", help: "Attach to STDIN, STDOUT or STDERR" },
  "cap-add": { type: "list", help: "Add Linux capabilities" },
  "cap-drop": { type: "list", help: "Drop Linux capabilities" },
  cidfile: { type: "string", help: "Write the container ID to the file" },
  "cpu-period": { type: "string", value: "int", help: "Limit CPU CFS (Completely Fair Scheduler) period, in microseconds" },
  "cpu-quota": { type: "string", value: "int", help: "Limit CPU CFS (Completely Fair Scheduler) quota, in microseconds" },
  "cpu-shares": { short: "c", type: "string", value: "int", help: "CPU shares (relative weight)" },
  cpus: { type: "string", value: "decimal", help: "Number of CPUs" },
  "cpuset-cpus": { type: "string", help: "CPUs in which to allow execution (0-3, 0,1)" },
  "cpuset-mems": { type: "string", help: "MEMs in which to allow execution (0-3, 0,1)" },
  device: { type: "list", help: "Add a host device to the container" },
  domainname: { type: "string", help: "Container NIS domain name" },
  entrypoint: { type: "string", help: "Overwrite the default ENTRYPOINT of the image" },
  env: { short: "e", type: "list", help: "Set environment variables" },
  "env-file": { type: "list", help: "Read in a file of environment variables" },
  "group-add": { type: "list", help: "Add additional groups to join" },
  hostname: { short: "h", type: "string", help: "Container host name" },
  init: { type: "boolean", help: "Run an init inside the container that forwards signals and reaps processes" },
  interactive: { short: "i", type: "boolean", help: "Keep STDIN open even if not attached" },
  ipc: { type: "string", help: "IPC mode to use (private, host, container:NAME)" },
  label: { short: "l", type: "list", help: "Set meta data on a container" },
  "label-file": { type: "list", help: "Read in a line delimited file of labels" },
  memory: { short: "m", type: "string", value: "bytes", help: "Memory limit" },
  "memory-reservation": { type: "string", value: "bytes", help: "Memory soft limit" },
  "memory-swap": { type: "string", value: "bytes", help: "Swap limit equal to memory plus swap: '-1' to enable unlimited swap" },
  mount: { type: "list", value: "mount", help: "Attach a filesystem mount to the container" },
  name: { type: "string", help: "Assign a name to the container" },
  bandwidth: { type: "string", value: "rate", help: "What the container may receive, and may send, a second (8mbit, 10MB/s)" },
  "bandwidth-in": { type: "string", value: "rate", help: "What it may receive" },
  "bandwidth-out": { type: "string", value: "rate", help: "What it may send" },
  "net-delay": { type: "string", value: "duration", help: "How much later what it sends leaves (100ms), where the kernel has netem" },
  "net-loss": { type: "string", value: "percent", help: "How much of what it sends is lost (1%), where the kernel has netem" },
  expose: { type: "list", help: "Expose a port or a range of ports" },
  network: { type: "list", help: "Connect a container to a network (NAME[:alias=…,ip=…], none, host, container:NAME)" },
  net: { type: "list", help: "Same as --network", hidden: true },
  "network-alias": { type: "list", help: "Add network-scoped alias for the container" },
  "add-host": { type: "list", value: "host:ip", help: "Add a custom host-to-IP mapping" },
  dns: { type: "list", value: "ip", help: "Set custom DNS servers" },
  "dns-option": { type: "list", help: "Set DNS options" },
  "dns-search": { type: "list", help: "Set custom DNS search domains" },
  ip: { type: "string", help: "IPv4 address (e.g., 172.30.100.104)" },
  ip6: { type: "string", help: "IPv6 address (e.g., 2001:db8::33)" },
  link: { type: "list", value: "container:alias", help: "Add link to another container: its address under a name in /etc/hosts" },
  "mac-address": { type: "string", help: "Container MAC address (e.g., 92:d0:c6:0a:29:33)" },
  publish: { short: "p", type: "list", help: "Publish a container's port(s) to the host" },
  "publish-all": { short: "P", type: "boolean", help: "Publish all exposed ports to random ports" },
  pid: { type: "string", help: "PID namespace to use (host, container:NAME)" },
  pidfile: { type: "string", help: "Write the process ID of the container's command to the file" },
  "pids-limit": { type: "string", value: "int", help: "Tune container pids limit (set -1 for unlimited)" },
  privileged: { type: "boolean", help: "Give extended privileges to this container" },
  platform: { type: "string", help: "Set platform if the image has several (OS/ARCH[/VARIANT])" },
  quiet: { short: "q", type: "boolean", help: "Suppress the pull output" },
  pull: { type: "string", value: "always|missing|never", help: "Pull image before running (default missing)" },
  "read-only": { type: "boolean", help: "Mount the container's root filesystem as read only" },
  rm: { type: "boolean", help: "Automatically remove the container and its anonymous volumes when it exits" },
  rootfs: { type: "string", value: "DIR", help: "Use a folder of the host as the image; writes stay in the container's own layer" },
  "security-opt": { type: "list", help: "Security options (seccomp=unconfined|FILE, no-new-privileges)" },
  "shm-size": { type: "string", value: "bytes", help: "Size of /dev/shm" },
  "stop-signal": { type: "string", help: "Signal to stop the container" },
  "stop-timeout": { type: "string", value: "int", help: "Timeout (in seconds) to stop a container" },
  sysctl: { type: "list", value: "map", help: "Sysctl options" },
  tmpfs: { type: "list", help: "Mount a tmpfs directory" },
  tty: { short: "t", type: "boolean", help: "Allocate a pseudo-TTY" },
  ulimit: { type: "list", value: "ulimit", help: "Ulimit options" },
  user: { short: "u", type: "string", help: "Username or UID (format: <name|uid>[:<group|gid>])" },
  uts: { type: "string", help: "UTS namespace to use (host)" },
  volume: { short: "v", type: "list", help: "Bind mount a volume" },
  "volumes-from": { type: "list", help: "Mount volumes from the specified container(s)" },
  workdir: { short: "w", type: "string", help: "Working directory inside the container" },
} satisfies Flags;

export type ContainerFlagValues = FlagValues<typeof CONTAINER_FLAGS>;
type FlagName = keyof typeof CONTAINER_FLAGS;
/** What a flag, or each of a list, says; see {@link readValue}. */
export type ReadOne = <T>(name: FlagName, parse: (text: string) => T) => T | undefined;
export type ReadAll = <T>(name: FlagName, parse: (text: string) => T) => T[];

/** Reads a flag's value; what is wrong with it is told with the flag's name, in docker's words. */
export function readValue<T>(flags: Flags, name: string, text: string, read: (text: string) => T): T {
  try {
    return read(text);
  } catch (error) {
    if (!(error instanceof ValueError)) throw error;
    const flag = flags[name];
    throw new UsageError(`invalid argument ${JSON.stringify(text)} for "${flag ? flagLabel(name, flag) : name}" flag: ${error.message}`);
  }
}

const SHM_SIZE = 64 << 20;
const MEMORY_MIN = 6 << 20;

/** What the flags and arguments of `run` or `create` ask for. Throws {@link UsageError}. */
export function containerOptions(values: ContainerFlagValues, args: string[]): ContainerOptions {
  const read: ReadOne = (name, parse) => {
    const text = values[name] as string | undefined;
    return text === undefined ? undefined : readValue(CONTAINER_FLAGS, name, text, parse);
  };
  const readAll: ReadAll = (name, parse) => (values[name] as string[]).map((text) => readValue(CONTAINER_FLAGS, name, text, parse));

  const [image = "", ...rest] = args;
  const command = values.rootfs === undefined ? rest : args;
  if (values.rootfs === undefined && args.length === 0)
    throw new UsageError("'berth run' requires at least 1 argument: an image, or --rootfs DIR", 1);
  const width = values.tty ? getWindowSize(1) : undefined;
  return {
    name: values.name,
    image: values.rootfs ?? image,
    rootfs: values.rootfs,
    command,
    entrypoint: values.entrypoint === undefined ? undefined : values.entrypoint === "" ? [] : [values.entrypoint],
    hostname: read("hostname", parseHostname),
    domainname: values.domainname ?? "",
    user: values.user,
    groupAdd: values["group-add"],
    env: environment(values["env-file"], readAll("env", parseVariable)),
    workingDir: read("workdir", parseWorkdir),
    labels: Object.fromEntries(
      [...values["label-file"].flatMap(readLines), ...values.label].map((l) =>
        readValue(CONTAINER_FLAGS, "label", l, (t) => parsePair(t, "a label")),
      ),
    ),
    annotations: Object.fromEntries(readAll("annotation", (t) => parsePair(t, "an annotation"))),
    stopSignal: read("stop-signal", parseSignalName),
    ...optional(
      "stopTimeout",
      read("stop-timeout", (t) => parseInteger(t, -1)),
    ),
    tty: values.tty,
    openStdin: values.interactive,
    ...(width && { consoleSize: { height: width.rows, width: width.columns } }),
    attachStdin: false,
    attachStdout: false,
    init: values.init,
    privileged: values.privileged,
    capAdd: readAll("cap-add", parseCapability),
    capDrop: readAll("cap-drop", parseCapability),
    readOnly: values["read-only"],
    security: securityOptions(readAll("security-opt", parseSecurityOption)),
    ...networkOptions(values, read, readAll),
    pid: read("pid", (t) => parseNamespace(t, ["host"])) ?? "",
    ipc: read("ipc", (t) => parseNamespace(t, ["host", "private", "shareable"])) ?? "",
    uts: read("uts", (t) => parseNamespace(t, ["host"])) ?? "",
    limits: limits(read),
    ulimits: readAll("ulimit", parseUlimit),
    shmSize: read("shm-size", parseSize) ?? SHM_SIZE,
    sysctls: Object.fromEntries(readAll("sysctl", (t) => parseSysctl(t, [...values.network, ...values.net].includes("host")))),
    devices: readAll("device", parseDevice),
    mounts: [...readAll("volume", parseVolume), ...readAll("mount", parseMount), ...readAll("tmpfs", parseTmpfs)],
    volumesFrom: values["volumes-from"],
    autoRemove: values.rm,
  };
}

export function optional<K extends string, V>(name: K, value: V | undefined): { [k in K]?: V } {
  return value === undefined ? {} : ({ [name]: value } as { [k in K]?: V });
}

/** What the flags of limits say. Throws {@link UsageError}. */
export function limits(read: ReadOne): Limits {
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
    ...optional("cpusetCpus", read("cpuset-cpus", parseCpuset)),
    ...optional("cpusetMems", read("cpuset-mems", parseCpuset)),
    ...optional(
      "pidsLimit",
      read("pids-limit", (t) => parseInteger(t, -1)),
    ),
  };
  const { memory, memorySwap } = result;
  if (memorySwap !== undefined && memorySwap > 0 && memory === undefined)
    throw new UsageError("You should always set the Memory limit when using Memoryswap limit, see usage");
  if (memory !== undefined && memorySwap !== undefined && memorySwap > 0 && memorySwap < memory) {
    throw new UsageError("Minimum memoryswap limit should be larger than memory limit, see usage");
  }
  if (result.nanoCpus !== undefined && (result.cpuPeriod !== undefined || result.cpuQuota !== undefined)) {
    throw new UsageError("Conflicting options: --cpus and --cpu-period or --cpu-quota cannot both be set");
  }
  return Object.fromEntries(Object.entries(result).filter(([name, value]) => value !== 0 || name === "memorySwap")) as Limits;
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

function parseCpuset(text: string): string {
  if (!/^\d+(-\d+)?(,\d+(-\d+)?)*$/.test(text)) throw new ValueError("expected a list such as 0-3 or 0,2");
  return text;
}

function parseHostname(text: string): string {
  if (!/^[a-zA-Z0-9]([a-zA-Z0-9._-]{0,62}[a-zA-Z0-9])?$/.test(text))
    throw new ValueError("expected letters, digits, '-' and '.', at most 64 of them");
  return text;
}

function parseWorkdir(text: string): string {
  if (!text.startsWith("/")) throw new ValueError(`the working directory '${text}' is invalid, it needs to be an absolute path`);
  return text;
}

function parseSignalName(text: string): string {
  if (signalNumber(text) === undefined) throw new ValueError(`invalid signal: ${text}`);
  return text;
}

/** A capability in any spelling docker takes, as `CAP_…`, or `ALL`. */
export function parseCapability(text: string): string {
  const name = text.toUpperCase();
  if (name === "ALL") return name;
  const full = name.startsWith("CAP_") ? name : `CAP_${name}`;
  if (!(CAPABILITIES as readonly string[]).includes(full)) throw new ValueError(`unknown capability: expected ALL or a name such as NET_ADMIN`);
  return full;
}

function parseNamespace(text: string, words: string[]): string {
  if (text === "" || text === "private" || text === "shareable") {
    if (text === "" || words.includes(text)) return "";
  }
  if (words.includes(text) || /^container:.+/.test(text)) return text;
  throw new ValueError(`expected ${[...words, "container:NAME"].join(", ")}`);
}

type SecurityOption = { seccomp: NonNullable<ContainerConfig["security"]>["seccomp"] } | { noNewPrivileges: boolean };

function parseSecurityOption(text: string): SecurityOption {
  const [, name, value] = /^([\w-]+)(?:[=:](.*))?$/.exec(text) ?? [];
  if (name === "no-new-privileges" && ["true", "false", "1", "0", undefined].includes(value))
    return { noNewPrivileges: value !== "false" && value !== "0" };
  if (name === "seccomp" && value) return { seccomp: value === "unconfined" ? value : { path: value, profile: readProfile(value) } };
  throw new ValueError("expected seccomp=unconfined, seccomp=FILE or no-new-privileges");
}

function securityOptions(options: SecurityOption[]): NonNullable<ContainerConfig["security"]> {
  return Object.assign({}, ...options);
}

const NAMESPACED_SYSCTLS = /^(kernel\.(msgmax|msgmnb|msgmni|sem|shmall|shmmax|shmmni|shm_rmid_forced|domainname)|fs\.mqueue\..+|net\..+)$/;

// What is not the container's own is the host's.
function parseSysctl(text: string, hostNetwork: boolean): [string, string] {
  const [name, value] = parsePair(text, "a sysctl");
  const key = name.replaceAll("/", ".");
  if (!NAMESPACED_SYSCTLS.test(key) || key.includes("..")) throw new ValueError(`sysctl '${text}' is not allowed`);
  if (hostNetwork && key.startsWith("net.")) throw new ValueError(`sysctl '${text}' is not allowed with the host's network`);
  return [key, value];
}

/** `NAME=VALUE`, or `NAME` with the value it has here; nothing where it has none. */
export function parseVariable(text: string): string | undefined {
  const [name] = parsePair(text, "an environment variable");
  if (text.includes("=")) return text;
  const value = process.env[name];
  return value === undefined ? undefined : `${name}=${value}`;
}

/** Variables of files, then those of `-e`. */
export function environment(files: string[], own: (string | undefined)[]): string[] {
  const fromFiles = files.flatMap((file) =>
    readLines(file).map((line) => {
      const [name] = parsePair(line, "an environment variable");
      if (/\s/.test(name)) throw new UsageError(`poorly formatted environment: variable '${name}' contains whitespaces (in ${file})`);
      return parseVariable(line);
    }),
  );
  return [...fromFiles, ...own].filter((variable) => variable !== undefined);
}

// Lines of a file of variables or labels, without empty ones and comments.
function readLines(path: string): string[] {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new UsageError(`open ${path}: ${reasonOf(error)}`);
  }
  return text
    .replace(/^\ufeff/, "")
    .split(/\r?\n/)
    .map((line) => line.trimStart())
    .filter((line) => line !== "" && !line.startsWith("#"));
}
