/** Records of networks, of what is connected to them, and of published ports. */
import type { Database } from "bun:sqlite";
import { all, change, first } from "./database.ts";

/** The one that containers are on which ask for none; on it nobody is known by name. */
export const DEFAULT_NETWORK = "bridge";

/** A bridge of ours, or links beside an interface of the host. */
export type NetworkDriver = "bridge" | "macvlan" | "ipvlan";

export interface NetworkConfig {
  driver: NetworkDriver;
  /** `10.1.0.0/16`, the host's address in it, and the part that containers get theirs from. */
  subnet: string;
  gateway: string;
  ipRange?: string;
  /** Whether it leads nowhere else. */
  internal: boolean;
  /** Name of the bridge on the host, or of the interface beside which the links are. */
  bridge: string;
  /** Of macvlan and ipvlan, as ip-link(8) names them. */
  mode?: string;
  /** Bytes; undefined for that of the host's uplink. */
  mtu?: number;
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
  mac?: string;
}

export interface Endpoint {
  containerId: string;
  network: NetworkRecord;
  config: EndpointConfig;
  /** While the container runs. */
  address: string | undefined;
  mac: string | undefined;
}

export type Protocol = "tcp" | "udp" | "sctp";

/** A port of `-p`: on which address of the host, from which port (0 for any that is free) to which. */
export interface PortRequest {
  protocol: Protocol;
  hostIp: string;
  hostPort: number;
  containerPort: number;
}

export interface PublishedPort {
  protocol: Protocol;
  /** `0.0.0.0` for all addresses. */
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
  change(db, "DELETE FROM networks WHERE id = ?", id);
}

export function insertEndpoint(db: Database, containerId: string, networkId: string, config: EndpointConfig): void {
  const sql = `INSERT INTO endpoints (container_id, network_id, position, config)
    SELECT ?1, ?2, COALESCE(MAX(position) + 1, 0), ?3 FROM endpoints WHERE container_id = ?1`;
  change(db, sql, containerId, networkId, JSON.stringify(config));
}

export function deleteEndpoint(db: Database, containerId: string, networkId: string): boolean {
  return change(db, "DELETE FROM endpoints WHERE container_id = ? AND network_id = ?", containerId, networkId) === 1;
}

interface EndpointRow extends Row {
  container_id: string;
  endpoint_config: string;
  address: string | null;
  mac: string | null;
}
const ENDPOINTS = `SELECT networks.*, container_id, endpoints.config AS endpoint_config, address, mac
  FROM endpoints JOIN networks ON network_id = id`;
const toEndpoint = (row: EndpointRow): Endpoint => ({
  containerId: row.container_id,
  network: fromRow(row),
  config: JSON.parse(row.endpoint_config),
  address: row.address ?? undefined,
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

/** Gives a container its address in a network. Throws SQLite's constraint error where another one has it. */
export function assignAddress(db: Database, containerId: string, networkId: string, address: string, mac: string): void {
  change(db, "UPDATE endpoints SET address = ?, mac = ? WHERE container_id = ? AND network_id = ?", address, mac, containerId, networkId);
}

const PORTS = `SELECT protocol, host_ip AS hostIp, host_port AS hostPort, container_id AS containerId, container_ip AS containerIp,
  container_port AS containerPort FROM published_ports`;

export function portsOf(db: Database, containerId: string): PublishedPort[] {
  return all<PublishedPort>(db, `${PORTS} WHERE container_id = ? ORDER BY container_port, protocol, host_port`, containerId);
}

export function allPorts(db: Database): PublishedPort[] {
  return all<PublishedPort>(db, PORTS);
}

/** Who has a port of the host on an address, or on all of them. */
export function findPort(
  db: Database,
  { protocol, hostIp, hostPort }: Pick<PublishedPort, "protocol" | "hostIp" | "hostPort">,
): PublishedPort | undefined {
  const sql = `${PORTS} WHERE protocol = ?1 AND host_port = ?2 AND (host_ip = ?3 OR host_ip = '0.0.0.0' OR ?3 = '0.0.0.0') LIMIT 1`;
  return first<PublishedPort>(db, sql, protocol, hostPort, hostIp);
}

export function insertPort(db: Database, p: PublishedPort): void {
  const sql = "INSERT INTO published_ports (protocol, host_ip, host_port, container_id, container_ip, container_port) VALUES (?, ?, ?, ?, ?, ?)";
  change(db, sql, p.protocol, p.hostIp, p.hostPort, p.containerId, p.containerIp, p.containerPort);
}

export function deletePort(db: Database, { protocol, hostIp, hostPort }: Pick<PublishedPort, "protocol" | "hostIp" | "hostPort">): void {
  change(db, "DELETE FROM published_ports WHERE protocol = ? AND host_ip = ? AND host_port = ?", protocol, hostIp, hostPort);
}

/** Gives back the addresses and ports of a container that does not run any more. */
export function releaseNetworking(db: Database, containerId: string): void {
  change(db, "UPDATE endpoints SET address = NULL, mac = NULL WHERE container_id = ? AND address IS NOT NULL", containerId);
  change(db, "DELETE FROM published_ports WHERE container_id = ?", containerId);
}

// Those that a container shares a network with, the default one left out: there nobody is known by name. It is its own neighbour.
const NEIGHBOURS = `FROM endpoints AS own JOIN endpoints AS other USING (network_id) JOIN networks ON networks.id = network_id
  JOIN containers ON containers.id = other.container_id
  WHERE own.container_id = ?1 AND other.address IS NOT NULL AND networks.name != '${DEFAULT_NETWORK}'`;

/** Addresses of the neighbours that have a name: the container's, its short id or an alias, with or without the network's name behind it. */
export function addressOfNeighbour(db: Database, containerId: string, name: string): string[] {
  const sql = `SELECT other.address AS address ${NEIGHBOURS} AND (
      containers.name = ?2 COLLATE NOCASE OR substr(containers.id, 1, 12) = ?2 OR containers.name || '.' || networks.name = ?2 COLLATE NOCASE
      OR EXISTS (SELECT 1 FROM json_each(other.config, '$.aliases') WHERE value = ?2 COLLATE NOCASE OR value || '.' || networks.name = ?2 COLLATE NOCASE)
    ) ORDER BY other.address`;
  return all<{ address: string }>(db, sql, containerId, name).map((row) => row.address);
}

/** The name of the neighbour with an address, its network's behind it. */
export function nameOfNeighbour(db: Database, containerId: string, address: string): string | undefined {
  const sql = `SELECT containers.name || '.' || networks.name AS name ${NEIGHBOURS} AND other.address = ?2 LIMIT 1`;
  return first<{ name: string }>(db, sql, containerId, address)?.name;
}
