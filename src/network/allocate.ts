/** Addresses and ports of the host, given to containers. */
import type { Database } from "bun:sqlite";
import { hasCode, reasonOf } from "../../ffi/libc.ts";
import { type BoundPort, bindPort } from "../../ffi/socket.ts";
import { assignAddress, type Endpoint, endpointsIn, findPort, insertPort, type PortRequest, type PublishedPort } from "../store/networks.ts";
import { type Address, contains, firstFree, formatAddress, parseAddress, subnetOf } from "./address.ts";
import { NetworkError } from "./errors.ts";

/** Where ports are looked for that nobody asked for by number (ip_local_port_range). */
const EPHEMERAL = { first: 32768, last: 60999 } as const;

/** Gives an endpoint its address. Under the write lock: nobody else looks for one at this moment. Throws {@link NetworkError}. */
export function allot(db: Database, { containerId, network, config }: Endpoint): void {
  const subnet = subnetOf(network.config.subnet);
  const taken = new Set(
    endpointsIn(db, network.id).flatMap(({ address, containerId: other }) => (address !== undefined && other !== containerId ? [address] : [])),
  );
  taken.add(network.config.gateway);
  let address: Address | undefined;
  if (config.ip !== undefined) {
    address = parseAddress(config.ip);
    if (!address || !contains(subnet, address))
      throw new NetworkError(`no configured subnet contains IP address ${config.ip}: network ${network.name} has ${network.config.subnet}`);
    if (taken.has(config.ip)) throw new NetworkError(`Address already in use: ${config.ip} in network ${network.name}`);
  } else {
    address = firstFree(subnet, network.config.ipRange === undefined ? subnet : subnetOf(network.config.ipRange), taken);
    if (!address)
      throw new NetworkError(
        `no available IPv4 addresses on this network's address pools: ${network.name} (${network.config.ipRange ?? network.config.subnet})`,
      );
  }
  // By its address, as docker has it: a neighbour's table stays right.
  const mac = config.mac ?? `02:42:${[...address].map((byte) => byte.toString(16).padStart(2, "0")).join(":")}`;
  assignAddress(db, containerId, network.id, formatAddress(address), mac);
}

/** Takes a port of the host, in the store and from its other programs. Under the write lock. Throws {@link NetworkError}. */
export function publish(db: Database, containerId: string, containerIp: string, request: PortRequest, bound: BoundPort[]): PublishedPort {
  const tried = request.hostPort !== 0 ? [request.hostPort] : randomPorts();
  for (const hostPort of tried) {
    const wanted = { protocol: request.protocol, hostIp: request.hostIp, hostPort };
    const owner = findPort(db, wanted);
    const socket = owner ? undefined : bindPort(request.protocol, parseAddress(request.hostIp) as Address, hostPort);
    if (!owner && !(socket instanceof Error)) {
      if (socket) bound.push(socket);
      const port = { ...wanted, containerId, containerIp, containerPort: request.containerPort };
      insertPort(db, port);
      return port;
    }
    if (request.hostPort === 0) continue;
    const where = `${request.hostIp}:${hostPort}`;
    if (owner || hasCode(socket, "EADDRINUSE")) throw new NetworkError(`Bind for ${where} failed: port is already allocated`);
    throw new NetworkError(`Bind for ${where} failed: ${reasonOf(socket)}`);
  }
  throw new NetworkError(`no free port of the host for ${request.containerPort}/${request.protocol}`);
}

function* randomPorts(): Generator<number> {
  const count = EPHEMERAL.last - EPHEMERAL.first + 1;
  const start = Math.floor(Math.random() * count);
  for (let i = 0; i < count; i++) yield EPHEMERAL.first + ((start + i) % count);
}
