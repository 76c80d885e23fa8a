/** The verbs of pods: containers that share namespaces, which one of them holds that does nothing else. As podman has them. */
import { mkdirSync } from "../../ffi/files.ts";
import { join } from "../../ffi/path.ts";
import { type ContainerRecord, getContainer } from "../store/containers.ts";
import { containersOfPod, deletePod, findPods, getPod, insertPod, listPods, type PodRecord, type SharedNamespace, setInfra } from "../store/pods.ts";
import { containerState } from "./container-state.ts";
import { CONTAINER_NAME, type ContainerOptions, createContainer } from "./create-container.ts";
import type { Engine } from "./engine.ts";
import { EngineError, NotFound } from "./errors.ts";
import { inspectContainer } from "./inspect-container.ts";
import { generateName } from "./names.ts";
import { randomId } from "./random-id.ts";
import { reconcile } from "./reconcile.ts";
import { removeContainer } from "./remove-container.ts";
import { type StopOptions, stopContainer } from "./signal-container.ts";
import { startContainer } from "./start-container.ts";

export interface PodOptions {
  name: string | undefined;
  labels: Record<string, string>;
  share: SharedNamespace[];
  /** Of the infra container: networks, ports, host name. */
  infra: ContainerOptions;
}

/** Throws {@link NotFound} in podman's words. */
export function resolvePod({ db }: Engine, text: string): PodRecord {
  const [pod, another] = findPods(db, text);
  if (!pod) throw new NotFound(`no pod with name or ID ${text} found: no such pod`);
  if (another) throw new EngineError(`more than one pod found with ID ${text}: it is ambiguous`);
  return pod;
}

/** Makes a pod with its infra container. Throws {@link EngineError}; then nothing stays. */
export function createPod(engine: Engine, { name: wanted, labels, share, infra }: PodOptions, warn: (text: string) => void): PodRecord {
  const { db, layout } = engine;
  const id = randomId();
  const name = wanted ?? generateName(0);
  if (!CONTAINER_NAME.test(name)) throw new EngineError(`Invalid pod name (${name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`);
  try {
    insertPod(db, { id, name, labels, share });
  } catch (error) {
    if (!String((error as { code?: string }).code).startsWith("SQLITE_CONSTRAINT")) throw error;
    throw new EngineError(`name ${name} is in use: pod already exists`);
  }
  const rootfs = join(layout.data, "pause");
  mkdirSync(rootfs, { recursive: true, mode: 0o755 });
  try {
    const hostname = infra.hostname ?? (infra.network === "host" ? undefined : name.slice(0, 63));
    const record = createContainer(
      engine,
      { ...infra, image: "pause", hostname, rootfs, name: `${id.slice(0, 12)}-infra`, pod: id, isInfra: true },
      true,
      warn,
    );
    setInfra(db, id, record.id);
  } catch (error) {
    deletePod(db, getPod(db, id) as PodRecord);
    throw error;
  }
  return getPod(db, id) as PodRecord;
}

/** What a container of a pod has of it: its modes of namespaces. Throws {@link EngineError} where it asks for some of its own. */
export function joinPod(engine: Engine, text: string, options: ContainerOptions): ContainerOptions {
  const { share, infraId, name } = resolvePod(engine, text);
  if (infraId === undefined) throw new EngineError(`pod ${name} has no infra container: its making was interrupted, remove it`);
  const joined = { ...options };
  const mode = `container:${infraId}`;
  if (share.includes("net")) {
    if (options.networking && (options.networking.ports.length > 0 || options.networking.publishAll))
      throw new EngineError("cannot set port bindings on an existing container network namespace: publish ports with 'pod create -p'");
    if (options.hasOwnNetwork) throw new EngineError(`cannot set --network and --pod: pod ${name} shares its network`);
    joined.network = mode;
    joined.networks = [];
  }
  if (share.includes("ipc") && options.ipc === "") joined.ipc = mode;
  if (share.includes("pid") && options.pid === "") joined.pid = mode;
  if (share.includes("uts") && options.uts === "") {
    if (options.hostname !== undefined) throw new EngineError(`cannot set --hostname and --pod: pod ${name} shares its host name`);
    joined.uts = mode;
  }
  return joined;
}

const isRunning = ({ status }: ContainerRecord) => status === "running" || status === "paused";

function membersOf(engine: Engine, pod: PodRecord): ContainerRecord[] {
  return containersOfPod(engine.db, pod.id).flatMap((record) => reconcile(engine, record) ?? []);
}

/** Starts all of a pod, the infra container first. */
export async function startPod(engine: Engine, text: string, warn: (text: string) => void): Promise<PodRecord> {
  const pod = resolvePod(engine, text);
  for (const { id } of membersOf(engine, pod)) {
    const record = getContainer(engine.db, id);
    if (record && !isRunning(record)) await startContainer(engine, record, { attach: false, stdin: false, warn });
  }
  return pod;
}

/** Stops all of a pod, the infra container last. */
export function stopPod(engine: Engine, text: string, options: StopOptions): PodRecord {
  const pod = resolvePod(engine, text);
  for (const { id } of membersOf(engine, pod).toReversed()) if (getContainer(engine.db, id)) stopContainer(engine, id, options);
  return pod;
}

/** Removes a pod with its containers. Throws {@link EngineError} where some run and `force` is not given. */
export function removePod(engine: Engine, text: string, force: boolean): PodRecord {
  const pod = resolvePod(engine, text);
  const members = membersOf(engine, pod);
  const running = members.filter((record) => isRunning(record) && record.id !== pod.infraId);
  if (running.length > 0 && !force)
    throw new EngineError(
      `pod ${pod.name} has running containers (${running.map(({ name }) => name).join(", ")}): stop it, or remove it with --force`,
    );
  for (const { id } of members.toReversed()) removeContainer(engine, id, { force: true, volumes: true, withPod: true });
  deletePod(engine.db, pod);
  return pod;
}

export type PodStatus = "Created" | "Running" | "Degraded" | "Paused" | "Stopped" | "Exited" | "Error";

export interface PodState {
  pod: PodRecord;
  status: PodStatus;
  containers: ContainerRecord[];
}

/** Pods with what their containers do. */
export function podStates(engine: Engine, pods = listPods(engine.db)): PodState[] {
  return pods.map((pod) => {
    const containers = membersOf(engine, pod);
    return { pod, containers, status: statusOf(containers) };
  });
}

// As podman has it (libpod, createPodStatusResults).
function statusOf(containers: ContainerRecord[]): PodStatus {
  const count = (...states: string[]) => containers.filter((record) => states.includes(containerState(record))).length;
  if (containers.length === 0 || count("created") === containers.length) return "Created";
  if (count("paused") === containers.length) return "Paused";
  if (count("running") === containers.length) return "Running";
  if (count("running", "paused", "restarting") > 0) return "Degraded";
  return "Exited";
}

/** In podman's shape. */
export function inspectPod(engine: Engine, text: string): Record<string, unknown> {
  const [state] = podStates(engine, [resolvePod(engine, text)]);
  const { pod, status, containers } = state as PodState;
  const infra = containers.find(({ id }) => id === pod.infraId);
  const { HostConfig, NetworkSettings } = (infra ? inspectContainer(engine, infra) : {}) as Record<string, Record<string, unknown>>;
  return {
    Id: pod.id,
    Name: pod.name,
    Created: new Date(pod.createdAt).toISOString(),
    State: status,
    Hostname: infra?.config.hostname ?? "",
    Labels: pod.labels,
    CreateInfra: true,
    InfraContainerID: pod.infraId ?? "",
    InfraConfig: {
      PortBindings: HostConfig?.PortBindings ?? {},
      Networks: Object.keys((NetworkSettings?.Networks ?? {}) as object),
      HostNetwork: infra?.config.network === "host",
    },
    SharedNamespaces: pod.share,
    NumContainers: containers.length,
    Containers: containers.map((record) => ({ Id: record.id, Name: record.name, State: containerState(record) })),
  };
}
