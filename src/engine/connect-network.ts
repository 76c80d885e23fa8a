/** `network connect` and `disconnect`: of containers that run, too. */
import { hasCode } from "../../ffi/libc.ts";
import { setBandwidth } from "../network/bandwidth.ts";
import { plugRunning, unplugRunning } from "../network/connect.ts";
import { disconnectEndpoint } from "../network/disconnect.ts";
import type { ContainerLink } from "../store/container-config.ts";
import { deleteEndpoint, type EndpointConfig, endpointsOf, forgetLostEndpoint, insertEndpoint } from "../store/networks.ts";
import { tellOfNetworks } from "./call-monitor.ts";
import type { Engine } from "./engine.ts";
import { EngineError } from "./errors.ts";
import { addLinks, resolveLink } from "./links.ts";
import { resolveContainer } from "./resolve-container.ts";
import { networkForContainer, resolveNetwork } from "./resolve-network.ts";

/** Connects a container to one more network; gives what was changed on the host for it, in words. Throws {@link EngineError}, `NetworkError`. */
export function connectNetwork(
  engine: Engine,
  networkText: string,
  containerText: string,
  config: EndpointConfig,
  links: ContainerLink[] = [],
): string[] {
  const { db } = engine;
  const container = resolveContainer(engine, containerText);
  const network = networkForContainer(engine, networkText, config);
  const mode = container.config.network;
  if (mode === "none")
    throw new EngineError(`container ${container.id} was made without a network (none), and cannot be connected to ${network.name}`);
  if (mode === "host" || mode.startsWith("container:"))
    throw new EngineError(
      `container ${container.id} shares the network of ${mode === "host" ? "the host" : "another container"}, and cannot be connected to ${network.name}`,
    );
  if (endpointsOf(db, container.id).some((endpoint) => endpoint.network.id === network.id))
    throw new EngineError(`endpoint with name ${container.name} already exists in network ${network.name}`);
  const resolved = links.map((link) => resolveLink(engine, link));
  insertEndpoint(db, container.id, network.id, config);
  if (!container.process) {
    addLinks(engine, container.id, resolved);
    return [];
  }
  const { pid } = container.process;
  try {
    const warnings = plugRunning(db, engine.layout.data, container.id, network.id, pid);
    if (container.config.networking?.bandwidth) setBandwidth(pid, container.config.networking.bandwidth);
    addLinks(engine, container.id, resolved);
    return [...warnings, ...tellOfNetworks(engine, container)];
  } catch (error) {
    deleteEndpoint(db, container.id, network.id);
    throw error;
  }
}

/** Takes a container off a network; gives what could not be told in it, in words. Throws {@link EngineError} where it is not on it. */
export function disconnectNetwork(engine: Engine, networkText: string, containerText: string, force: boolean): string[] {
  const { db } = engine;
  const container = resolveContainer(engine, containerText);
  if (forgetLostEndpoint(db, container.id, networkText)) return [];
  const network = resolveNetwork(engine, networkText);
  const endpoints = endpointsOf(db, container.id);
  const endpoint = endpoints.find((e) => e.network.id === network.id);
  if (!endpoint) throw new EngineError(`container ${container.id} is not connected to network ${network.name}`);
  if (container.process && endpoint.address !== undefined) {
    try {
      const others = endpoints.filter((other) => other !== endpoint && other.address !== undefined);
      unplugRunning(container.process.pid, endpoint, others);
    } catch (error) {
      if (!force && !hasCode(error, "ENOENT")) throw error;
    }
  }
  disconnectEndpoint(db, engine.layout.data, endpoint);
  return tellOfNetworks(engine, container);
}
