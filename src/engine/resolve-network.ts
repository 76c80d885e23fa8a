/** From what a user typed to a network's record. */
import { contains, parseAddress, subnetOf } from "../network/address.ts";
import { DEFAULT_NETWORK, type EndpointConfig, findNetworks, type NetworkRecord } from "../store/networks.ts";
import type { Engine } from "./engine.ts";
import { EngineError, NotFound } from "./errors.ts";

// Once in an engine's life; all other commands do without what it needs of the kernel.
const loadNetworks = () => require("./networks.ts") as typeof import("./networks.ts");

/** A network by name or id. Throws {@link NotFound} with docker's words. */
export function resolveNetwork(engine: Engine, text: string): NetworkRecord {
  const found = findNetworks(engine.db, text);
  if (found.length > 1) throw new EngineError(`${text} is the beginning of more than one network id`);
  const [network] = found;
  if (network) return network;
  if (text === DEFAULT_NETWORK) return loadNetworks().ensureDefaultNetwork(engine);
  throw new NotFound(`network ${text} not found`);
}

/** The network that a container is to be connected to. Throws {@link EngineError} where it cannot have what it wants there. */
export function networkForContainer(engine: Engine, name: string, config: EndpointConfig): NetworkRecord {
  const network = resolveNetwork(engine, name);
  if (network.name === DEFAULT_NETWORK) {
    if ((config.ip ?? config.ip6) !== undefined) throw new EngineError("user specified IP address is supported on user defined networks only");
    if (config.aliases.length > 0) throw new EngineError("network-scoped alias is supported only for containers in user defined networks");
  }
  for (const [wanted, pool] of [
    [config.ip, network.config],
    [config.ip6, network.config.ipv6],
  ] as const) {
    const address = wanted === undefined ? undefined : parseAddress(wanted);
    if (wanted !== undefined && !(address && pool && contains(subnetOf(pool.subnet), address)))
      throw new EngineError(`invalid config for network ${network.name}: no configured subnet contains IP address ${wanted}`);
  }
  return network;
}
