/** Addresses and ports of the host, given to containers. */
import type { Database } from "bun:sqlite";
import { hasCode, reasonOf } from "../../ffi/libc.ts";
import { randomBelow } from "../../ffi/random.ts";
import {
  assignAddress,
  type Endpoint,
  findPort,
  insertPort,
  isAddressTaken,
  type NetworkRecord,
  nextUntaken,
  type Pool,
  type PortRequest,
  type PublishedPort,
} from "../store/networks.ts";
import { type Address, contains, firstFree, formatAddress, fromNumber, isIPv6, nthAddress, parseAddress, subnetOf, toNumber } from "./address.ts";
import { NetworkError } from "./errors.ts";

/** Where ports are looked for that nobody asked for by number (ip_local_port_range). */
const EPHEMERAL = { first: 32768, last: 60999 } as const;

/** Gives an endpoint its addresses, and it with them. Under the write lock: nobody else looks for one at this moment. Throws {@link NetworkError}. */
export function allot(db: Database, endpoint: Endpoint): Endpoint {
  const { containerId, network, config } = endpoint;
  const isTaken = (address: string) => isAddressTaken(db, containerId, network.id, address);
  const untaken = (from: bigint) => BigInt(nextUntaken(db, network.id, Number(from)));
  const address = chooseAddress(network, network.config, config.ip, { isTaken, untaken });
  // The same place in both: who has one of them from somebody else has the other, too.
  const place = toNumber(address) - toNumber(subnetOf(network.config.subnet).base);
  const untaken6 = (from: bigint) => oneByOne(from, isTaken);
  const address6 = network.config.ipv6 && chooseAddress(network, network.config.ipv6, config.ip6, { isTaken, untaken: untaken6 }, place);
  // By its address, as docker has it: a neighbour's table stays right.
  const mac = config.mac ?? `02:42:${[...address].map((byte) => byte.toString(16).padStart(2, "0")).join(":")}`;
  const allotted = { ...endpoint, address: formatAddress(address), address6: address6 && formatAddress(address6), mac };
  assignAddress(db, allotted, Number(toNumber(address)));
  return allotted;
}

/** What containers of a network have: one address, or the first one from a number on that they have not. */
interface Others {
  isTaken(address: string): boolean;
  untaken(from: bigint): bigint;
}

/** @param place where in the subnet it is to be if it can */
function chooseAddress({ name }: NetworkRecord, pool: Pool, wanted: string | undefined, others: Others, place = 0n): Address {
  const subnet = subnetOf(pool.subnet);
  const reserved = [pool.gateway, ...Object.values(pool.auxAddresses ?? {})];
  const isFree = (text: string) => !reserved.includes(text) && !others.isTaken(text);
  if (wanted === undefined) {
    const range = pool.ipRange === undefined ? subnet : subnetOf(pool.ipRange);
    const preferred = nthAddress(subnet, place);
    if (place > 0n && contains(range, preferred) && isFree(formatAddress(preferred))) return preferred;
    const free = firstFree(subnet, range, reserved, others.untaken);
    if (free) return free;
    const kind = isIPv6(pool.subnet) ? "IPv6" : "IPv4";
    throw new NetworkError(`no available ${kind} addresses on this network's address pools: ${name} (${pool.ipRange ?? pool.subnet})`);
  }
  const address = parseAddress(wanted);
  if (!address || !contains(subnet, address))
    throw new NetworkError(`no configured subnet contains IP address ${wanted}: network ${name} has ${pool.subnet}`);
  if (!isFree(formatAddress(address))) throw new NetworkError(`Address already in use: ${wanted} in network ${name}`);
  if (!firstFree(subnet, { base: address, prefix: 8 * address.length }, [], (from) => from))
    throw new NetworkError(`IP address ${wanted} is the network's or the broadcast address of ${pool.subnet}`);
  return address;
}

// IPv6 addresses are too large for numbers of the store's; few are looked for, most have the IPv4 address's place.
function oneByOne(from: bigint, isTaken: Others["isTaken"]): bigint {
  let number = from;
  while (isTaken(formatAddress(fromNumber(number, 16)))) number += 1n;
  return number;
}

/** A port of the host that nobody else can have until it is closed. */
export interface HeldPort {
  close(): void;
}
/** Takes a port from the host's other programs; undefined where there is no such protocol. Throws where one has it. */
export type PortHolder<Held extends HeldPort = HeldPort> = (port: PublishedPort) => Held | undefined;

/** Where a published port leads; the second where the network has IPv6. */
export type Target = Pick<Endpoint, "containerId"> & { address: string; address6: string | undefined };

/**
 * Takes a port of the host, in the store and from its other programs; on all addresses that
 * means of IPv4 and, where the host has it, of IPv6. Under the write lock. Throws {@link NetworkError}.
 *
 * @param held what keeps the port is added here
 */
export function publish<Held extends HeldPort>(
  db: Database,
  target: Target,
  request: PortRequest,
  { hasIPv6, hold }: { hasIPv6: boolean; hold: PortHolder<Held> },
  held: Held[],
): PublishedPort[] {
  const hostIps = request.hostIp !== "" ? [request.hostIp] : hasIPv6 ? ["0.0.0.0", "::"] : ["0.0.0.0"];
  const wanted = hostIps.flatMap((hostIp) => portFor(target, request, hostIp) ?? []);
  let failure: NetworkError | undefined;
  for (const hostPort of candidates(request)) {
    const ports = wanted.map((port) => ({ ...port, hostPort }));
    failure = takeAll(db, ports, hold, held);
    if (!failure) return ports;
  }
  throw failure ?? new NetworkError(`no free port of the host for ${request.containerPort}/${request.protocol}`);
}

// Undefined where nothing passes this protocol on from one kind of address to the other.
function portFor({ containerId, address, address6 }: Target, request: PortRequest, hostIp: string): PublishedPort | undefined {
  const containerIp = isIPv6(hostIp) ? (address6 ?? address) : address;
  if (request.protocol === "sctp" && isIPv6(hostIp) !== isIPv6(containerIp)) {
    if (request.hostIp === "") return undefined;
    throw new NetworkError(`port ${request.containerPort}/sctp cannot be published on ${hostIp}: the container has no IPv6 address`);
  }
  const { protocol, hostPort, containerPort } = request;
  return { protocol, hostIp, hostPort, containerId, containerIp, containerPort };
}

function takeAll<Held extends HeldPort>(db: Database, ports: PublishedPort[], hold: PortHolder<Held>, held: Held[]): NetworkError | undefined {
  const own: Held[] = [];
  for (const port of ports) {
    const failure = findPort(db, port) ? "port is already allocated" : take(port, hold, own);
    if (failure === undefined) continue;
    for (const other of own) other.close();
    const ip = isIPv6(port.hostIp) ? `[${port.hostIp}]` : port.hostIp;
    return new NetworkError(`Bind for ${ip}:${port.hostPort} failed: ${failure}`);
  }
  for (const port of ports) insertPort(db, port);
  held.push(...own);
  return undefined;
}

// Why it cannot be had.
function take<Held extends HeldPort>(port: PublishedPort, hold: PortHolder<Held>, held: Held[]): string | undefined {
  try {
    const taken = hold(port);
    if (taken) held.push(taken);
    return undefined;
  } catch (error) {
    if (error instanceof NetworkError) throw error;
    return hasCode(error, "EADDRINUSE") ? "port is already allocated" : reasonOf(error);
  }
}

function* candidates({ hostPort, hostPortLast = hostPort }: PortRequest): Generator<number> {
  const [first, last] = hostPort === 0 ? [EPHEMERAL.first, EPHEMERAL.last] : [hostPort, hostPortLast];
  const count = last - first + 1;
  const start = hostPort === 0 ? randomBelow(count) : 0;
  for (let i = 0; i < count; i++) yield first + ((start + i) % count);
}
