/** From a container's record to the OCI configuration that runtime/ takes, with docker's defaults. */

import { type IdExtent, inUserNamespace, ownIdMaps } from "../../ffi/credentials.ts";
import { existsSync, mkdirSync } from "../../ffi/files.ts";
import { isKernelAtLeast } from "../../ffi/kernel-features.ts";
import { join } from "../../ffi/path.ts";
import type { NamedUser } from "../runtime/channel.ts";
import type { Root } from "../runtime/rootfs/root.ts";
import type { Mount, Namespace, NamespaceType, Resources, Spec } from "../runtime/spec.ts";
import type { ContainerConfig, ContainerMount, DeviceRequest, DeviceValue, Limits } from "../store/container-config.ts";
import type { ContainerRecord } from "../store/containers.ts";
import { hasImage, imageLayers } from "../store/images.ts";
import { containerCgroup, layerFolder } from "../store/layout.ts";
import { getVolume } from "../store/volumes.ts";
import { resolveCdi } from "./cdi.ts";
import { ownersOf } from "./container-layer.ts";
import { addressableDevices, allHostDevices, DEFAULT_DEVICE_RULES, deviceNumber } from "./devices.ts";
import type { Engine } from "./engine.ts";
import { EngineError } from "./errors.ts";
import { checkLinks, linkVariables } from "./link-variables.ts";
import { MASKED_PATHS, READONLY_PATHS } from "./masked-paths.ts";
import { buildProcess, hasUserNamespace } from "./process-spec.ts";
import { reconcile } from "./reconcile.ts";
import { resolveContainer } from "./resolve-container.ts";
import { compiledSeccomp } from "./seccomp/compiled.ts";
import { canMapOwners, containerRoot } from "./storage-driver.ts";

/** Everything runtime/ needs for a container. */
export interface ContainerSpec {
  spec: Spec;
  root: Root;
  namedUser: NamedUser;
}

/** Throws {@link EngineError} where a container whose namespaces it joins is not running. */
export function buildContainerSpec(engine: Engine, record: ContainerRecord): ContainerSpec {
  const { config } = record;
  const cdi = resolveCdi(config.cdiDevices ?? []);
  checkLinks(engine, record);
  const process = buildProcess(config, config.isInfra ? [] : [...config.entrypoint, ...config.cmd], linkVariables(engine, record));
  const devices = [...config.devices, ...cdi.devices];
  const spec: Spec = {
    ociVersion: "1.2.0",
    process: { ...process, env: [...process.env, ...cdi.env] },
    root: { path: "rootfs", readonly: config.readOnly },
    mounts: [...buildContainerMounts(engine, record), ...cdi.mounts, ...(hasUserNamespace(config) ? bindDevices(devices) : [])].map((mount) =>
      withOwners(engine, mount, config),
    ),
    annotations: config.annotations,
    ...(Object.keys(cdi.hooks).length > 0 && { hooks: cdi.hooks }),
    linux: {
      namespaces: buildNamespaces(engine, config),
      cgroupsPath: containerCgroup(record),
      resources: buildResources({ ...config, devices }),
      sysctl: { ...usualSysctls(config), ...config.sysctls },
      ...compiledSeccomp(engine.layout, config, process.capabilities?.bounding ?? []),
      ...idMappingsOf(config),
      devices: config.privileged ? allHostDevices() : hasUserNamespace(config) ? [] : addressableDevices(devices),
      ...(!config.privileged && !config.security?.systemPathsUnconfined && { maskedPaths: MASKED_PATHS, readonlyPaths: READONLY_PATHS }),
    },
  };
  // A host's or another container's name is not ours to set.
  if (config.uts === "") {
    spec.hostname = config.hostname;
    if (config.domainname) spec.domainname = config.domainname;
  }
  return { spec, root: buildRoot(engine, record), namedUser: { user: config.user, groups: [...config.groupAdd, ...cdi.groups] } };
}

// Docker's: who is not root may have any port of a network of the container's own, and ping.
function usualSysctls(config: ContainerConfig): Record<string, string> {
  if (config.network === "host" || config.network.startsWith("container:") || !isKernelAtLeast("4.11")) return {};
  const pings = { "net.ipv4.ping_group_range": "0 2147483647" }; // not where ids are not mapped
  return { "net.ipv4.ip_unprivileged_port_start": "0", ...(!hasUserNamespace(config) && pings) };
}

function buildNamespaces(engine: Engine, config: ContainerConfig): Namespace[] {
  const namespaces: Namespace[] = [{ type: "mount" }];
  if (config.cgroupns !== "host") namespaces.push({ type: "cgroup" });
  const add = (type: NamespaceType, file: string, mode: string) => {
    if (mode === "host") return;
    namespaces.push(mode.startsWith("container:") ? { type, path: `/proc/${pidToJoin(engine, type, mode)}/ns/${file}` } : { type });
  };
  // In an ordinary user's engine each container has one; who joins another one's namespaces has to be in that, or may not.
  const shared = [config.pid, config.ipc, config.uts, config.network].find((mode) => mode.startsWith("container:"));
  const owner = config.userns?.startsWith("container:") ? config.userns : !config.idMappings && inUserNamespace() ? shared : undefined;
  if (owner) namespaces.push({ type: "user", path: `/proc/${pidToJoin(engine, "user", owner)}/ns/user` });
  else if (config.idMappings || inUserNamespace()) namespaces.push({ type: "user" });
  add("pid", "pid", config.pid);
  add("ipc", "ipc", config.ipc);
  add("uts", "uts", config.uts);
  add("network", "net", config.network);
  return namespaces;
}

function pidToJoin(engine: Engine, type: string, mode: string): number {
  const record = resolveContainer(engine, mode.slice("container:".length));
  const current = reconcile(engine, record);
  if (current?.status !== "running" || !current.process)
    throw new EngineError(`cannot join ${type} namespace of a non running container: ${record.id}`);
  return current.process.pid;
}

const EMPTY = "empty";

/** The root of a container: its image's layers, or its folder, under a layer of its own. */
export function buildRoot(engine: Engine, record: ContainerRecord): Root {
  const { db } = engine;
  const { rootfs } = record.config;
  const { id, imageId } = record;
  if (rootfs === undefined && (imageId === undefined || !hasImage(db, imageId))) throw new EngineError(`container ${id} has no image`);
  const layers = imageId === undefined ? [] : imageLayers(db, imageId);
  const lower = rootfs === undefined ? layers.map((layer) => `layers/${layerFolder(layer)}`).reverse() : [rootfs];
  // Of an image without layers: overlay wants at least one.
  if (lower.length === 0) {
    mkdirSync(join(engine.layout.data, EMPTY), { recursive: true, mode: 0o755 });
    lower.push(EMPTY);
  }
  const root = containerRoot(engine, id, lower);
  if (root.type === "overlay" && record.autoRemove) root.isVolatile = true;
  if (!record.config.idMappings) return root;
  return { ...root, owners: ownersOf(engine, record) ? "own" : "mapped" };
}

// A user's engine is root in a user namespace already; its containers get one below that, in which the ids are the same.
function idMappingsOf({ idMappings }: ContainerConfig): Pick<Spec["linux"], "uidMappings" | "gidMappings"> {
  if (idMappings) return { uidMappings: idMappings.uids, gidMappings: idMappings.gids };
  if (!inUserNamespace()) return {};
  const same = (extents: IdExtent[]) => extents.map(({ first, size }) => ({ containerID: first, hostID: first, size }));
  const { uids, gids } = ownIdMaps();
  return { uidMappings: same(uids), gidMappings: same(gids) };
}

// What is the engine's own, volumes too, has on disk the owners it has in a container: one in a user namespace sees them mapped.
function withOwners(engine: Engine, mount: Mount, { idMappings }: ContainerConfig): Mount {
  if (!idMappings || !canMapOwners(engine)) return mount;
  const { layout } = engine;
  const isOwn = layout.privateFolders.some((folder) => mount.source?.startsWith(`${folder}/`));
  return mount.type === "bind" && isOwn ? { ...mount, uidMappings: idMappings.uids, gidMappings: idMappings.gids } : mount;
}

// In a user namespace no node can be made: the host's are bound there.
function bindDevices(devices: DeviceRequest[]): Mount[] {
  return devices.map(({ host, container }) => ({ destination: container, type: "bind", source: host, options: ["bind", "rprivate"] }));
}

/** All mounts of a container, inner ones after outer ones. */
export function buildContainerMounts(engine: Engine, record: ContainerRecord): Mount[] {
  const { config, id } = record;
  const access = config.privileged ? "rw" : "ro";
  const queues = hostsOwn("/dev/mqueue", config.ipc, config) ?? {
    destination: "/dev/mqueue",
    type: "mqueue",
    source: "mqueue",
    options: ["nosuid", "noexec", "nodev"],
  };
  const mounts: Mount[] = [
    hostsOwn("/proc", config.pid, config) ?? { destination: "/proc", type: "proc", source: "proc", options: ["nosuid", "noexec", "nodev"] },
    { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "strictatime", "mode=755", "size=65536k"] },
    {
      destination: "/dev/pts",
      type: "devpts",
      source: "devpts",
      options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", ...(hasTtyGroup(config) ? ["gid=5"] : [])],
    },
    hostsOwn("/sys", config.network, config, "ro") ?? {
      destination: "/sys",
      type: "sysfs",
      source: "sysfs",
      options: ["nosuid", "noexec", "nodev", access],
    },
    { destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: [access, "nosuid", "noexec", "nodev"] },
    ...(queues.type === "mqueue" || existsSync(queues.destination) ? [queues] : []),
    ...(config.ipc === "none" ? [] : [sharedMemory(engine, config)]),
  ];
  // Who shares a network knows the names that belong to it.
  const shared = /^container:(.+)$/.exec(config.network)?.[1];
  const names = engine.layout.container(shared ?? id);
  for (const name of ["resolv.conf", "hostname", "hosts"]) {
    const options = ["rbind", "rprivate", ...(config.readOnly ? ["ro"] : [])];
    mounts.push({ destination: `/etc/${name}`, type: "bind", source: `${names}/${name}`, options });
  }
  // What the user mounts takes the place of what everybody gets.
  const replaced = new Set(config.mounts.map((mount) => mount.target.replace(/\/+$/, "")));
  return [...mounts.filter((mount) => !replaced.has(mount.destination)), ...outerFirst(config.mounts).map((mount) => toMount(engine, mount))];
}

// What belongs to a namespace is for its owner to mount, so the host's is bound in a user namespace.
function hostsOwn(destination: string, mode: string, config: ContainerConfig, ...more: string[]): Mount | undefined {
  if (mode !== "host" || !hasUserNamespace(config)) return undefined;
  return { destination, type: "bind", source: destination, options: ["rbind", "rslave", "nosuid", "noexec", "nodev", ...more] };
}

// devpts takes no group that its user namespace has not.
function hasTtyGroup({ idMappings }: ContainerConfig): boolean {
  const has = (first: number, size: number) => first <= 5 && 5 < first + size;
  return idMappings
    ? idMappings.gids.some(({ containerID, size }) => has(containerID, size))
    : !inUserNamespace() || ownIdMaps().gids.some(({ first, size }) => has(first, size));
}

/** Volumes and binds of a container that does not run, as it has them. */
export function ownMounts(engine: Engine, { config }: ContainerRecord): Mount[] {
  return outerFirst(config.mounts.filter(({ type }) => type !== "tmpfs")).map((mount) => toMount(engine, mount));
}

const depth = ({ target }: ContainerMount) => target.split("/").filter(Boolean).length;
const outerFirst = (mounts: ContainerMount[]) => mounts.toSorted((a, b) => depth(a) - depth(b));

// POSIX shared memory lives in files, so who shares an IPC namespace must share these too.
function sharedMemory(engine: Engine, config: ContainerConfig): Mount {
  const destination = "/dev/shm";
  if (config.ipc === "host") return { destination, type: "bind", source: destination, options: ["rbind"] };
  if (config.ipc.startsWith("container:")) {
    return { destination, type: "bind", source: `/proc/${pidToJoin(engine, "ipc", config.ipc)}/root${destination}`, options: ["bind"] };
  }
  return { destination, type: "tmpfs", source: "shm", options: ["nosuid", "noexec", "nodev", "mode=1777", `size=${config.shmSize}`] };
}

function toMount(engine: Engine, mount: ContainerMount): Mount {
  const destination = mount.target;
  switch (mount.type) {
    case "tmpfs":
      return { destination, type: "tmpfs", source: "tmpfs", options: mount.options };
    case "volume": {
      const own = getVolume(engine.db, mount.name)?.options ?? {};
      // Of a file system of its own; a bind is one of the host's folders.
      if (own.type && own.o?.split(",").every((option) => !/^r?bind$/.test(option)) !== false && own.type !== "none")
        return {
          destination,
          type: own.type,
          source: own.device ?? own.type,
          // As open as it is where it is mounted for all who share it.
          options: [...(own.type === "tmpfs" ? ["mode=1777"] : []), ...(own.o?.split(",") ?? []), ...(mount.readOnly ? ["ro"] : [])],
        };
      if (own.device) return { destination, type: "bind", source: own.device, options: ["rbind", "rprivate", ...(mount.readOnly ? ["ro"] : [])] };
      const { subpath } = mount;
      const options = ["rbind", "rprivate", ...(mount.readOnly ? ["ro"] : []), ...(mount.noCopy || subpath ? [] : ["copyup"])];
      return { destination, type: "bind", source: engine.layout.volume(mount.name), ...(subpath && { subpath }), options };
    }
    case "bind": {
      const options = [
        mount.recursive ? "rbind" : "bind",
        mount.propagation || "rprivate",
        ...(mount.readOnly ? ["ro"] : []),
        ...(mount.readOnlyBelow ? ["rro"] : []),
      ];
      const { subpath } = mount;
      return { destination, type: "bind", source: mount.source, ...(subpath && { subpath }), options };
    }
  }
}

/** A container's limits and device rules in OCI's words. */
export function buildResources(config: ContainerConfig): Resources {
  const { limits } = config;
  const resources: Resources = {
    devices: config.privileged
      ? [{ allow: true, access: "rwm" }]
      : [
          ...DEFAULT_DEVICE_RULES,
          ...addressableDevices(config.devices).map(ruleOf),
          ...(config.deviceCgroupRules ?? []).map((rule) => ({ allow: true, ...rule })),
        ],
  };
  const memory = memoryLimits(limits);
  if (Object.keys(memory).length > 0) resources.memory = memory;
  const cpu = cpuLimits(limits);
  if (Object.keys(cpu).length > 0) resources.cpu = cpu;
  const blockIO = blockLimits(limits);
  if (Object.keys(blockIO).length > 0) resources.blockIO = blockIO;
  const pages = hugepageLimits(config.annotations);
  if (pages.length > 0) resources.hugepageLimits = pages;
  if (limits.pidsLimit !== undefined && limits.pidsLimit !== 0) resources.pids = { limit: limits.pidsLimit };
  return resources;
}

function ruleOf(device: ReturnType<typeof addressableDevices>[number]): NonNullable<Resources["devices"]>[number] {
  return { allow: true, type: device.type === "b" ? "b" : "c", major: device.major, minor: device.minor, access: device.access };
}

// Without a word on swap docker gives as much of it as of memory.
function memoryLimits(limits: Limits): NonNullable<Resources["memory"]> {
  const { memory, memorySwap, memoryReservation, memorySwappiness, oomKillDisable } = limits;
  const swap = memorySwap !== undefined && memorySwap !== 0 ? memorySwap : memory !== undefined ? memory * 2 : undefined;
  return {
    ...(memory !== undefined && { limit: memory }),
    ...(swap !== undefined && { swap }),
    ...(memoryReservation !== undefined && { reservation: memoryReservation }),
    ...(memorySwappiness !== undefined && { swappiness: memorySwappiness }),
    ...(oomKillDisable && { disableOOMKiller: true }),
  };
}

const CPU_PERIOD = 100_000; // microseconds

function cpuLimits(limits: Limits): NonNullable<Resources["cpu"]> {
  const { nanoCpus, cpuPeriod, cpuQuota, cpuShares, cpusetCpus, cpusetMems, cpuRtPeriod, cpuRtRuntime } = limits;
  return {
    ...(nanoCpus !== undefined && { period: CPU_PERIOD, quota: Math.floor((nanoCpus * CPU_PERIOD) / 1e9) }),
    ...(cpuPeriod !== undefined && { period: cpuPeriod }),
    ...(cpuQuota !== undefined && { quota: cpuQuota }),
    ...(cpuShares !== undefined && { shares: cpuShares }),
    ...(cpusetCpus !== undefined && { cpus: cpusetCpus }),
    ...(cpusetMems !== undefined && { mems: cpusetMems }),
    ...(cpuRtPeriod !== undefined && { realtimePeriod: cpuRtPeriod }),
    ...(cpuRtRuntime !== undefined && { realtimeRuntime: cpuRtRuntime }),
  };
}

function blockLimits(limits: Limits): NonNullable<Resources["blockIO"]> {
  const numbered = (list: DeviceValue[] = []) => list.map(({ path, value }) => ({ ...deviceNumber(path), value }));
  const throttles = (list: DeviceValue[] | undefined) => numbered(list).map(({ value, ...device }) => ({ ...device, rate: value }));
  const { blkioWeight, blkioWeightDevice, deviceReadBps, deviceWriteBps, deviceReadIops, deviceWriteIops } = limits;
  return {
    ...(blkioWeight && { weight: blkioWeight }),
    ...(blkioWeightDevice && { weightDevice: numbered(blkioWeightDevice).map(({ value, ...device }) => ({ ...device, weight: value })) }),
    ...(deviceReadBps && { throttleReadBpsDevice: throttles(deviceReadBps) }),
    ...(deviceWriteBps && { throttleWriteBpsDevice: throttles(deviceWriteBps) }),
    ...(deviceReadIops && { throttleReadIOPSDevice: throttles(deviceReadIops) }),
    ...(deviceWriteIops && { throttleWriteIOPSDevice: throttles(deviceWriteIops) }),
  };
}

/** Annotations `berth.hugepages.2MB=64m` limit pages of that size. */
const HUGEPAGES = "berth.hugepages.";

function hugepageLimits(annotations: Record<string, string>): NonNullable<Resources["hugepageLimits"]> {
  return Object.entries(annotations).flatMap(([name, value]) => {
    if (!name.startsWith(HUGEPAGES)) return [];
    const [, number, unit = ""] = /^(\d+)([kmg]?)b?$/i.exec(value) ?? [];
    if (number === undefined) throw new EngineError(`invalid annotation ${name}=${value}: expected a size, such as 64m`);
    return [{ pageSize: name.slice(HUGEPAGES.length), limit: Number(number) * 1024 ** ["", "k", "m", "g"].indexOf(unit.toLowerCase()) }];
  });
}
