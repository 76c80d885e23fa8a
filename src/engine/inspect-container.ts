/** `inspect` of a container, in the shape of docker's API. */
import {
  type ContainerConfig,
  type DeviceCgroupRule,
  type DeviceValue,
  type Healthcheck,
  type IdRange,
  type Limits,
  USUAL_CHECK,
} from "../store/container-config.ts";
import { type ContainerRecord, isRestarting } from "../store/containers.ts";
import { getHealth } from "../store/health.ts";
import { imageLayers } from "../store/images.ts";
import { layerFolder } from "../store/layout.ts";
import { DEFAULT_NETWORK, endpointsOf, type PortRequest, portsOf } from "../store/networks.ts";
import { containerState } from "./container-state.ts";
import type { Engine } from "./engine.ts";
import { goMap } from "./go-map.ts";
import { inspectMount, inspectWantedMount } from "./inspect-mounts.ts";
import { inspectBuiltInEndpoint, inspectEndpoint } from "./inspect-network.ts";
import { MASKED_PATHS, READONLY_PATHS } from "./masked-paths.ts";
import { containerRoot, type StorageDriver } from "./storage-driver.ts";

const NEVER = "0001-01-01T00:00:00Z"; // Go's zero time

const timeOf = (milliseconds: number | undefined) => (milliseconds === undefined ? NEVER : new Date(milliseconds).toISOString());

/** A container as `docker inspect` shows it. */
export function inspectContainer(engine: Engine, record: ContainerRecord): Record<string, unknown> {
  const { config, id } = record;
  const { layout } = engine;
  const [path = "", ...args] = [...config.entrypoint, ...config.cmd];
  const folder = layout.container(id);
  const graph = graphDriver(engine, record);
  const published = (config.networking?.ports ?? []).map(({ containerPort, protocol }) => portKey(containerPort, protocol));
  const exposed = [...new Set([...config.exposedPorts, ...published])].sort();
  return {
    Id: id,
    Created: timeOf(record.createdAt),
    Path: path,
    Args: args,
    State: inspectState(engine, record),
    Image: record.imageId ?? "",
    ResolvConfPath: `${folder}/resolv.conf`,
    HostnamePath: `${folder}/hostname`,
    HostsPath: `${folder}/hosts`,
    LogPath: (config.log?.driver ?? "json-file") === "none" ? "" : layout.containerLog(id, config.log?.driver),
    Name: `/${record.name}`,
    RestartCount: record.restartCount,
    Driver: graph.Name,
    Platform: "linux",
    MountLabel: "",
    ProcessLabel: "",
    AppArmorProfile: "",
    ExecIDs: null,
    HostConfig: inspectHostConfig(record),
    GraphDriver: graph,
    Mounts: config.mounts.filter((mount) => mount.type !== "tmpfs" || mount.isMount).map((mount) => inspectMount(engine, mount)),
    Config: {
      Hostname: config.hostname,
      Domainname: config.domainname,
      User: config.user,
      AttachStdin: config.attachStdin,
      AttachStdout: config.attachStdout,
      AttachStderr: config.attachStdout,
      Tty: config.tty,
      OpenStdin: config.openStdin,
      StdinOnce: config.attachStdin,
      Env: config.env.length > 0 ? config.env : null,
      Cmd: config.cmd.length > 0 ? config.cmd : null,
      Image: config.image,
      Volumes: config.volumes ? goMap(Object.fromEntries(config.volumes.map((target) => [target, {}]))) : null,
      WorkingDir: config.workingDir === "/" ? "" : config.workingDir,
      Entrypoint: config.entrypoint.length > 0 ? config.entrypoint : null,
      OnBuild: null,
      ...(config.healthcheck && { Healthcheck: inspectCheck(config.healthcheck) }),
      Labels: goMap(config.labels),
      ...(config.stopSignal !== "SIGTERM" && { StopSignal: config.stopSignal }),
      ...(config.stopTimeout !== undefined && { StopTimeout: config.stopTimeout }),
      ...(exposed.length > 0 && { ExposedPorts: Object.fromEntries(exposed.map((port) => [port, {}])) }),
    },
    NetworkSettings: networkSettings(engine, record),
  };
}

function inspectState(engine: Engine, record: ContainerRecord): Record<string, unknown> {
  const running = record.status === "running" || record.status === "paused";
  const health = healthOf(engine, record);
  const state = {
    Status: containerState(record),
    Running: running,
    Paused: record.status === "paused",
    Restarting: isRestarting(record),
    OOMKilled: record.oomKilled,
    Dead: false,
    Pid: running ? (record.process?.pid ?? 0) : 0,
    ExitCode: record.exitCode,
    Error: record.error,
    StartedAt: timeOf(record.startedAt),
    FinishedAt: timeOf(record.finishedAt),
    ...(record.takenOverAt !== undefined && { TakenOverAt: timeOf(record.takenOverAt) }),
    ...(health && { Health: health }),
  };
  return withHidden(state, { ...(!health && { Health: null }), ...(record.takenOverAt === undefined && { TakenOverAt: NEVER }) });
}

// Go's templates know a field that JSON leaves out where it is nil.
function withHidden(value: Record<string, unknown>, hidden: Record<string, unknown>): Record<string, unknown> {
  return Object.defineProperties(
    value,
    Object.fromEntries(Object.entries(hidden).map(([key, nothing]) => [key, { value: nothing, enumerable: false }])),
  );
}

function healthOf({ db }: Engine, { id, config, process }: ContainerRecord): Record<string, unknown> | undefined {
  const health = config.healthcheck && getHealth(db, id);
  // Its monitor has only just begun.
  if (!health) return config.healthcheck && process ? { Status: "starting", FailingStreak: 0, Log: [] } : undefined;
  const log = health.log.map(({ start, end, exitCode, output }) => ({ Start: timeOf(start), End: timeOf(end), ExitCode: exitCode, Output: output }));
  return { Status: health.status, FailingStreak: health.failingStreak, Log: log };
}

const NANOSECONDS = 1e6; // of a millisecond

const inspectCheck = ({ test, interval, timeout, startPeriod, startInterval, retries }: Healthcheck) => ({
  Test: test.length === 3 && test[0] === "/bin/sh" && test[1] === "-c" ? ["CMD-SHELL", test[2]] : ["CMD", ...test],
  // Docker shows what was asked for; the rest is its usual.
  ...(interval !== USUAL_CHECK.interval && { Interval: interval * NANOSECONDS }),
  ...(timeout !== USUAL_CHECK.timeout && { Timeout: timeout * NANOSECONDS }),
  ...(startPeriod !== USUAL_CHECK.startPeriod && { StartPeriod: startPeriod * NANOSECONDS }),
  ...(startInterval !== USUAL_CHECK.startInterval && { StartInterval: startInterval * NANOSECONDS }),
  ...(retries !== USUAL_CHECK.retries && { Retries: retries }),
});

function inspectHostConfig(record: ContainerRecord): Record<string, unknown> {
  const { config } = record;
  const tmpfs = config.mounts.flatMap(({ type, target, given }) => (type === "tmpfs" && given !== undefined ? [[target, given]] : []));
  const binds = config.mounts.flatMap((mount) => (mount.type === "tmpfs" ? [] : (mount.given ?? [])));
  const mounts = config.mounts.filter(({ isMount }) => isMount).map(inspectWantedMount);
  const isMasked = !config.privileged && !config.security?.systemPathsUnconfined;
  return {
    Binds: binds.length > 0 ? binds : null,
    ContainerIDFile: "",
    LogConfig: { Type: config.log?.driver ?? "json-file", Config: goMap(config.log?.options ?? {}) },
    NetworkMode: config.network,
    PortBindings: portBindings(config.networking?.ports ?? []),
    RestartPolicy: { Name: config.restart?.name ?? "no", MaximumRetryCount: config.restart?.maximum ?? 0 },
    AutoRemove: record.autoRemove,
    VolumeDriver: "",
    VolumesFrom: config.volumesFrom ?? null,
    ...(Object.keys(config.annotations).length > 0 && { Annotations: goMap(config.annotations) }),
    CapAdd: config.capAdd.length > 0 ? config.capAdd : null,
    CapDrop: config.capDrop.length > 0 ? config.capDrop : null,
    Cgroup: "",
    CgroupParent: config.cgroupParent ?? "",
    CgroupnsMode: config.cgroupns || "private",
    DeviceCgroupRules: config.deviceCgroupRules?.length ? config.deviceCgroupRules.map(ruleText) : null,
    DeviceRequests: config.cdiDevices?.length ? [{ Driver: "cdi", Count: 0, DeviceIDs: config.cdiDevices, Capabilities: null, Options: null }] : null,
    OomScoreAdj: config.oomScoreAdj ?? 0,
    Dns: config.networking?.dns ?? [],
    DnsOptions: config.networking?.dnsOptions ?? [],
    DnsSearch: config.networking?.dnsSearch ?? [],
    ExtraHosts: config.networking?.extraHosts.length ? config.networking.extraHosts : null,
    GroupAdd: config.groupAdd.length > 0 ? config.groupAdd : null,
    IpcMode: config.ipc || "private",
    ...(config.init && { Init: true }),
    Links: config.networking?.links?.length ? config.networking.links.map(({ container, alias }) => `/${container}:/${record.name}/${alias}`) : null,
    PidMode: config.pid,
    Privileged: config.privileged,
    ...(config.networking?.bandwidth && { Bandwidth: config.networking.bandwidth }),
    PublishAllPorts: config.networking?.publishAll ?? false,
    ReadonlyRootfs: config.readOnly,
    SecurityOpt: securityOptions(config.security),
    ...(tmpfs.length > 0 && { Tmpfs: goMap(Object.fromEntries(tmpfs)) }),
    ...(mounts.length > 0 && { Mounts: mounts }),
    UTSMode: config.uts,
    UsernsMode: config.userns ?? "",
    ...(config.idMappings && { IDMappings: { UidMap: config.idMappings.uids.map(mapText), GidMap: config.idMappings.gids.map(mapText) } }),
    ShmSize: config.shmSize,
    ...(Object.keys(config.sysctls).length > 0 && { Sysctls: goMap(config.sysctls) }),
    ConsoleSize: [config.consoleSize?.height ?? 0, config.consoleSize?.width ?? 0],
    Isolation: "",
    CpuCount: 0,
    CpuPercent: 0,
    IOMaximumIOps: 0,
    IOMaximumBandwidth: 0,
    MaskedPaths: isMasked ? MASKED_PATHS : null,
    ReadonlyPaths: isMasked ? READONLY_PATHS : null,
    Runtime: "berth",
    ...inspectLimits(config.limits),
    Devices: config.devices.map(({ host, container, access }) => ({ PathOnHost: host, PathInContainer: container, CgroupPermissions: access })),
    Ulimits: config.ulimits.map(({ name, soft, hard }) => ({ Name: name, Hard: hard, Soft: soft })),
    ...(config.rootfs !== undefined && { Rootfs: config.rootfs }),
  };
}

function securityOptions(security: ContainerConfig["security"]): string[] | null {
  const { seccomp, noNewPrivileges, apparmor, systemPathsUnconfined, labels = [] } = security ?? {};
  const options = [
    ...(apparmor ? [`apparmor=${apparmor}`] : []),
    ...(systemPathsUnconfined ? ["systempaths=unconfined"] : []),
    ...labels.map((label) => `label=${label}`),
    ...(seccomp ? [`seccomp=${seccomp === "unconfined" ? seccomp : seccomp.path}`] : []),
    ...(noNewPrivileges ? ["no-new-privileges"] : []),
  ];
  return options.length > 0 ? options : null;
}

const mapText = ({ containerID, hostID, size }: IdRange) => `${containerID}:${hostID}:${size}`;
const ruleText = ({ type, major, minor, access }: DeviceCgroupRule) => `${type} ${major ?? "*"}:${minor ?? "*"} ${access}`;

function inspectLimits(limits: Limits): Record<string, unknown> {
  return {
    CpuShares: limits.cpuShares ?? 0,
    Memory: limits.memory ?? 0,
    NanoCpus: limits.nanoCpus ?? 0,
    CpuPeriod: limits.cpuPeriod ?? 0,
    CpuQuota: limits.cpuQuota ?? 0,
    CpusetCpus: limits.cpusetCpus ?? "",
    CpusetMems: limits.cpusetMems ?? "",
    MemoryReservation: limits.memoryReservation ?? 0,
    MemorySwap: limits.memorySwap ?? (limits.memory ?? 0) * 2,
    PidsLimit: limits.pidsLimit ?? null,
    MemorySwappiness: limits.memorySwappiness ?? null,
    OomKillDisable: limits.oomKillDisable ?? false,
    CpuRealtimePeriod: limits.cpuRtPeriod ?? 0,
    CpuRealtimeRuntime: limits.cpuRtRuntime ?? 0,
    BlkioWeight: limits.blkioWeight ?? 0,
    BlkioWeightDevice: (limits.blkioWeightDevice ?? []).map(({ path, value }) => ({ Path: path, Weight: value })),
    BlkioDeviceReadBps: rates(limits.deviceReadBps),
    BlkioDeviceWriteBps: rates(limits.deviceWriteBps),
    BlkioDeviceReadIOps: rates(limits.deviceReadIops),
    BlkioDeviceWriteIOps: rates(limits.deviceWriteIops),
  };
}

const rates = (list: DeviceValue[] = []) => list.map(({ path, value }) => ({ Path: path, Rate: value }));

function graphDriver(engine: Engine, record: ContainerRecord): { Name: StorageDriver; Data: Record<string, string> | null } {
  const { layout, db } = engine;
  const layers = record.imageId === undefined ? [] : imageLayers(db, record.imageId);
  const lower =
    record.config.rootfs === undefined ? layers.map((layer) => `${layout.layers}/${layerFolder(layer)}`).reverse() : [record.config.rootfs];
  const root = containerRoot(engine, record.id, lower);
  if (root.type === "folder") return { Name: "vfs", Data: null };
  const folder = layout.container(record.id);
  return {
    Name: "overlay2",
    Data: {
      LowerDir: lower.join(":"),
      ...(record.process && { MergedDir: `/proc/${record.process.pid}/root` }),
      UpperDir: `${folder}/upper`,
      WorkDir: `${folder}/work`,
    },
  };
}

const portKey = (port: number, protocol: string) => `${port}/${protocol}`;

function portBindings(ports: PortRequest[]): Record<string, { HostIp: string; HostPort: string }[]> {
  const grouped = Map.groupBy(ports, ({ containerPort, protocol }) => portKey(containerPort, protocol));
  const binding = ({ hostIp, hostPort, hostPortLast }: PortRequest) => ({
    HostIp: hostIp,
    HostPort: hostPort === 0 ? "" : hostPortLast === undefined ? String(hostPort) : `${hostPort}-${hostPortLast}`,
  });
  return goMap(Object.fromEntries([...grouped].map(([key, list]) => [key, list.map(binding)])));
}

// The flat fields are the default network's, as docker has them.
function networkSettings({ db }: Engine, record: ContainerRecord): Record<string, unknown> {
  const { id, config, process } = record;
  const endpoints = endpointsOf(db, id);
  const published = Map.groupBy(portsOf(db, id), ({ containerPort, protocol }) => portKey(containerPort, protocol));
  const main = endpoints.find(({ network }) => network.name === DEFAULT_NETWORK);
  const own = main && inspectEndpoint(main, record);
  const isRunning = endpoints.some(({ address }) => address !== undefined);
  return {
    Bridge: "",
    SandboxID: process ? id : "",
    HairpinMode: false,
    LinkLocalIPv6Address: "",
    LinkLocalIPv6PrefixLen: 0,
    SecondaryIPAddresses: null,
    SecondaryIPv6Addresses: null,
    SandboxKey: process ? `/proc/${process.pid}/ns/net` : "",
    Ports: goMap({
      ...Object.fromEntries(isRunning ? config.exposedPorts.map((key) => [key, null]) : []),
      ...Object.fromEntries(
        [...published].map(([key, list]) => [key, list.map(({ hostIp, hostPort }) => ({ HostIp: hostIp, HostPort: String(hostPort) }))]),
      ),
    }),
    EndpointID: own?.EndpointID ?? "",
    Gateway: own?.Gateway ?? "",
    GlobalIPv6Address: own?.GlobalIPv6Address ?? "",
    GlobalIPv6PrefixLen: own?.GlobalIPv6PrefixLen ?? 0,
    IPAddress: own?.IPAddress ?? "",
    IPPrefixLen: own?.IPPrefixLen ?? 0,
    IPv6Gateway: own?.IPv6Gateway ?? "",
    MacAddress: own?.MacAddress ?? "",
    Networks:
      inspectBuiltInEndpoint(record) ??
      goMap(Object.fromEntries(endpoints.map((endpoint) => [endpoint.network.name, inspectEndpoint(endpoint, record)]))),
  };
}
