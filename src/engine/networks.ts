/** The verbs of networks: made, found, removed. */
import { RouteSocket, route } from "../../ffi/netlink/route.ts";
import { contains, formatAddress, formatSubnet, overlaps, parseAddress, parseSubnet, type Subnet } from "../network/address.ts";
import { LINK_MODES } from "../network/connect.ts";
import { Firewall } from "../network/firewall.ts";
import { chooseSubnet, defaultGateway, hostSubnets } from "../network/pool.ts";
import { writeTransaction } from "../store/database.ts";
import {
  DEFAULT_NETWORK,
  deleteNetwork,
  endpointsIn,
  findNetworks,
  insertNetwork,
  listNetworks,
  type NetworkConfig,
  type NetworkDriver,
  type NetworkRecord,
} from "../store/networks.ts";
import type { Engine } from "./engine.ts";
import { EngineError } from "./errors.ts";
import { randomId } from "./random-id.ts";
import { reconcileAll } from "./reconcile.ts";
import { resolveNetwork } from "./resolve-network.ts";

/** Networks that are no records: the host's own, and none. */
export const BUILT_IN = ["host", "none"];
const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;

export interface NetworkOptions {
  driver: NetworkDriver;
  subnet: string | undefined;
  gateway: string | undefined;
  ipRange: string | undefined;
  internal: boolean;
  labels: Record<string, string>;
  options: Record<string, string>;
}

/** Makes a network. Throws {@link EngineError} where its name is taken or its addresses are. */
export function createNetwork(engine: Engine, name: string, options: NetworkOptions): NetworkRecord {
  if (!NAME.test(name)) throw new EngineError(`invalid network name ${JSON.stringify(name)}: only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`);
  if (name === DEFAULT_NETWORK || BUILT_IN.includes(name)) throw new EngineError(`operation is not permitted on predefined ${name} network`);
  return insert(engine, name, options);
}

function insert(engine: Engine, name: string, options: NetworkOptions): NetworkRecord {
  const { db } = engine;
  const id = randomId();
  return writeTransaction(db, () => {
    const networks = listNetworks(db);
    if (networks.some((network) => network.name === name)) throw new EngineError(`network with name ${name} already exists`);
    const taken = networks.flatMap(({ config }) => parseSubnet(config.subnet) ?? []);
    const { driver } = options;
    if (driver !== "bridge" && options.subnet === undefined)
      throw new EngineError(`a ${driver} network needs the subnet of the one it is part of: --subnet`);
    // Beside an interface of the host the subnet is the host's own.
    const subnet = options.subnet === undefined ? chooseSubnet(taken) : ownSubnet(options.subnet, taken, driver === "bridge");
    const inside = (text: string, what: string) => {
      const address = parseAddress(text);
      if (!address || !contains(subnet, address))
        throw new EngineError(`no matching subnet for ${what} ${text}: the network has ${formatSubnet(subnet)}`);
      return formatAddress(address);
    };
    const gateway = options.gateway === undefined ? formatAddress(defaultGateway(subnet)) : inside(options.gateway, "gateway");
    const range = options.ipRange === undefined ? undefined : parseSubnet(options.ipRange);
    if (options.ipRange !== undefined && (!range || !contains(subnet, range.base) || range.prefix < subnet.prefix))
      throw new EngineError(`no matching subnet for range ${options.ipRange}: the network has ${formatSubnet(subnet)}`);
    const bridge = driver === "bridge" ? bridgeName(engine, name, id, options.options) : options.options.parent;
    if (bridge === undefined) throw new EngineError(`a ${driver} network needs an interface of the host: -o parent=NAME`);
    const modes = driver === "bridge" ? undefined : LINK_MODES[driver];
    const mode = modes && (options.options[`${driver}_mode`] ?? Object.keys(modes)[0]);
    if (modes && !(mode !== undefined && mode in modes))
      throw new EngineError(`invalid ${driver}_mode ${JSON.stringify(mode)}: expected ${Object.keys(modes).join(", ")}`);
    const mtu = options.options["com.docker.network.driver.mtu"];
    if (mtu !== undefined && !(Number(mtu) >= 68 && Number(mtu) <= 65535))
      throw new EngineError(`invalid MTU ${JSON.stringify(mtu)}: expected a number from 68 to 65535`);
    const config: NetworkConfig = {
      driver,
      subnet: formatSubnet(subnet),
      gateway,
      ...(range && { ipRange: formatSubnet(range) }),
      internal: options.internal,
      bridge,
      ...(mode !== undefined && { mode }),
      ...(mtu !== undefined && { mtu: Number(mtu) }),
      labels: options.labels,
      options: options.options,
    };
    using routes = new RouteSocket();
    const isThere = routes.link(bridge) !== undefined;
    if (driver === "bridge" && isThere) throw new EngineError(`cannot make network ${name}: the host has an interface ${bridge} already`);
    if (driver !== "bridge" && !isThere) throw new EngineError(`cannot make network ${name}: the host has no interface ${bridge}`);
    insertNetwork(db, { id, name, config });
    // Under the lock: the table is made from what the store has.
    using firewall = new Firewall(db, engine.layout.data);
    firewall.rebuild();
    return findNetworks(db, id)[0] as NetworkRecord;
  });
}

function bridgeName(engine: Engine, name: string, id: string, options: Record<string, string>): string {
  const isUsual = name === DEFAULT_NETWORK && engine.layout.data === "/var/lib/berth";
  const bridge = options["com.docker.network.bridge.name"] ?? (isUsual ? "berth0" : `br-${id.slice(0, 12)}`);
  if (Buffer.byteLength(bridge) > 15 || /[/\s]/.test(bridge))
    throw new EngineError(`invalid name of a bridge ${JSON.stringify(bridge)}: expected at most 15 characters`);
  return bridge;
}

function ownSubnet(text: string, taken: Subnet[], isNew: boolean): Subnet {
  const subnet = parseSubnet(text);
  if (subnet?.base.length !== 4) throw new EngineError(`invalid subnet ${text}: expected IPv4 ADDRESS/PREFIX, such as 10.1.0.0/16`);
  if (subnet.prefix > 30) throw new EngineError(`invalid subnet ${text}: it has no room for a gateway and a container`);
  using routes = new RouteSocket();
  if ([...taken, ...(isNew ? hostSubnets(routes) : [])].some((other) => overlaps(subnet, other)))
    throw new EngineError(`invalid pool request: Pool overlaps with other one on this address space: ${text}`);
  return subnet;
}

/** What `network ls` lists: records, and what needs none. */
export function allNetworks({ db }: Engine): (Pick<NetworkRecord, "id" | "name" | "createdAt"> & { driver: string; config?: NetworkConfig })[] {
  const builtIn = BUILT_IN.map((name) => ({
    id: new Bun.CryptoHasher("sha256").update(name).digest("hex"),
    name,
    createdAt: 0,
    driver: name === "none" ? "null" : name,
  }));
  const records = listNetworks(db).map((network) => ({ ...network, driver: network.config.driver }));
  return [...records, ...builtIn].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The default network, made where it is not there yet. */
export function ensureDefaultNetwork(engine: Engine): NetworkRecord {
  return writeTransaction(engine.db, () => {
    const [found] = findNetworks(engine.db, DEFAULT_NETWORK);
    if (found?.name === DEFAULT_NETWORK) return found;
    return insert(engine, DEFAULT_NETWORK, {
      driver: "bridge",
      subnet: undefined,
      gateway: undefined,
      ipRange: undefined,
      internal: false,
      labels: {},
      options: {},
    });
  });
}

/** Removes a network and its bridge. Throws {@link EngineError} where containers are connected. */
export function removeNetwork(engine: Engine, text: string): NetworkRecord {
  const { db } = engine;
  const refuse = (name: string) => new EngineError(`${name} is a pre-defined network and cannot be removed`);
  if (text === DEFAULT_NETWORK || BUILT_IN.includes(text)) throw refuse(text);
  reconcileAll(engine);
  return writeTransaction(db, () => {
    const network = resolveNetwork(engine, text);
    if (network.name === DEFAULT_NETWORK) throw refuse(network.name); // named by its id
    const connected = endpointsIn(db, network.id);
    if (connected.length > 0) {
      const ids = connected.map(({ containerId }) => containerId.slice(0, 12)).join(", ");
      throw new EngineError(`error while removing network: network ${network.name} id ${network.id} has active endpoints (${ids})`);
    }
    deleteNetwork(db, network.id);
    using routes = new RouteSocket();
    const link = network.config.driver === "bridge" ? routes.link(network.config.bridge) : undefined;
    if (link) routes.request(route.deleteLink(link.index));
    using firewall = new Firewall(db, engine.layout.data);
    firewall.rebuild();
    return network;
  });
}

/**
 * Removes networks that nothing is connected to; gives their names. The default one stays,
 * but not its bridge, which the next container makes again.
 */
export function pruneNetworks(engine: Engine, isWanted: (network: NetworkRecord) => boolean): string[] {
  const removed: string[] = [];
  repairNetworks(engine);
  for (const network of listNetworks(engine.db)) {
    if (network.name === DEFAULT_NETWORK || endpointsIn(engine.db, network.id).length > 0 || !isWanted(network)) continue;
    try {
      removed.push(removeNetwork(engine, network.id).name);
    } catch (error) {
      if (!(error instanceof EngineError)) throw error; // used by now
    }
  }
  dismantleIdle(engine);
  return removed;
}

// Takes from the kernel what no container that runs needs.
function dismantleIdle(engine: Engine): void {
  const { db } = engine;
  writeTransaction(db, () => {
    const networks = listNetworks(db);
    const isIdle = ({ id }: NetworkRecord) => endpointsIn(db, id).every(({ address }) => address === undefined);
    using routes = new RouteSocket();
    for (const network of networks.filter((candidate) => isIdle(candidate) && candidate.config.driver === "bridge")) {
      const link = routes.link(network.config.bridge);
      if (link) routes.request(route.deleteLink(link.index));
    }
    using firewall = new Firewall(db, engine.layout.data);
    if (networks.every(isIdle)) firewall.remove();
  });
}

/** Brings the firewall's table in step with the store, whoever changed it. */
export function repairNetworks(engine: Engine): void {
  reconcileAll(engine);
  writeTransaction(engine.db, () => {
    using firewall = new Firewall(engine.db, engine.layout.data);
    firewall.rebuild();
  });
}
