/** What a container was asked to be; kept as JSON in its record. */
import type { PortRequest } from "./networks.ts";

/** One mount of `-v`, `--mount`, `--tmpfs` or of the image's volumes. */
export type ContainerMount = (
  | {
      type: "bind";
      source: string;
      target: string;
      readOnly: boolean;
      propagation: string;
      recursive: boolean;
      createSource: boolean;
      /** What in it is meant, of a build. */
      subpath?: string;
      /** Whether mounts below it are read-only, too. */
      readOnlyBelow?: boolean;
    }
  | {
      type: "volume";
      name: string;
      anonymous: boolean;
      target: string;
      readOnly: boolean;
      noCopy: boolean;
      /** The folder in it that is meant. */
      subpath?: string;
      /** Of a volume that is not there yet. */
      labels?: Record<string, string>;
      options?: Record<string, string>;
    }
  | { type: "tmpfs"; target: string; options: string[] }
) & {
  /** What `-v` said, or the options of `--tmpfs`. */
  given?: string;
  /** Whether it comes from `--mount`. */
  isMount?: boolean;
};

/** Label of containers of a build, with the process that makes it: what is left when that was killed is found by it. */
export const BUILD_LABEL = "berth.build";

export interface DeviceRequest {
  host: string;
  container: string;
  /** Some of `rwm`. */
  access: string;
}

export interface Ulimit {
  /** As `nofile`. */
  name: string;
  soft: number;
  hard: number;
}

/** Limits; bytes, microseconds, billionths of a CPU; absent means none. */
export interface Limits {
  memory?: number;
  memorySwap?: number;
  memoryReservation?: number;
  cpuShares?: number;
  nanoCpus?: number;
  cpuPeriod?: number;
  cpuQuota?: number;
  cpusetCpus?: string;
  cpusetMems?: string;
  cpuRtPeriod?: number;
  cpuRtRuntime?: number;
  pidsLimit?: number;
  /** 0 to 100. */
  memorySwappiness?: number;
  oomKillDisable?: boolean;
  /** 10 to 1000, for all devices and for some. */
  blkioWeight?: number;
  blkioWeightDevice?: DeviceValue[];
  /** Bytes, or operations, a second. */
  deviceReadBps?: DeviceValue[];
  deviceWriteBps?: DeviceValue[];
  deviceReadIops?: DeviceValue[];
  deviceWriteIops?: DeviceValue[];
}

/** A number for a block device of the host. */
export interface DeviceValue {
  path: string;
  value: number;
}

/** As a line of uid_map (user_namespaces(7)). */
export interface IdRange {
  containerID: number;
  hostID: number;
  size: number;
}

/** One rule of `--device-cgroup-rule`: numbers of devices, absent for all. */
export interface DeviceCgroupRule {
  type: "a" | "b" | "c";
  major?: number;
  minor?: number;
  access: string;
}

/** What a container is to have of the network besides its networks, which are endpoints in the store. */
export interface NetworkSettings {
  ports: PortRequest[];
  /** Whether every exposed port gets one of the host's. */
  publishAll: boolean;
  /** `NAME:IP`, or `NAME:host-gateway`. */
  extraHosts: string[];
  dns: string[];
  dnsSearch: string[];
  dnsOptions: string[];
  /** Those whose addresses stand under these names in /etc/hosts; by id. */
  links?: ContainerLink[];
  bandwidth?: Bandwidth;
}

/** Of a container that was asked for nothing, as some records have it. */
export const USUAL_NETWORKING: NetworkSettings = { ports: [], publishAll: false, extraHosts: [], dns: [], dnsSearch: [], dnsOptions: [] };

/** Another container under a name of the container's own (`--link`). */
export interface ContainerLink {
  container: string;
  alias: string;
}

/** How what a container receives and sends fares on its links. */
export interface Bandwidth {
  /** Bytes a second to the container, and from it. */
  in?: number;
  out?: number;
  /** Microseconds by which what it sends is late; percent of it that is lost. */
  delay?: number;
  loss?: number;
}

/** When a container is started again that ended by itself. */
export interface RestartPolicy {
  name: "no" | "on-failure" | "always" | "unless-stopped";
  /** Of `on-failure`: how often at most; 0 for any number. */
  maximum: number;
}

/** How it is found out whether a container does what it should; milliseconds. */
export interface Healthcheck {
  /** The command and its arguments. */
  test: string[];
  interval: number;
  timeout: number;
  /** How long after its start failures do not count, and how often it is tried then. */
  startPeriod: number;
  startInterval: number;
  /** So many failures in a row make it unhealthy. */
  retries: number;
}

/** Docker's, where nothing is said. */
export const USUAL_CHECK: Omit<Healthcheck, "test"> = { interval: 30_000, timeout: 30_000, startPeriod: 0, startInterval: 5_000, retries: 3 };

/** Where a container's output is kept. */
export interface LogSettings {
  driver: LogDriver;
  /** As they were given. */
  options: Record<string, string>;
}
export type LogDriver = "json-file" | "local" | "k8s-file" | "none" | "journald" | "syslog";

export interface ContainerConfig {
  /** As the user wrote it. */
  image: string;
  /** `--rootfs`: a folder of the host in the image's place. */
  rootfs?: string;
  hostname: string;
  domainname: string;
  /** `user[:group]`; empty for root. */
  user: string;
  groupAdd: string[];
  env: string[];
  entrypoint: string[];
  cmd: string[];
  workingDir: string;
  labels: Record<string, string>;
  annotations: Record<string, string>;
  exposedPorts: string[];
  stopSignal: string;
  /** Seconds; undefined is docker's ten. */
  stopTimeout?: number;
  tty: boolean;
  openStdin: boolean;
  /** Size of the terminal at the start. */
  consoleSize?: { height: number; width: number };
  /** Whether the command that made it was to stay in the foreground. */
  attachStdin: boolean;
  attachStdout: boolean;
  init: boolean;
  privileged: boolean;
  capAdd: string[];
  capDrop: string[];
  readOnly: boolean;
  /** Absent in records of before there were any. */
  security?: {
    /** `unconfined`, or the path of a profile when it was given; its content counts. */
    seccomp?: "unconfined" | { path: string; profile: object };
    noNewPrivileges?: boolean;
    /** A profile that is loaded, or `unconfined`. */
    apparmor?: string;
    /** Whether nothing of /proc and /sys is hidden or read-only. */
    systemPathsUnconfined?: boolean;
    /** Of SELinux, as they were given. */
    labels?: string[];
  };
  /** Name of its main network, `host`, `none`, or `container:ID`. */
  network: string;
  /** Absent in records of before there were any. */
  networking?: NetworkSettings;
  /** Empty for a namespace of its own, `host`, `container:ID`. */
  pid: string;
  ipc: string;
  uts: string;
  limits: Limits;
  ulimits: Ulimit[];
  /** Bytes. */
  shmSize: number;
  sysctls: Record<string, string>;
  devices: DeviceRequest[];
  /** Absent, all of these, in records of before there were any. */
  deviceCgroupRules?: DeviceCgroupRule[];
  /** Names of devices in CDI specifications, `vendor.com/class=name`. */
  cdiDevices?: string[];
  oomScoreAdj?: number;
  /** Absent for `no`. */
  restart?: RestartPolicy;
  healthcheck?: Healthcheck;
  /** Absent for json-file without options. */
  log?: LogSettings;
  /** Path of the cgroup above the container's, in every hierarchy. */
  cgroupParent?: string;
  /** `host` for none of its own. */
  cgroupns?: string;
  /** Its user namespace: absent or `host` for the host's, `auto`, `remap`, `private` with the mappings given, `container:ID`. */
  userns?: string;
  /** Which of the host's ids stand for the container's, where they are not the same. */
  idMappings?: { uids: IdRange[]; gids: IdRange[] };
  mounts: ContainerMount[];
  /** Where the image or `-v` want volumes without names, also where something else is mounted. */
  volumes?: string[];
  /** Of whose mounts it got some, as it was given. */
  volumesFrom?: string[];
  /** Whether it runs no command, but holds a pod's namespaces. */
  isInfra?: boolean;
}
