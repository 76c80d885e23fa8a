/** config.json of the OCI runtime specification 1.2, the parts of its Linux profile that this runtime honours. */

export interface Spec {
  ociVersion: string;
  process: Process;
  root: { path: string; readonly?: boolean };
  hostname?: string;
  domainname?: string;
  mounts: Mount[];
  annotations?: Record<string, string>;
  linux: Linux;
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
  oomScoreAdj?: number;
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
  options?: string[];
}

export interface Linux {
  namespaces: Namespace[];
  devices?: Device[];
  cgroupsPath?: string;
  resources?: Resources;
  sysctl?: Record<string, string>;
  rootfsPropagation?: string;
  maskedPaths?: string[];
  readonlyPaths?: string[];
}

export type NamespaceType = "pid" | "network" | "mount" | "ipc" | "uts" | "cgroup";

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

/** Limits; bytes, microseconds and counts, -1 for none. */
export interface Resources {
  devices?: DeviceRule[];
  memory?: { limit?: number; reservation?: number; swap?: number };
  cpu?: { shares?: number; quota?: number; period?: number; cpus?: string; mems?: string };
  pids?: { limit: number };
}
