import type { Seccomp } from "./seccomp/compile.ts";
import type { CompiledSeccomp } from "./seccomp/install.ts";

/** config.json of the OCI runtime specification 1.2, the parts of its Linux profile that this runtime honours. */

export interface Spec {
  ociVersion: string;
  process: Process;
  root: { path: string; readonly?: boolean };
  hostname?: string;
  domainname?: string;
  mounts: Mount[];
  annotations?: Record<string, string>;
  hooks?: Hooks;
  linux: Linux;
}

/** config.md, "POSIX-platform Hooks"; each list runs in its order. */
export interface Hooks {
  prestart?: Hook[];
  createRuntime?: Hook[];
  createContainer?: Hook[];
  startContainer?: Hook[];
  poststart?: Hook[];
  poststop?: Hook[];
}

export interface Hook {
  /** Absolute. */
  path: string;
  args?: string[];
  env?: string[];
  /** Seconds. */
  timeout?: number;
}

/** What hooks read on standard input and `state` prints (runtime.md, "State"). */
export interface State {
  ociVersion: string;
  id: string;
  status: "creating" | "created" | "running" | "stopped";
  pid?: number;
  bundle: string;
  annotations?: Record<string, string>;
}

export interface Process {
  terminal?: boolean;
  /** Size of the terminal in characters. */
  consoleSize?: { height: number; width: number };
  user: User;
  args: string[];
  /** `NAME=value` each. */
  env: string[];
  cwd: string;
  capabilities?: CapabilityNames;
  rlimits?: Rlimit[];
  noNewPrivileges?: boolean;
  apparmorProfile?: string;
  oomScoreAdj?: number;
  scheduler?: Scheduler;
  ioPriority?: { class: string; priority: number };
}

/** sched_setattr(2); times in nanoseconds. */
export interface Scheduler {
  policy: string;
  nice?: number;
  priority?: number;
  flags?: string[];
  runtime?: number;
  deadline?: number;
  period?: number;
}

export interface User {
  uid: number;
  gid: number;
  umask?: number;
  additionalGids?: number[];
}

/** Names as `CAP_KILL`. */
export interface CapabilityNames {
  bounding?: string[];
  effective?: string[];
  inheritable?: string[];
  permitted?: string[];
  ambient?: string[];
}

export interface Rlimit {
  /** As `RLIMIT_NOFILE`. */
  type: string;
  soft: number;
  hard: number;
}

export interface Mount {
  destination: string;
  type?: string;
  source?: string;
  /** Not OCI's: the folder below a bind's source that is meant. Links in it lead nowhere else. */
  subpath?: string;
  options?: string[];
  /** Of an idmapped mount (mount_setattr(2)). */
  uidMappings?: IdMapping[];
  gidMappings?: IdMapping[];
}

/** Whether a mount shows other owners than its files have. */
export function isIdMapped(mount: Mount): boolean {
  return (mount.uidMappings?.length ?? 0) > 0 || (mount.gidMappings?.length ?? 0) > 0;
}

export interface IdMapping {
  containerID: number;
  hostID: number;
  size: number;
}

export interface Linux {
  namespaces: Namespace[];
  /** Of a new user namespace. */
  uidMappings?: IdMapping[];
  gidMappings?: IdMapping[];
  devices?: Device[];
  cgroupsPath?: string;
  resources?: Resources;
  sysctl?: Record<string, string>;
  rootfsPropagation?: string;
  maskedPaths?: string[];
  readonlyPaths?: string[];
  /** As OCI has it, or as the engine compiled it. */
  seccomp?: Seccomp | CompiledSeccomp;
  personality?: { domain: string; flags?: string[] };
  /** Seconds and nanoseconds by which a new time namespace is ahead. */
  timeOffsets?: Record<string, { secs?: number; nanosecs?: number }>;
}

export type NamespaceType = "pid" | "network" | "mount" | "ipc" | "uts" | "cgroup" | "time" | "user";

/** Without a path a new one, with a path that one is joined. */
export interface Namespace {
  type: NamespaceType;
  path?: string;
}

export interface Device {
  type: "c" | "b" | "u" | "p";
  path: string;
  major: number;
  minor: number;
  fileMode?: number;
  uid?: number;
  gid?: number;
}

/** One rule of the devices controller; absent numbers stand for all. */
export interface DeviceRule {
  allow: boolean;
  type?: "a" | "c" | "b";
  major?: number;
  minor?: number;
  access?: string;
}

/** A block device by its numbers, and bytes or operations a second. */
export interface ThrottleDevice {
  major: number;
  minor: number;
  rate: number;
}

/** Limits; bytes, microseconds and counts, -1 for none. */
export interface Resources {
  devices?: DeviceRule[];
  memory?: { limit?: number; reservation?: number; swap?: number; swappiness?: number; disableOOMKiller?: boolean };
  cpu?: {
    shares?: number;
    quota?: number;
    burst?: number;
    period?: number;
    realtimeRuntime?: number;
    realtimePeriod?: number;
    cpus?: string;
    mems?: string;
    idle?: number;
  };
  pids?: { limit: number };
  blockIO?: {
    weight?: number;
    leafWeight?: number;
    weightDevice?: { major: number; minor: number; weight?: number; leafWeight?: number }[];
    throttleReadBpsDevice?: ThrottleDevice[];
    throttleWriteBpsDevice?: ThrottleDevice[];
    throttleReadIOPSDevice?: ThrottleDevice[];
    throttleWriteIOPSDevice?: ThrottleDevice[];
  };
  hugepageLimits?: { pageSize: string; limit: number }[];
  network?: { classID?: number; priorities?: { name: string; priority: number }[] };
  /** Files of cgroup v2 and what to write to them. */
  unified?: Record<string, string>;
}
