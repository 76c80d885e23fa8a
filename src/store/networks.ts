/** Records of networks, of what is connected to them, and of published ports. */
import type { Database } from "bun:sqlite";
import { all, change, first } from "./database.ts";
import { addEvent, addNetworkEvent } from "./events.ts";

/** The one that containers are on which ask for none; on it nobody is known by name. */
export const DEFAULT_NETWORK = "bridge";

/** What an ordinary user has instead, if it is installed; see network/user-network.ts. In the order of preference: what ends by itself first. */
export const USER_NETWORKS = ["slirp4netns", "pasta"] as const;
export type UserNetwork = (typeof USER_NETWORKS)[number];
export const isUserNetwork = (name: string): name is UserNetwork => (USER_NETWORKS as readonly string[]).includes(name);

/** A bridge of ours, or links beside an interface of the host. */
export type NetworkDriver = "bridge" | "macvlan" | "ipvlan";

/** Addresses of one kind. */
export interface Pool {
  /** `10.1.0.0/16`, the host's address in it, and the part that containers get theirs from. */
  subnet: string;
  gateway: string;
  ipRange?: string;
  /** Whether packets keep these addresses beyond the host, which others must know a way to. */
  routed?: boolean;
  /** Addresses that somebody else has, by names. */
  auxAddresses?: Record<string, string>;
}

/** With its IPv4 addresses. */
export interface NetworkConfig extends Pool {
  driver: NetworkDriver;
  ipv6?: Pool;
  /** Whether it leads nowhere else. */
  internal: boolean;
  /** What was asked for: every network is. */
  attachable?: boolean;
  /** Name of the bridge on the host, or of the interface beside which the links are. */
  bridge: string;
  /** Where such an interface is made for the network: one that leads nowhere, or a VLAN on another one. */
  made?: "dummy" | { on: string; vlan: number };
  /** Of macvlan and ipvlan, as ip-link(8) names them. */
  mode?: string;
  /** Bytes; undefined for that of the host's uplink. */
  mtu?: number;
  /** Without a meaning to the only way there is to give addresses; kept, as docker does. */
  ipamOptions?: Record<string, string>;
  labels: Record<string, string>;
  options: Record<string, string>;
}

export interface NetworkRecord {
  id: string;
  name: string;
  config: NetworkConfig;
  /** Milliseconds since 1970. */
  createdAt: number;
}

/** What a user wants of a connection. */
export interface EndpointConfig {
  aliases: string[];
  ip?: string;
  ip6?: string;
  mac?: string;
  linkLocalIps?: string[];
  /** The default route leads through the network with the highest one; 0 unless told. */
  gatewayPriority?: number;
  driverOptions?: Record<string, string>;
}

/** The driver option with settings of the container's link: `net.ipv4.conf.IFNAME.NAME=VALUE`, separated by commas. */
export const ENDPOINT_SYSCTLS = "com.docker.network.endpoint.sysctls";

export interface Endpoint {
  containerId: string;
  network: NetworkRecord;
  config: EndpointConfig;
  /** While the container runs. */
  address: string | undefined;
  /** Where the network has IPv6. */
  address6: string | undefined;
  mac: string | undefined;
}

export type Protocol = "tcp" | "udp" | "sctp";

/** A port of `-p`: on which address of the host, from which port (0 for any that is free; the first free one of a range) to which. */
export interface PortRequest {
  protocol: Protocol;
  /** Empty for all addresses of either kind. */
  hostIp: string;
  hostPort: number;
  hostPortLast?: number;
  containerPort: number;
}

export interface PublishedPort {
  protocol: Protocol;
  /** `0.0.0.0` for all addresses of IPv4, `::` for those of IPv6. */
  hostIp: string;
  hostPort: number;
  containerId: string;
  containerIp: string;
  containerPort: number;
}

interface Row {
  id: string;
  name: string;
  config: string;
  created_at: number;
}
const fromRow = (row: Row): NetworkRecord => ({ id: row.id, name: row.name, config: JSON.parse(row.config), createdAt: row.created_at });

/** Adds a network. Throws SQLite's constraint error where the name is taken. */
export function insertNetwork(db: Database, { id, name, config }: Omit<NetworkRecord, "createdAt">): void {
  change(db, "INSERT INTO networks (id, name, config, created_at) VALUES (?, ?, ?, ?)", id, name, JSON.stringify(config), Date.now());
  addEvent(db, "network", "create", id, { name, type: config.driver });
}

export function listNetworks(db: Database): NetworkRecord[] {
  return all<Row>(db, "SELECT * FROM networks ORDER BY name").map(fromRow);
}

/** By name, then by the beginning of ids: two hits mean that it is ambiguous. */
export function findNetworks(db: Database, text: string): NetworkRecord[] {
  const exact = first<Row>(db, "SELECT * FROM networks WHERE name = ?1 OR id = ?1 ORDER BY name = ?1 DESC LIMIT 1", text);
  if (exact) return [fromRow(exact)];
  if (!/^[0-9a-f]+$/.test(text)) return [];
  return all<Row>(db, "SELECT * FROM networks WHERE id >= ?1 AND id < ?1 || 'g' LIMIT 2", text).map(fromRow);
}

export function deleteNetwork(db: Database, id: string): void {
  const [network] = findNetworks(db, id);
  if (network) addEvent(db, "network", "destroy", id, { name: network.name, type: network.config.driver });
  change(db, "DELETE FROM networks WHERE id = ?", id);
}

export function insertEndpoint(db: Database, containerId: string, networkId: string, config: EndpointConfig): void {
  const sql = `INSERT INTO endpoints (container_id, network_id, position, config)
    SELECT ?1, ?2, COALESCE(MAX(position) + 1, 0), ?3 FROM endpoints WHERE container_id = ?1`;
  change(db, sql, containerId, networkId, JSON.stringify(config));
}

export function deleteEndpoint(db: Database, containerId: string, networkId: string): boolean {
  if (endpointsOf(db, containerId).some(({ network, address }) => network.id === networkId && address !== undefined))
    addNetworkEvent(db, "disconnect", networkId, containerId);
  return change(db, "DELETE FROM endpoints WHERE container_id = ? AND network_id = ?", containerId, networkId) === 1;
}

interface EndpointRow extends Row {
  container_id: string;
  endpoint_config: string;
  address: string | null;
  address6: string | null;
  mac: string | null;
}
const ENDPOINTS = `SELECT networks.*, container_id, endpoints.config AS endpoint_config, address, address6, mac
  FROM endpoints JOIN networks ON network_id = id`;
const toEndpoint = (row: EndpointRow): Endpoint => ({
  containerId: row.container_id,
  network: fromRow(row),
  config: JSON.parse(row.endpoint_config),
  address: row.address ?? undefined,
  address6: row.address6 ?? undefined,
  mac: row.mac ?? undefined,
});

/** What a container is connected to, its main network first. */
export function endpointsOf(db: Database, containerId: string): Endpoint[] {
  return all<EndpointRow>(db, `${ENDPOINTS} WHERE container_id = ? ORDER BY position`, containerId).map(toEndpoint);
}

/** What is connected to a network. */
export function endpointsIn(db: Database, networkId: string): Endpoint[] {
  return all<EndpointRow>(db, `${ENDPOINTS} WHERE network_id = ? ORDER BY container_id`, networkId).map(toEndpoint);
}

/** Whether another container has an address of a network. */
export function isAddressTaken(db: Database, containerId: string, networkId: string, address: string): boolean {
  const sql = `SELECT 1 FROM endpoints
    WHERE (network_id = ?1 AND address = ?2 OR network_id = ?1 AND address6 = ?2) AND container_id != ?3`;
  return first(db, sql, networkId, address, containerId) !== undefined;
}

/** The lowest IPv4 address from one on, both as numbers, that no container has in a network. */
export function nextUntaken(db: Database, networkId: string, from: number): number {
  const taken = "SELECT 1 FROM endpoints WHERE network_id = ?1 AND number =";
  const sql = `SELECT CASE WHEN NOT EXISTS (${taken} ?2) THEN ?2 ELSE (
      SELECT number + 1 FROM endpoints AS own WHERE network_id = ?1 AND number >= ?2 AND NOT EXISTS (${taken} own.number + 1) ORDER BY number LIMIT 1
    ) END AS free`;
  return first<{ free: number }>(db, sql, networkId, from)?.free ?? from;
}

/**
 * Gives a container its addresses in a network. Throws SQLite's constraint error where another one has them.
 *
 * @param number its IPv4 address as one
 */
export function assignAddress(db: Database, { containerId, network, address, address6, mac }: Endpoint, number: number): void {
  const sql = "UPDATE endpoints SET address = ?, number = ?, address6 = ?, mac = ? WHERE container_id = ? AND network_id = ?";
  change(db, sql, address ?? null, number, address6 ?? null, mac ?? null, containerId, network.id);
  if (address !== undefined) addNetworkEvent(db, "connect", network.id, containerId);
}

const PORTS = `SELECT protocol, host_ip AS hostIp, host_port AS hostPort, container_id AS containerId, container_ip AS containerIp,
  container_port AS containerPort FROM published_ports`;

export function portsOf(db: Database, containerId: string): PublishedPort[] {
  return all<PublishedPort>(db, `${PORTS} WHERE container_id = ? ORDER BY container_port, protocol, host_ip = '::', host_port`, containerId);
}

export function allPorts(db: Database): PublishedPort[] {
  return all<PublishedPort>(db, PORTS);
}

/** Who has a port of the host on an address, or on all of its kind. */
export function findPort(
  db: Database,
  { protocol, hostIp, hostPort }: Pick<PublishedPort, "protocol" | "hostIp" | "hostPort">,
): PublishedPort | undefined {
  const sql = `${PORTS} WHERE protocol = ?1 AND host_port = ?2 AND instr(host_ip, ':') > 0 = instr(?3, ':') > 0
    AND (host_ip = ?3 OR host_ip IN ('0.0.0.0', '::') OR ?3 IN ('0.0.0.0', '::')) LIMIT 1`;
  return first<PublishedPort>(db, sql, protocol, hostPort, hostIp);
}

export function insertPort(db: Database, p: PublishedPort): void {
  const sql = "INSERT INTO published_ports (protocol, host_ip, host_port, container_id, container_ip, container_port) VALUES (?, ?, ?, ?, ?, ?)";
  change(db, sql, p.protocol, p.hostIp, p.hostPort, p.containerId, p.containerIp, p.containerPort);
}

export function deletePort(db: Database, { protocol, hostIp, hostPort }: Pick<PublishedPort, "protocol" | "hostIp" | "hostPort">): void {
  change(db, "DELETE FROM published_ports WHERE protocol = ? AND host_ip = ? AND host_port = ?", protocol, hostIp, hostPort);
}

/** Keeps in mind which networks containers are to be on that are gone themselves. Only where none of them runs. */
export function loseEndpoints(db: Database, networkId: string): void {
  const sql = `INSERT OR REPLACE INTO lost_endpoints (container_id, network, config)
    SELECT container_id, networks.name, endpoints.config FROM endpoints JOIN networks ON network_id = id WHERE network_id = ?`;
  change(db, sql, networkId);
  change(db, "DELETE FROM endpoints WHERE network_id = ?", networkId);
}

/** Networks by their names that a container was to be on when they were removed. */
export function lostEndpoints(db: Database, containerId: string): { network: string; config: EndpointConfig }[] {
  const rows = all<{ network: string; config: string }>(db, "SELECT network, config FROM lost_endpoints WHERE container_id = ?", containerId);
  return rows.map(({ network, config }) => ({ network, config: JSON.parse(config) }));
}

export function forgetLostEndpoint(db: Database, containerId: string, network: string): boolean {
  return change(db, "DELETE FROM lost_endpoints WHERE container_id = ? AND network = ?", containerId, network) === 1;
}

/** Gives back the addresses and ports of a container that does not run any more. */
export function releaseNetworking(db: Database, containerId: string): void {
  for (const { network, address } of endpointsOf(db, containerId))
    if (address !== undefined) addNetworkEvent(db, "disconnect", network.id, containerId);
  change(
    db,
    "UPDATE endpoints SET address = NULL, number = NULL, address6 = NULL, mac = NULL WHERE container_id = ? AND address IS NOT NULL",
    containerId,
  );
  change(db, "DELETE FROM published_ports WHERE container_id = ?", containerId);
}

// Those that a container shares a network with, the default one left out: there nobody is known by name. It is its own neighbour.
const NEIGHBOURS = `FROM endpoints AS own JOIN endpoints AS other USING (network_id) JOIN networks ON networks.id = network_id
  JOIN containers ON containers.id = other.container_id
  WHERE own.container_id = ?1 AND other.address IS NOT NULL AND networks.name != '${DEFAULT_NETWORK}'`;

/** Addresses of the neighbours that have a name: the container's, its short id, host name or an alias, with or without the network's name behind it. */
export function addressesOfNeighbour(db: Database, containerId: string, name: string): { address: string; address6: string | null }[] {
  const isAsked = (name: string) => `(${name} = ?2 COLLATE NOCASE OR ${name} || '.' || networks.name = ?2 COLLATE NOCASE)`;
  const sql = `SELECT other.address AS address, other.address6 AS address6 ${NEIGHBOURS} AND (
      ${isAsked("containers.name")} OR ${isAsked("substr(containers.id, 1, 12)")} OR ${isAsked("json_extract(containers.config, '$.hostname')")}
      OR EXISTS (SELECT 1 FROM json_each(other.config, '$.aliases') WHERE ${isAsked("value")})
    ) ORDER BY other.address`;
  return all<{ address: string; address6: string | null }>(db, sql, containerId, name);
}

/** The name of the neighbour with an address, its network's behind it. */
export function nameOfNeighbour(db: Database, containerId: string, address: string): string | undefined {
  const sql = `SELECT containers.name || '.' || networks.name AS name ${NEIGHBOURS} AND ?2 IN (other.address, other.address6) LIMIT 1`;
  return first<{ name: string }>(db, sql, containerId, address)?.name;
}
