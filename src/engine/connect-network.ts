/** `network connect` and `disconnect`: of containers that run, too. */
import { hasCode } from "../../ffi/libc.ts";
import { plugRunning, unplugRunning } from "../network/connect.ts";
import { disconnectEndpoint } from "../network/disconnect.ts";
import { deleteEndpoint, type EndpointConfig, endpointsOf, insertEndpoint } from "../store/networks.ts";
import type { Engine } from "./engine.ts";
import { EngineError } from "./errors.ts";
import { resolveContainer } from "./resolve-container.ts";
import { networkForContainer, resolveNetwork } from "./resolve-network.ts";

/** Connects a container to one more network. Throws {@link EngineError}, `NetworkError`. */
export function connectNetwork(engine: Engine, networkText: string, containerText: string, config: EndpointConfig): void {
  const { db } = engine;
  const container = resolveContainer(engine, containerText);
  const network = networkForContainer(engine, networkText, config);
  const mode = container.config.network;
  if (mode === "host" || mode.startsWith("container:"))
    throw new EngineError(
      `container ${container.id} shares the network of ${mode === "host" ? "the host" : "another container"}, and cannot be connected to ${network.name}`,
    );
  if (endpointsOf(db, container.id).some((endpoint) => endpoint.network.id === network.id))
    throw new EngineError(`endpoint with name ${container.name} already exists in network ${network.name}`);
  insertEndpoint(db, container.id, network.id, config);
  if (!container.process) return;
  try {
    plugRunning(db, engine.layout.data, container.id, network.id, container.process.pid);
  } catch (error) {
    deleteEndpoint(db, container.id, network.id);
    throw error;
  }
}

/** Takes a container off a network. Throws {@link EngineError} where it is not on it. */
export function disconnectNetwork(engine: Engine, networkText: string, containerText: string, force: boolean): void {
  const { db } = engine;
  const container = resolveContainer(engine, containerText);
  const network = resolveNetwork(engine, networkText);
  const endpoint = endpointsOf(db, container.id).find((e) => e.network.id === network.id);
  if (!endpoint) throw new EngineError(`container ${container.id} is not connected to network ${network.name}`);
  if (container.process && endpoint.address !== undefined) {
    try {
      unplugRunning(container.process.pid, endpoint.address);
    } catch (error) {
      if (!force && !hasCode(error, "ENOENT")) throw error;
    }
  }
  disconnectEndpoint(db, engine.layout.data, endpoint);
}
