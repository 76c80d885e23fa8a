/** The verbs of networks: made, found, removed. */
import { RouteSocket } from "../../ffi/netlink/route.ts";
import { removeLink } from "../network/bridge.ts";
import { LINK_MODES } from "../network/connect.ts";
import { NetworkError } from "../network/errors.ts";
import { Firewall } from "../network/firewall.ts";
import { writeTransaction } from "../store/database.ts";
import { DEFAULT_DATA, ROOTLESS_UID } from "../store/layout.ts";
import {
  DEFAULT_NETWORK,
  deleteNetwork,
  type Endpoint,
  endpointsIn,
  findNetworks,
  insertNetwork,
  listNetworks,
  loseEndpoints,
  type NetworkConfig,
  type NetworkRecord,
} from "../store/networks.ts";
import { choosePools, DRIVER_OPTIONS, type PoolOptions } from "./choose-pools.ts";
import type { Engine } from "./engine.ts";
import { EngineError } from "./errors.ts";
import { BUILT_IN } from "./list-networks.ts";
import { randomId } from "./random-id.ts";
import { reconcileAll } from "./reconcile.ts";
import { resolveNetwork } from "./resolve-network.ts";

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;

export interface NetworkOptions extends PoolOptions {
  internal: boolean;
  attachable?: boolean;
  labels: Record<string, string>;
  ipamOptions?: Record<string, string>;
}

/** Makes a network. Throws {@link EngineError} where its name is taken or its addresses are. */
export function createNetwork(engine: Engine, name: string, options: NetworkOptions): NetworkRecord {
  if (process.env[ROOTLESS_UID] !== undefined) throw new EngineError("networks need root: nobody else may make bridges");
  if (!NAME.test(name)) throw new EngineError(`invalid network name ${JSON.stringify(name)}: only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`);
  if (name === DEFAULT_NETWORK || BUILT_IN.includes(name)) throw new EngineError(`operation is not permitted on predefined ${name} network`);
  makeDefaultFirst(engine);
  return insert(engine, name, options);
}

/** The default network has the first addresses that are free, as scripts expect; where there are none, others go without it. */
export function makeDefaultFirst(engine: Engine): void {
  if (findNetworks(engine.db, DEFAULT_NETWORK).length > 0) return;
  try {
    ensureDefaultNetwork(engine);
  } catch (error) {
    if (!(error instanceof EngineError || error instanceof NetworkError)) throw error;
  }
}

function insert(engine: Engine, name: string, options: NetworkOptions): NetworkRecord {
  const { db } = engine;
  const id = randomId();
  return writeTransaction(db, () => {
    const networks = listNetworks(db);
    if (networks.some((network) => network.name === name)) throw new EngineError(`network with name ${name} already exists`);
    refuseUnknown(options.options);
    const { driver } = options;
    const { ipv4, ipv6 } = choosePools(networks, options);
    const { bridge, made } =
      driver === "bridge"
        ? { bridge: bridgeName(engine, name, id, options.options), made: undefined }
        : parentOf(name, options.options.parent ?? `dm-${id.slice(0, 12)}`, options.options.parent === undefined);
    const modes = driver === "bridge" ? undefined : LINK_MODES[driver];
    const mode = modes && (options.options[`${driver}_mode`] ?? Object.keys(modes)[0]);
    if (modes && !(mode !== undefined && mode in modes))
      throw new EngineError(`invalid ${driver}_mode ${JSON.stringify(mode)}: expected ${Object.keys(modes).join(", ")}`);
    const mtu = options.options["com.docker.network.driver.mtu"];
    if (mtu !== undefined && !(Number(mtu) >= 68 && Number(mtu) <= 65535))
      throw new EngineError(`invalid MTU ${JSON.stringify(mtu)}: expected a number from 68 to 65535`);
    const config: NetworkConfig = {
      driver,
      ...ipv4,
      ...(ipv6 && { ipv6 }),
      internal: options.internal || made === "dummy",
      ...(options.attachable && { attachable: true }),
      bridge,
      ...(made && { made }),
      ...(mode !== undefined && { mode }),
      ...(mtu !== undefined && { mtu: Number(mtu) }),
      ...(options.ipamOptions && { ipamOptions: options.ipamOptions }),
      labels: options.labels,
      options: options.options,
    };
    using routes = new RouteSocket();
    if (driver === "bridge" && routes.link(bridge)) throw new EngineError(`cannot make network ${name}: the host has an interface ${bridge} already`);
    insertNetwork(db, { id, name, config });
    // Under the lock: the table is made from what the store has. Where this is the first one, by who connects to it.
    if (networks.length > 0) {
      using firewall = new Firewall(db, engine.layout.data);
      firewall.rebuild();
    }
    return findNetworks(db, id)[0] as NetworkRecord;
  });
}

function bridgeName(engine: Engine, name: string, id: string, options: Record<string, string>): string {
  const isUsual = name === DEFAULT_NETWORK && engine.layout.data === DEFAULT_DATA;
  const bridge = options[`${DRIVER_OPTIONS}name`] ?? (isUsual ? "berth0" : `br-${id.slice(0, 12)}`);
  if (Buffer.byteLength(bridge) > 15 || /[/\s]/.test(bridge))
    throw new EngineError(`invalid name of a bridge ${JSON.stringify(bridge)}: expected at most 15 characters`);
  return bridge;
}

// As docker has it: an interface that is there, a VLAN of one (eth0.10), or one that leads nowhere.
function parentOf(network: string, parent: string, isDummy: boolean): Pick<NetworkConfig, "bridge" | "made"> {
  if (isDummy) return { bridge: parent, made: "dummy" };
  using routes = new RouteSocket();
  if (routes.link(parent)) return { bridge: parent };
  const [, on = "", vlan = ""] = /^(.+)\.(\d{1,4})$/.exec(parent) ?? [];
  if (!routes.link(on)) throw new EngineError(`cannot make network ${network}: the host has no interface ${on || parent}`);
  if (Number(vlan) < 1 || Number(vlan) > 4094) throw new EngineError(`invalid parent ${parent}: expected the number of a VLAN from 1 to 4094`);
  return { bridge: parent, made: { on, vlan: Number(vlan) } };
}

// What would take something away must not be passed over.
function refuseUnknown(options: Record<string, string>): void {
  for (const [key, usual] of [
    ["enable_icc", "true"],
    ["enable_ip_masquerade", "true"],
    ["host_binding_ipv4", "0.0.0.0"],
  ]) {
    const value = options[DRIVER_OPTIONS + key];
    if (value !== undefined && value !== usual) throw new EngineError(`${DRIVER_OPTIONS}${key}=${value} is not there: networks have ${key}=${usual}`);
  }
}

/** The default network, made where it is not there yet. */
export function ensureDefaultNetwork(engine: Engine): NetworkRecord {
  return writeTransaction(engine.db, () => {
    const [found] = findNetworks(engine.db, DEFAULT_NETWORK);
    if (found?.name === DEFAULT_NETWORK) return found;
    return insert(engine, DEFAULT_NETWORK, {
      driver: "bridge",
      subnets: [],
      gateways: [],
      ipRanges: [],
      ipv6: false,
      internal: false,
      labels: {},
      options: {},
    });
  });
}

const isActive = ({ address }: Endpoint) => address !== undefined;

/** Removes a network and its bridge. Throws {@link EngineError} where containers that run are connected. */
export function removeNetwork(engine: Engine, text: string): NetworkRecord {
  const { db } = engine;
  const refuse = (name: string) => new EngineError(`${name} is a pre-defined network and cannot be removed`);
  if (text === DEFAULT_NETWORK || BUILT_IN.includes(text)) throw refuse(text);
  reconcileAll(engine);
  return writeTransaction(db, () => {
    const network = resolveNetwork(engine, text);
    if (network.name === DEFAULT_NETWORK) throw refuse(network.name); // named by its id
    const connected = endpointsIn(db, network.id).filter(isActive);
    if (connected.length > 0) {
      const ids = connected.map(({ containerId }) => containerId.slice(0, 12)).join(", ");
      throw new EngineError(`error while removing network: network ${network.name} id ${network.id} has active endpoints (${ids})`);
    }
    loseEndpoints(db, network.id);
    deleteNetwork(db, network.id);
    using routes = new RouteSocket();
    removeLink(routes, network);
    using firewall = new Firewall(db, engine.layout.data);
    firewall.rebuild();
    return network;
  });
}

/**
 * Removes networks that no container uses which runs; gives their names. The default one stays,
 * but not its bridge, which the next container makes again.
 */
export function pruneNetworks(engine: Engine, isWanted: (network: NetworkRecord) => boolean): string[] {
  const removed: string[] = [];
  repairNetworks(engine);
  for (const network of listNetworks(engine.db)) {
    if (network.name === DEFAULT_NETWORK || endpointsIn(engine.db, network.id).some(isActive) || !isWanted(network)) continue;
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
    const isIdle = ({ id }: NetworkRecord) => !endpointsIn(db, id).some(isActive);
    using routes = new RouteSocket();
    for (const network of networks.filter(isIdle)) removeLink(routes, network);
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
