/** `create`: a container's record, folders and volumes. */

import { chownSync, lstatSync, mkdirSync, readdirSync, statSync } from "../../ffi/files.ts";
import { findProgram, hostname } from "../../ffi/host.ts";
import { reasonOf } from "../../ffi/libc.ts";
import { toHost } from "../../ffi/owners.ts";
import { resolve } from "../../ffi/path.ts";
import { BUILD_LABEL, type ContainerConfig, type ContainerMount, type Healthcheck, USUAL_CHECK } from "../store/container-config.ts";
import { type ContainerRecord, findContainers, getContainer, insertContainer, releaseCreated } from "../store/containers.ts";
import { writeTransaction } from "../store/database.ts";
import { discardContainer } from "../store/discard-container.ts";
import { insertRange } from "../store/id-ranges.ts";
import { hasImage, type ImageConfig } from "../store/images.ts";
import { ROOTLESS_UID } from "../store/layout.ts";
import { DEFAULT_NETWORK, type EndpointConfig, insertEndpoint, isUserNetwork, type NetworkRecord, USER_NETWORKS } from "../store/networks.ts";
import { ensureVolume, useVolume } from "../store/volumes.ts";
import { resolveCdi } from "./cdi.ts";
import { makeContainerLayer, markContainer } from "./container-layer.ts";
import type { Engine } from "./engine.ts";
import { EngineError, NotFound } from "./errors.ts";
import { logSettings } from "./log-settings.ts";
import { generateName } from "./names.ts";
import { missingCapabilities } from "./process-spec.ts";
import { randomId } from "./random-id.ts";
import { reconcile } from "./reconcile.ts";
import { resolveContainer } from "./resolve-container.ts";
import { resolveImage } from "./resolve-image.ts";
import { networkForContainer } from "./resolve-network.ts";
import { canMapOwners } from "./storage-driver.ts";
import { autoSize, chooseRange, mappingOf, resolveUserns, type Userns, type UsernsOptions } from "./user-namespace.ts";

/** What a user asks for; what is undefined comes from the image. */
export interface ContainerOptions
  extends Omit<
    ContainerConfig,
    | "hostname"
    | "user"
    | "entrypoint"
    | "cmd"
    | "workingDir"
    | "stopSignal"
    | "exposedPorts"
    | "rootfs"
    | "userns"
    | "idMappings"
    | "healthcheck"
    | "log"
  > {
  name: string | undefined;
  rootfs: string | undefined;
  /** Arguments after the image. */
  command: string[];
  /** Empty to have none. */
  entrypoint: string[] | undefined;
  hostname: string | undefined;
  user: string | undefined;
  workingDir: string | undefined;
  stopSignal: string | undefined;
  /** `CONTAINER[:ro|rw]` each. */
  volumesFrom: string[];
  autoRemove: boolean;
  /** Networks it is connected to, the main one first. */
  networks: { name: string; config: EndpointConfig }[];
  /** `80/tcp` each, besides the image's. */
  expose: string[];
  userNamespace: UsernsOptions;
  health: HealthOptions;
  log: { driver: string | undefined; options: Record<string, string> };
  /** Name or id of the pod that it joins, or is the infra container of. */
  pod: string | undefined;
  /** Whether it does nothing but hold the pod's namespaces. */
  isInfra?: boolean;
  /** Whether its networks were asked for, and are not just the usual one. */
  hasOwnNetwork: boolean;
}

/** What flags say of the health check; the rest is the image's, or docker's. Milliseconds. */
export type HealthOptions = Partial<Omit<Healthcheck, "test">> & {
  /** For the image's shell. */
  command?: string;
  isOff: boolean;
};

// An ordinary user's alone.
const loadDelegated = () => require("../runtime/cgroup/delegated.ts") as typeof import("../runtime/cgroup/delegated.ts");
// Few containers need one of these.
const loadLinks = () => require("./links.ts") as typeof import("./links.ts");
const loadVolumes = () => require("./volumes.ts") as typeof import("./volumes.ts");
const loadPods = () => require("./pods.ts") as typeof import("./pods.ts");

export const CONTAINER_NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;

export const nameConflict = (name: string, id: string) =>
  new EngineError(
    `Conflict. The container name "/${name}" is already in use by container "${id}". You have to remove (or rename) that container to be able to reuse that name.`,
  );

/**
 * Makes a container.
 *
 * @param warn told what it will not have
 * @param keep whether it is complete with this, or its caller goes on to start it
 * @throws {EngineError} where name, image or options do not fit; nothing is left behind
 */
export function createContainer(engine: Engine, asked: ContainerOptions, keep: boolean, warn: (text: string) => void): ContainerRecord {
  const options = asked.pod === undefined || asked.isInfra ? asked : loadPods().joinPod(engine, asked.pod, asked);
  const { db, layout } = engine;
  const id = randomId();
  if (options.name !== undefined && !CONTAINER_NAME.test(options.name)) {
    throw new EngineError(`Invalid container name (${options.name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`);
  }
  const image = options.rootfs === undefined ? resolveImage(engine, options.image).image : undefined;
  const config = completeConfig(engine, options, image?.config.config ?? {}, id);
  if (process.env[ROOTLESS_UID] !== undefined) {
    useUserNetwork(config, options, warn);
    const delegated = config.cgroupParent === undefined ? loadDelegated().enterDelegated() : undefined;
    if (delegated !== undefined) config.cgroupParent = delegated;
  }
  const podId = options.pod === undefined ? undefined : loadPods().resolvePod(engine, options.pod).id;
  if (options.rootfs !== undefined) checkRootFolder(options.rootfs);
  resolveCdi(config.cdiDevices ?? []); // refused now, not when it starts
  const missing = missingCapabilities(config);
  if (missing.length > 0) warn(`this host has not all capabilities: the container goes without ${missing.join(", ")}`);
  const networks = (isOwnStack(config.network) ? [] : options.networks).map(({ name, config }) => ({
    network: networkForContainer(engine, name, config),
    config,
  }));

  for (let attempt = 0; ; attempt++) {
    const name = options.name ?? generateName(attempt);
    const taken = insert(engine, { image: options.image, networks }, { id, name, imageId: image?.id, config, autoRemove: options.autoRemove, podId });
    if (!taken) break;
    // Whoever has the name may be gone without having said so.
    if (reconcile(engine, taken) === undefined) continue;
    if (options.name === undefined && attempt < 6) continue;
    throw nameConflict(name, taken.id);
  }
  try {
    makeFolders(engine, id, config, image?.layers);
  } catch (error) {
    discardContainer(db, layout, id, true);
    if (error instanceof EngineError) throw error;
    throw new EngineError(`cannot make the container's folders in ${layout.data}: ${reasonOf(error)}`);
  }
  if (keep) releaseCreated(db, id);
  return getContainer(db, id) as ContainerRecord;
}

// After the record: killed in between, it leads whoever reads it to what is there.
function makeFolders(engine: Engine, id: string, config: ContainerConfig, layers: string[] | undefined): void {
  for (const mount of config.mounts) if (mount.type === "volume") makeVolumeFolder(engine, mount.name, config);
  makeContainerLayer(engine, id, layers, config.idMappings);
  if (config.labels[BUILD_LABEL] === undefined) markContainer(engine, id, config.idMappings);
}

function makeVolumeFolder(engine: Engine, name: string, { idMappings }: ContainerConfig): void {
  const folder = engine.layout.volume(name);
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  // Where no mount can map owners an empty one becomes the container's.
  if (!idMappings || canMapOwners(engine) || readdirSync(folder).length > 0) return;
  chownSync(folder, toHost(idMappings.uids, 0), toHost(idMappings.gids, 0));
}

// Gives the container that has the name already, if one has.
function insert(
  engine: Engine,
  { image, networks }: { image: string; networks: { network: NetworkRecord; config: EndpointConfig }[] },
  record: Parameters<typeof insertContainer>[1],
): ContainerRecord | undefined {
  const { db } = engine;
  return writeTransaction(db, () => {
    const [taken] = findContainers(db, `/${record.name}`);
    if (taken?.name === record.name) return taken;
    // Removed since it was looked up, perhaps.
    if (record.imageId !== undefined && !hasImage(db, record.imageId)) throw new NotFound(`No such image: ${image}`);
    const range = isAuto(record.config) ? chooseRange(db, autoSize(record.config.userns?.split(":")[1])) : undefined;
    if (range) record.config.idMappings = { uids: mappingOf(range), gids: mappingOf(range) };
    insertContainer(db, record);
    if (range) insertRange(db, record.id, range);
    for (const { network, config } of networks) insertEndpoint(db, record.id, network.id, config);
    for (const mount of record.config.mounts) {
      if (mount.type !== "volume") continue;
      const { name, anonymous, labels = {}, options = {} } = mount;
      ensureVolume(db, { name, anonymous, labels, options });
      useVolume(db, record.id, mount.name);
    }
    return undefined;
  });
}

const isOwnStack = (network: string) => isUserNetwork(network) || network === "none" || network === "host";

// Without root there are no bridges: what stands for the default one, or a word.
function useUserNetwork(config: ContainerConfig, { networks }: ContainerOptions, warn: (text: string) => void): void {
  if (isOwnStack(config.network) || config.network.startsWith("container:")) return;
  if (config.network !== DEFAULT_NETWORK || networks.length > 1)
    throw new EngineError(`network ${networks.at(-1)?.name} needs root: an ordinary user has ${USER_NETWORKS.join(", ")}, host and none`);
  const helper = USER_NETWORKS.find((name) => findProgram(name) !== null);
  config.network = helper ?? "none";
  if (!helper) warn(`the container has no network: an ordinary user needs ${USER_NETWORKS.join(" or ")} for one, and neither is installed`);
}

const isAuto = ({ userns }: ContainerConfig) => /^auto(:|$)/.test(userns ?? "");

function checkRootFolder(path: string): void {
  try {
    if (statSync(path).isDirectory()) return;
  } catch (error) {
    throw new EngineError(`invalid root folder ${path}: ${reasonOf(error)}`);
  }
  throw new EngineError(`invalid root folder ${path}: it is not a directory`);
}

function completeConfig(engine: Engine, options: ContainerOptions, image: NonNullable<ImageConfig["config"]>, id: string): ContainerConfig {
  const {
    name: _name,
    command,
    volumesFrom,
    autoRemove: _autoRemove,
    networks: _networks,
    expose,
    rootfs,
    userNamespace,
    health,
    log,
    pod: _pod,
    hasOwnNetwork: _hasOwnNetwork,
    ...rest
  } = options;
  const entrypoint = options.entrypoint ?? image.Entrypoint ?? [];
  // A new entry point does not know what to do with the image's arguments.
  const cmd = command.length > 0 || options.entrypoint !== undefined ? command : (image.Cmd ?? []);
  if (entrypoint.length === 0 && cmd.length === 0) throw new EngineError("No command specified");
  const logging = logSettings(log.driver, log.options);
  const shareOf = (kind: string, value: string) => resolveShared(engine, kind, value);
  const network = shareOf("network", options.network);
  const shared = /^container:(.+)$/.exec(network)?.[1];
  if (shared !== undefined && options.hostname !== undefined) throw new EngineError("conflicting options: hostname and the network mode");
  if (options.uts === "host" && options.hostname !== undefined) throw new EngineError("conflicting options: hostname and the UTS mode");
  const sharesHostName = options.uts === "host" || network === "host";
  const sharedName = sharesHostName ? hostname() : shared === undefined ? undefined : getContainer(engine.db, shared)?.config.hostname;
  const unnamed = options.mounts.filter(isUnnamed).map(({ target }) => target);
  const volumes = [...new Set([...Object.keys(image.Volumes ?? {}), ...unnamed])];
  return {
    ...rest,
    ...(rootfs !== undefined && { rootfs: resolve(rootfs) }),
    entrypoint,
    cmd,
    env: mergeEnvironment(image.Env ?? [], options.env),
    hostname: options.hostname ?? sharedName ?? id.slice(0, 12),
    user: options.user ?? image.User ?? "",
    workingDir: options.workingDir ?? (image.WorkingDir || "/"),
    labels: { ...image.Labels, ...options.labels },
    ...(rest.networking && {
      networking: { ...rest.networking, links: (rest.networking.links ?? []).map((link) => loadLinks().resolveLink(engine, link)) },
    }),
    exposedPorts: [...new Set([...Object.keys(image.ExposedPorts ?? {}), ...expose])],
    stopSignal: options.stopSignal ?? image.StopSignal ?? "SIGTERM",
    network,
    pid: shareOf("pid", options.pid),
    ipc: shareOf("ipc", options.ipc),
    uts: shareOf("uts", options.uts),
    ...withUserns(engine, options),
    ...(logging && { log: logging }),
    ...withHealth(health, image),
    mounts: completeMounts(engine, options.mounts, volumesFrom, volumes),
    ...(volumes.length > 0 && { volumes }),
    ...(volumesFrom.length > 0 && { volumesFrom }),
  };
}

const NANOSECONDS = 1e6; // of a millisecond
function withHealth(
  { command, isOff, ...own }: HealthOptions,
  { Healthcheck: image, Shell = ["/bin/sh", "-c"] }: NonNullable<ImageConfig["config"]>,
): Pick<ContainerConfig, "healthcheck"> {
  const [kind, ...args] = image?.Test ?? [];
  const shell = (text: string) => [...Shell, text];
  const test = command !== undefined ? shell(command) : kind === "CMD-SHELL" ? shell(args[0] ?? "") : kind === "CMD" ? args : [];
  if (isOff || test.length === 0) return {};
  const images = {
    interval: (image?.Interval ?? 0) / NANOSECONDS,
    timeout: (image?.Timeout ?? 0) / NANOSECONDS,
    startPeriod: (image?.StartPeriod ?? 0) / NANOSECONDS,
    startInterval: (image?.StartInterval ?? 0) / NANOSECONDS,
    retries: image?.Retries ?? 0,
  };
  const filled = Object.fromEntries(Object.entries(images).filter(([, value]) => value > 0));
  return { healthcheck: { ...USUAL_CHECK, ...filled, ...own, test } };
}

// What belongs to the host, or to a container of others, is not for who is nobody there. Docker's words.
function withUserns(engine: Engine, options: ContainerOptions): Userns {
  const userns = resolveUserns(engine, options.userNamespace);
  if (!userns.userns) return userns;
  if (options.privileged)
    throw new EngineError(
      "privileged mode is incompatible with user namespaces.  You must run the container in the host namespace when running privileged mode",
    );
  const shared = { network: options.network, pid: options.pid, ipc: options.ipc, uts: options.uts };
  for (const [kind, mode] of Object.entries(shared)) {
    if (mode === "host" && kind !== "uts") throw new EngineError(`cannot share the host's ${kind} namespace when user namespaces are enabled`);
    if (!mode.startsWith("container:")) continue;
    if (userns.userns !== `container:${resolveContainer(engine, mode.slice("container:".length)).id}`)
      throw new EngineError(`cannot join the ${kind} namespace of a container in another user namespace: --userns ${mode} joins that as well`);
  }
  return userns;
}

// `container:NAME` becomes `container:ID`: names can change hands.
function resolveShared(engine: Engine, kind: string, value: string): string {
  if (!value.startsWith("container:")) return value;
  try {
    return `container:${resolveContainer(engine, value.slice("container:".length)).id}`;
  } catch (error) {
    throw error instanceof EngineError ? new EngineError(`cannot join the ${kind} namespace: ${error.message}`) : error;
  }
}

function mergeEnvironment(image: string[], own: string[]): string[] {
  const merged = new Map<string, string>();
  for (const variable of [...image, ...own]) merged.set(variable.split("=", 1)[0] ?? "", variable);
  return [...merged.values()];
}

// Of `-v TARGET`: it is made where nothing else is mounted.
const isUnnamed = (mount: ContainerMount) => mount.type === "volume" && mount.anonymous && !mount.isMount;

const clean = (path: string) => resolve("/", path);

function completeMounts(engine: Engine, own: ContainerMount[], volumesFrom: string[], volumes: string[]): ContainerMount[] {
  const mounts = new Map<string, ContainerMount>();
  for (const source of volumesFrom) {
    const [, name = "", mode] = /^(.*?)(?::(ro|rw|z|Z))?$/.exec(source) ?? [];
    for (const mount of resolveContainer(engine, name).config.mounts) {
      if (mount.type === "tmpfs") continue;
      const { given: _given, isMount: _isMount, ...there } = mount;
      mounts.set(clean(mount.target), { ...there, readOnly: mount.readOnly || mode === "ro" });
    }
  }
  const { asked, inMemory } = withoutDuplicates(own);
  for (const [target, mount] of asked) mounts.set(target, mount);
  for (const target of volumes)
    if (!mounts.has(clean(target)) && !inMemory.has(clean(target)))
      mounts.set(clean(target), { type: "volume", name: "", anonymous: true, target, readOnly: false, noCopy: false });
  for (const mount of mounts.values()) {
    if (mount.type === "volume" && mount.name === "") mount.name = randomId();
    if (mount.type === "volume" && mount.options) loadVolumes().checkVolumeOptions(mount.name, mount.options);
    if (mount.type === "bind") prepareSource(mount);
  }
  return [...mounts.values(), ...inMemory.values()];
}

// By their targets, those of `--tmpfs` apart: what `--mount` says may be below one. Docker's rules.
function withoutDuplicates(own: ContainerMount[]): Record<"asked" | "inMemory", Map<string, ContainerMount>> {
  const asked = new Map<string, ContainerMount>();
  const inMemory = new Map(own.filter(({ type, isMount }) => type === "tmpfs" && !isMount).map((mount) => [clean(mount.target), mount]));
  for (const mount of own) {
    if (isUnnamed(mount) || (mount.type === "tmpfs" && !mount.isMount)) continue;
    const target = clean(mount.target);
    const before = asked.get(target);
    const isRepeated = before?.given !== undefined && before.given === mount.given;
    if ((before && !isRepeated) || (!mount.isMount && inMemory.has(target))) throw new EngineError(`Duplicate mount point: ${mount.target}`);
    asked.set(target, mount);
  }
  return { asked, inMemory };
}

function prepareSource(mount: ContainerMount & { type: "bind" }): void {
  try {
    lstatSync(mount.source);
    return;
  } catch (error) {
    if (!mount.createSource)
      throw new EngineError(`invalid mount config for type "bind": bind source path does not exist: ${mount.source} (${reasonOf(error)})`);
  }
  try {
    mkdirSync(mount.source, { recursive: true, mode: 0o755 });
  } catch (error) {
    throw new EngineError(`cannot make the bind mount's source ${mount.source}: ${reasonOf(error)}`);
  }
}
