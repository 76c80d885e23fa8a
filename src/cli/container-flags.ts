/** Flags that `run` and `create` share, and what they ask of the engine. */

import { CAPABILITIES } from "../../ffi/credentials.ts";
import { resolve } from "../../ffi/path.ts";
import { signalNumber } from "../../ffi/signal.ts";
import { getWindowSize } from "../../ffi/tty.ts";
import { gpuDevices, isCdiName } from "../engine/cdi.ts";
import type { ContainerOptions, HealthOptions } from "../engine/create-container.ts";
import { hasAppArmor } from "../runtime/process/apparmor.ts";
import type { ContainerConfig, IdRange, RestartPolicy } from "../store/container-config.ts";
import type { Flags, FlagValues } from "./command.ts";
import { UsageError, ValueError } from "./errors.ts";
import { limits, parseDeviceRule } from "./limit-flags.ts";
import { parseDevice, parseMount, parseTmpfs, parseUlimit, parseVolume } from "./mount-flags.ts";
import { networkOptions } from "./network-flags.ts";
import { TRUST_FLAG } from "./registry-flags.ts";
import { optional, parseDuration, parseInteger, parseIntegerIn, parsePair, parseSize, readValue } from "./values.ts";
import { environment, parseVariable, readLines } from "./variable-flags.ts";

const ON_WINDOWS = { hidden: true, refused: "is only supported on Windows", refusedByDocker: "on Linux" } as const;

export const CONTAINER_FLAGS = {
  annotation: { type: "list", help: "Add an annotation to the container (passed through to the OCI runtime)" },
  attach: { short: "a", type: "list", help: "Attach to STDIN, STDOUT or STDERR" },
  "cap-add": { type: "list", help: "Add Linux capabilities" },
  "cap-drop": { type: "list", help: "Drop Linux capabilities" },
  "blkio-weight": { type: "string", value: "uint16", help: "Block IO (relative weight), between 10 and 1000, or 0 to disable" },
  "blkio-weight-device": { type: "list", value: "device:weight", help: "Block IO weight (relative device weight)" },
  "cgroup-parent": { type: "string", help: "Optional parent cgroup for the container" },
  cgroupns: { type: "string", value: "host|private", help: "Cgroup namespace to use" },
  cidfile: { type: "string", help: "Write the container ID to the file" },
  "cpu-count": { type: "string", value: "int", help: "CPU count (Windows only)", ...ON_WINDOWS },
  "cpu-percent": { type: "string", value: "int", help: "CPU percent (Windows only)", ...ON_WINDOWS },
  "cpu-period": { type: "string", value: "int", help: "Limit CPU CFS (Completely Fair Scheduler) period, in microseconds" },
  "cpu-quota": { type: "string", value: "int", help: "Limit CPU CFS (Completely Fair Scheduler) quota, in microseconds" },
  "cpu-rt-period": { type: "string", value: "int", help: "Limit CPU real-time period in microseconds" },
  "cpu-rt-runtime": { type: "string", value: "int", help: "Limit CPU real-time runtime in microseconds" },
  "cpu-shares": { short: "c", type: "string", value: "int", help: "CPU shares (relative weight)" },
  cpus: { type: "string", value: "decimal", help: "Number of CPUs" },
  "cpuset-cpus": { type: "string", help: "CPUs in which to allow execution (0-3, 0,1)" },
  "cpuset-mems": { type: "string", help: "MEMs in which to allow execution (0-3, 0,1)" },
  device: { type: "list", help: "Add a host device to the container, or one of a CDI specification (vendor.com/class=name)" },
  "device-cgroup-rule": { type: "list", help: "Add a rule to the cgroup allowed devices list ('c 1:3 mr')" },
  "device-read-bps": { type: "list", value: "device:rate", help: "Limit read rate (bytes per second) from a device" },
  "device-read-iops": { type: "list", value: "device:rate", help: "Limit read rate (IO per second) from a device" },
  "device-write-bps": { type: "list", value: "device:rate", help: "Limit write rate (bytes per second) to a device" },
  "device-write-iops": { type: "list", value: "device:rate", help: "Limit write rate (IO per second) to a device" },
  ...TRUST_FLAG,
  domainname: { type: "string", help: "Container NIS domain name" },
  entrypoint: { type: "string", help: "Overwrite the default ENTRYPOINT of the image" },
  env: { short: "e", type: "list", help: "Set environment variables" },
  "env-file": { type: "list", help: "Read in a file of environment variables" },
  gpus: { type: "string", help: "GPU devices to add to the container, where there are CDI specifications of them ('all' or a number)" },
  "group-add": { type: "list", help: "Add additional groups to join" },
  "health-cmd": { type: "string", help: "Command to run to check health" },
  "health-interval": { type: "string", value: "duration", help: "Time between running the check (default 30s)" },
  "health-retries": { type: "string", value: "int", help: "Consecutive failures needed to report unhealthy (default 3)" },
  "health-start-interval": { type: "string", value: "duration", help: "Time between running the check during the start period (default 5s)" },
  "health-start-period": { type: "string", value: "duration", help: "Start period for the container to initialize before failures count" },
  "health-timeout": { type: "string", value: "duration", help: "Maximum time to allow one check to run (default 30s)" },
  hostname: { short: "h", type: "string", help: "Container host name" },
  init: { type: "boolean", help: "Run an init inside the container that forwards signals and reaps processes" },
  interactive: { short: "i", type: "boolean", help: "Keep STDIN open even if not attached" },
  "io-maxbandwidth": { type: "string", value: "bytes", help: "Maximum IO bandwidth limit for the system drive (Windows only)", ...ON_WINDOWS },
  "io-maxiops": { type: "string", value: "uint", help: "Maximum IOps limit for the system drive (Windows only)", ...ON_WINDOWS },
  ipc: { type: "string", help: "IPC mode to use (private, none, host, container:NAME)" },
  isolation: { type: "string", help: "Container isolation technology (default)" },
  "kernel-memory": {
    type: "string",
    value: "bytes",
    help: "Kernel memory limit",
    hidden: true,
    ignored: "Specifying a kernel memory limit is deprecated and has no effect: kernels have none any more",
    differs: "has no effect; docker passes it to kernels that still have it",
  },
  label: { short: "l", type: "list", help: "Set meta data on a container" },
  "label-file": { type: "list", help: "Read in a line delimited file of labels" },
  "log-driver": { type: "string", help: "Logging driver for the container (json-file, local, k8s-file, journald, syslog, none)" },
  "log-opt": { type: "list", help: "Log driver options" },
  memory: { short: "m", type: "string", value: "bytes", help: "Memory limit" },
  "memory-reservation": { type: "string", value: "bytes", help: "Memory soft limit" },
  "memory-swap": { type: "string", value: "bytes", help: "Swap limit equal to memory plus swap: '-1' to enable unlimited swap" },
  "memory-swappiness": { type: "string", value: "int", help: "Tune container memory swappiness (0 to 100)" },
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
  "link-local-ip": { type: "list", help: "Container IPv4/IPv6 link-local addresses" },
  "mac-address": { type: "string", help: "Container MAC address (e.g., 92:d0:c6:0a:29:33)" },
  "no-healthcheck": { type: "boolean", help: "Disable any container-specified HEALTHCHECK" },
  "oom-kill-disable": { type: "boolean", help: "Disable OOM Killer" },
  "oom-score-adj": { type: "string", value: "int", help: "Tune host's OOM preferences (-1000 to 1000)" },
  publish: { short: "p", type: "list", help: "Publish a container's port(s) to the host" },
  "publish-all": { short: "P", type: "boolean", help: "Publish all exposed ports to random ports" },
  pid: { type: "string", help: "PID namespace to use (host, container:NAME)" },
  pidfile: { type: "string", help: "Write the process ID of the container's command to the file" },
  "pids-limit": { type: "string", value: "int", help: "Tune container pids limit (set -1 for unlimited)" },
  pod: { type: "string", help: "Run the container in a pod (NAME, or new:NAME to make one)" },
  privileged: { type: "boolean", help: "Give extended privileges to this container" },
  platform: { type: "string", help: "Set platform if the image has several (OS/ARCH[/VARIANT])" },
  quiet: { short: "q", type: "boolean", help: "Suppress the pull output" },
  pull: { type: "string", value: "always|missing|never", help: "Pull image before running (default missing)" },
  "read-only": { type: "boolean", help: "Mount the container's root filesystem as read only" },
  restart: {
    type: "string",
    value: "policy",
    help: "Restart policy to apply when a container exits (no, on-failure[:max-retries], always, unless-stopped)",
  },
  rm: { type: "boolean", help: "Automatically remove the container and its anonymous volumes when it exits" },
  rootfs: { type: "string", value: "DIR", help: "Use a folder of the host as the image; writes stay in the container's own layer" },
  runtime: { type: "string", help: "Runtime to use for this container (berth is one itself: berth, runc, io.containerd.runc.v2)" },
  "security-opt": {
    type: "list",
    help: "Security options (seccomp=unconfined|FILE, no-new-privileges, systempaths=unconfined, apparmor=PROFILE, label=disable)",
  },
  "shm-size": { type: "string", value: "bytes", help: "Size of /dev/shm" },
  "stop-signal": { type: "string", help: "Signal to stop the container" },
  "storage-opt": {
    type: "list",
    help: "Storage driver options for the container",
    hidden: true,
    refused: "is supported only for overlay over xfs with 'pquota' mount option, and not here",
    refusedByDocker: "except on xfs with pquota",
  },
  "use-api-socket": {
    type: "boolean",
    help: "Bind mount Docker API socket and required auth",
    hidden: true,
    refused: "needs a daemon with a socket, and berth has neither",
  },
  "stop-timeout": { type: "string", value: "int", help: "Timeout (in seconds) to stop a container" },
  sysctl: { type: "list", value: "map", help: "Sysctl options" },
  tmpfs: { type: "list", help: "Mount a tmpfs directory" },
  tty: { short: "t", type: "boolean", help: "Allocate a pseudo-TTY" },
  ulimit: { type: "list", value: "ulimit", help: "Ulimit options" },
  user: { short: "u", type: "string", help: "Username or UID (format: <name|uid>[:<group|gid>])" },
  userns: { type: "string", help: "User namespace to use (host, auto[:size=N], remap[:USER], nomap, container:NAME)" },
  uidmap: { type: "list", value: "container:host:size", help: "Ids of the host that stand for the container's users" },
  gidmap: { type: "list", value: "container:host:size", help: "The same for groups (default as --uidmap)" },
  uts: { type: "string", help: "UTS namespace to use (host)" },
  volume: { short: "v", type: "list", help: "Bind mount a volume" },
  "volume-driver": { type: "string", help: "Optional volume driver for the container (local)" },
  "volumes-from": { type: "list", help: "Mount volumes from the specified container(s)" },
  workdir: { short: "w", type: "string", help: "Working directory inside the container" },
} satisfies Flags;

export type ContainerFlagValues = FlagValues<typeof CONTAINER_FLAGS>;
type FlagName = keyof typeof CONTAINER_FLAGS;
/** What a flag, or each of a list, says; see {@link readValue}. */
export type ReadOne = <T>(name: FlagName, parse: (text: string) => T) => T | undefined;
export type ReadAll = <T>(name: FlagName, parse: (text: string) => T) => T[];

const SHM_SIZE = 64 << 20;

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
  read("isolation", parseIsolation);
  read("runtime", parseRuntime);
  read("volume-driver", parseVolumeDriver);
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
    log: { driver: values["log-driver"], options: Object.fromEntries(values["log-opt"].map((text) => parsePair(text, "a log option"))) },
    pod: values.pod,
    hasOwnNetwork: [...values.network, ...values.net].length > 0,
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
    ipc: read("ipc", (t) => parseNamespace(t, ["host", "private", "shareable", "none"])) ?? "",
    uts: read("uts", (t) => parseNamespace(t, ["host"])) ?? "",
    limits: limits(read, readAll, values["oom-kill-disable"]),
    ulimits: readAll("ulimit", parseUlimit),
    shmSize: read("shm-size", parseSize) ?? SHM_SIZE,
    sysctls: Object.fromEntries(readAll("sysctl", (t) => parseSysctl(t, [...values.network, ...values.net].includes("host")))),
    devices: values.device.filter((text) => !isCdiName(text)).map((text) => readValue(CONTAINER_FLAGS, "device", text, parseDevice)),
    cdiDevices: [...values.device.filter(isCdiName), ...(read("gpus", parseGpus) ?? [])],
    deviceCgroupRules: readAll("device-cgroup-rule", parseDeviceRule),
    ...optional(
      "oomScoreAdj",
      read("oom-score-adj", (t) => parseIntegerIn(t, -1000, 1000)),
    ),
    ...optional("restart", restartPolicy(read("restart", parseRestart), values.rm)),
    ...optional("cgroupParent", read("cgroup-parent", parseCgroupParent)),
    ...optional("cgroupns", read("cgroupns", parseCgroupns)),
    mounts: [...readAll("volume", parseVolume), ...readAll("mount", parseMount), ...readAll("tmpfs", parseTmpfs)],
    health: healthOptions(read, values["no-healthcheck"]),
    userNamespace: { mode: values.userns, uids: readAll("uidmap", parseIdMap), gids: readAll("gidmap", parseIdMap) },
    volumesFrom: values["volumes-from"],
    autoRemove: values.rm,
  };
}

function parseIsolation(text: string): void {
  if (text !== "default" && text !== "") throw new ValueError("linux only supports 'default'");
}

const RUNTIMES = ["", "berth", "runc", "crun", "io.containerd.runc.v2"];

function parseRuntime(text: string): void {
  if (!RUNTIMES.includes(text)) throw new ValueError(`Unknown runtime specified ${text}: berth is the runtime, by its name or runc's`);
}

function parseVolumeDriver(text: string): void {
  if (text !== "local" && text !== "") throw new ValueError(`plugin ${JSON.stringify(text)} not found: expected local`);
}

// The kernel takes any; in /etc/hosts a space ends a name.
function parseHostname(text: string): string | undefined {
  if (/[\s\p{Cc}]/u.test(text) || Buffer.byteLength(text) > 64) throw new ValueError("expected at most 64 bytes without spaces");
  return text || undefined;
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

function parseIdMap(text: string): IdRange {
  const [, container, host, size] = /^(\d+):(\d+)(?::(\d+))?$/.exec(text) ?? [];
  if (container === undefined) throw new ValueError("expected CONTAINER:HOST:SIZE, such as 0:100000:65536");
  return { containerID: Number(container), hostID: Number(host), size: Number(size ?? 1) };
}

function healthOptions(read: ReadOne, isOff: boolean): HealthOptions {
  const own = {
    ...optional(
      "command",
      read("health-cmd", (text) => text),
    ),
    ...optional("interval", read("health-interval", parseCheckTime)),
    ...optional("timeout", read("health-timeout", parseCheckTime)),
    ...optional("startPeriod", read("health-start-period", parseCheckTime)),
    ...optional("startInterval", read("health-start-interval", parseCheckTime)),
    ...optional(
      "retries",
      read("health-retries", (text) => parseInteger(text, 0)),
    ),
  };
  if (isOff && Object.keys(own).length > 0) throw new UsageError("--no-healthcheck conflicts with --health-* options");
  // 0 stands for the usual, as docker has it.
  return { ...(Object.fromEntries(Object.entries(own).filter(([, value]) => value !== 0)) as Partial<HealthOptions>), isOff };
}

function parseCheckTime(text: string): number {
  const time = text === "0" ? 0 : parseDuration(text);
  if (time === undefined) throw new ValueError("expected a duration, such as 10s or 1m30s");
  if (time !== 0 && time < 1) throw new ValueError("expected at least 1ms");
  return time;
}

/** `no`, `always`, `unless-stopped`, `on-failure[:N]`. */
export function parseRestart(text: string): RestartPolicy {
  const [, name, maximum] = /^(no|always|unless-stopped|on-failure)?(?::(\d+))?$/.exec(text) ?? [];
  if (name === undefined && text !== "")
    throw new ValueError("invalid restart policy: expected no, on-failure[:max-retries], always or unless-stopped");
  if (maximum !== undefined && name !== "on-failure") throw new ValueError("maximum retry count can only be used with 'on-failure'");
  return { name: (name ?? "no") as RestartPolicy["name"], maximum: Number(maximum ?? 0) };
}

function restartPolicy(policy: RestartPolicy | undefined, isRemoved: boolean): RestartPolicy | undefined {
  if (policy === undefined || policy.name === "no") return undefined;
  if (isRemoved) throw new UsageError("conflicting options: cannot specify both --restart and --rm");
  return policy;
}

function parseGpus(text: string): string[] {
  const devices = gpuDevices(text);
  if (!devices) throw new ValueError("expected all, a number, or device=0,1");
  return devices;
}

function parseCgroupParent(text: string): string {
  if (text === "" || text.split("/").includes("..")) throw new ValueError("expected the path of a cgroup, without '..'");
  return resolve("/", text);
}

function parseCgroupns(text: string): string {
  if (text !== "host" && text !== "private") throw new ValueError("expected host or private");
  return text === "private" ? "" : text;
}

type Security = NonNullable<ContainerConfig["security"]>;

const SECURITY_OPTIONS =
  "expected seccomp=unconfined, seccomp=FILE, no-new-privileges, systempaths=unconfined, apparmor=PROFILE, apparmor=unconfined or label=disable";

// Docker's own profile comes with it; few containers have another.
const loadProfiles = () => require("../engine/seccomp/profile.ts") as typeof import("../engine/seccomp/profile.ts");

function parseSecurityOption(text: string): Security {
  const [, name, value] = /^([\w-]+)(?:[=:](.*))?$/.exec(text) ?? [];
  switch (name) {
    case "no-new-privileges":
      if (["true", "false", "1", "0", undefined].includes(value)) return { noNewPrivileges: value !== "false" && value !== "0" };
      break;
    case "seccomp":
      if (value) return { seccomp: value === "unconfined" ? value : { path: value, profile: loadProfiles().readProfile(value) } };
      break;
    case "systempaths":
      if (value === "unconfined") return { systemPathsUnconfined: true };
      break;
    case "apparmor":
      if (value === "unconfined" || (value && hasAppArmor())) return { apparmor: value };
      if (value) throw new ValueError("this host has no AppArmor");
      break;
    case "label":
      if (value === "disable") return { labels: [value] };
      if (value) throw new ValueError("labels of SELinux are not there: only label=disable is");
      break;
  }
  throw new ValueError(SECURITY_OPTIONS);
}

function securityOptions(options: Security[]): Security {
  const labels = options.flatMap((option) => option.labels ?? []);
  return Object.assign({}, ...options, labels.length > 0 && { labels });
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
