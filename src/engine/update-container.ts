/** `update`: what can be changed of a container, at once where it runs. */
import { setBandwidth } from "../network/bandwidth.ts";
import { CgroupError } from "../runtime/cgroup/cgroup.ts";
import { openCgroup } from "../runtime/cgroup/open.ts";
import type { Resources } from "../runtime/spec.ts";
import type { Bandwidth, ContainerConfig, Limits, RestartPolicy } from "../store/container-config.ts";
import { updateConfig } from "../store/containers.ts";
import { addContainerEvent } from "../store/events.ts";
import { containerCgroup } from "../store/layout.ts";
import { endpointsOf } from "../store/networks.ts";
import { buildResources } from "./container-spec.ts";
import type { Engine } from "./engine.ts";
import { EngineError } from "./errors.ts";
import { resolveContainer } from "./resolve-container.ts";

export interface Changes {
  limits: Limits;
  bandwidth: Bandwidth | undefined;
  restart: RestartPolicy | undefined;
}

/** Changes a container; what is not named stays. Throws {@link EngineError}, `CgroupError`, `NetworkError`; then all is as it was. */
export function updateContainer(engine: Engine, text: string, changes: Changes): void {
  const { db } = engine;
  const record = resolveContainer(engine, text);
  const { config } = record;
  const wanted: ContainerConfig = { ...config, limits: { ...config.limits, ...changes.limits } };
  if (changes.bandwidth) {
    if (endpointsOf(db, record.id).length === 0 || !config.networking)
      throw new EngineError(`container ${text} has no network of its own to hold to a bandwidth`);
    wanted.networking = { ...config.networking, bandwidth: { ...config.networking.bandwidth, ...changes.bandwidth } };
  }
  if (changes.restart) {
    if (record.autoRemove) throw new EngineError("Restart policy cannot be updated because AutoRemove is enabled for the container");
    wanted.restart = changes.restart;
  }
  if (record.process) {
    if (Object.keys(changes.limits).length > 0) applyLimits(record.id, config, wanted);
    if (wanted.networking?.bandwidth && changes.bandwidth)
      applyBandwidth(record.process.pid, config.networking?.bandwidth, wanted.networking.bandwidth);
  }
  updateConfig(db, record.id, wanted);
  addContainerEvent(db, record.id, "update");
}

function applyBandwidth(pid: number, before: Bandwidth | undefined, wanted: Bandwidth): void {
  try {
    setBandwidth(pid, wanted);
  } catch (error) {
    setBandwidth(pid, before ?? {});
    throw error;
  }
}

function applyLimits(id: string, before: ContainerConfig, wanted: ContainerConfig): void {
  const cgroup = openCgroup(containerCgroup({ id, config: before }));
  if (!cgroup) throw new EngineError("cannot limit a container: this host has no cgroups");
  const limitsOf = (config: ContainerConfig): Resources => {
    const { devices: _, ...limits } = buildResources(config);
    return limits;
  };
  const resources = limitsOf(wanted);
  const folders = cgroup.paths.length;
  cgroup.create(resources);
  // Hierarchies of v1 that nothing asked for before: everything in the container joins them.
  if (cgroup.paths.length > folders) for (const pid of cgroup.pids()) cgroup.joinWhole(pid);
  try {
    cgroup.apply(resources);
  } catch (error) {
    try {
      cgroup.apply(limitsOf(before));
    } catch (second) {
      if (!(second instanceof CgroupError)) throw second; // the first one says what is wrong
    }
    throw error;
  }
}
