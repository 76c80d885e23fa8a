/** `update`: what can be changed of a container, at once where it runs. */
import { setBandwidth } from "../network/bandwidth.ts";
import type { Bandwidth } from "../store/container-config.ts";
import { updateConfig } from "../store/containers.ts";
import { endpointsOf } from "../store/networks.ts";
import type { Engine } from "./engine.ts";
import { EngineError } from "./errors.ts";
import { resolveContainer } from "./resolve-container.ts";

/** Changes a container; what is not named stays. Throws {@link EngineError}, `NetworkError`. */
export function updateContainer(engine: Engine, text: string, changes: { bandwidth: Bandwidth }): void {
  const { db } = engine;
  const record = resolveContainer(engine, text);
  const { config } = record;
  if (endpointsOf(db, record.id).length === 0 || !config.networking)
    throw new EngineError(`container ${text} has no network of its own to hold to a bandwidth`);
  const bandwidth = { ...config.networking.bandwidth, ...changes.bandwidth };
  if (record.status === "running" && record.process) setBandwidth(record.process.pid, bandwidth);
  updateConfig(db, record.id, { ...config, networking: { ...config.networking, bandwidth } });
}
