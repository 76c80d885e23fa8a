/** Gives a container that starts what it is to have of the network: addresses, links, published ports. */
import type { Database } from "bun:sqlite";
import { readFileSync, writeFileSync } from "node:fs";
import { AT_FDCWD, O_RDONLY, openat } from "../../ffi/fd.ts";
import { hasCode, reasonOf } from "../../ffi/libc.ts";
import { CLONE_NEWNET, setns } from "../../ffi/namespace.ts";
import { type Link, RouteSocket, route } from "../../ffi/netlink/route.ts";
import { NetlinkError } from "../../ffi/netlink/socket.ts";
import type { BoundPort } from "../../ffi/socket.ts";
import { getContainer } from "../store/containers.ts";
import { writeTransaction } from "../store/database.ts";
import { type Endpoint, endpointsOf, type NetworkRecord, type PortRequest } from "../store/networks.ts";
import { type Address, parseAddress, subnetOf } from "./address.ts";
import { allot, publish } from "./allocate.ts";
import { disconnectContainer } from "./disconnect.ts";
import { NetworkError } from "./errors.ts";
import { Firewall } from "./firewall.ts";
import { uplinkMtu } from "./pool.ts";

/** What came of it. */
export interface Connected {
  endpoints: Endpoint[];
  /** What was changed on the host, in words. */
  warnings: string[];
}

const VETH_PREFIX = "veth";
const randomBytes = () => Buffer.from(crypto.getRandomValues(new Uint8Array(4)));
/** linux/if_link.h: MACVLAN_MODE_*, IPVLAN_MODE_*. */
export const LINK_MODES: Record<"macvlan" | "ipvlan", Record<string, number>> = {
  macvlan: { bridge: 4, private: 1, vepa: 2, passthru: 8 },
  ipvlan: { l2: 0, l3: 1, l3s: 2 },
};

/**
 * Connects a container. It gives back what it took where it fails; else this process holds
 * the host's ports until it ends, so that nobody else has them.
 *
 * @param pid a process in the container's network namespace, whose loopback is up
 * @throws {NetworkError}
 */
export function connectContainer(db: Database, data: string, id: string, pid: number, ports: PortRequest[]): Connected {
  const warnings: string[] = [];
  const bound: BoundPort[] = [];
  try {
    using routes = new RouteSocket();
    for (const { network } of endpointsOf(db, id)) ensureBridge(routes, network, warnings);
    writeTransaction(db, () => {
      for (const endpoint of endpointsOf(db, id)) allot(db, endpoint);
      const main = endpointsOf(db, id).find(({ network }) => network.config.driver === "bridge");
      using firewall = new Firewall(db, data);
      const published = main?.address === undefined ? [] : ports.map((request) => publish(db, id, main.address as string, request, bound));
      firewall.publish(published);
    });
    const endpoints = endpointsOf(db, id);
    const links = endpoints.map((endpoint, i) => plug(routes, endpoint, i, pid));
    inNamespaceOf(pid, () => configure(endpoints, links));
    return { endpoints, warnings };
  } catch (error) {
    for (const socket of bound) socket.close();
    disconnectContainer(db, data, id);
    throw asNetworkError(error);
  }
}

function asNetworkError(error: unknown): unknown {
  if (!(error instanceof NetlinkError)) return error;
  const missing = error.code === "EOPNOTSUPP" || error.code === "ENODEV" ? "; the kernel may lack bridges, veth, or the network's driver" : "";
  return new NetworkError(`cannot set up the container's network: ${error.message}${missing}`, { cause: error });
}

/** Makes a network's bridge, unless it is there. */
export function ensureBridge(routes: RouteSocket, { name, config }: NetworkRecord, warnings: string[]): void {
  const found = routes.link(config.bridge);
  if (config.driver !== "bridge") {
    if (!found) throw new NetworkError(`the interface ${config.bridge}, beside which network ${name} is, is not there`);
    return;
  }
  if (!config.internal) ensureForwarding(warnings);
  if (found?.isUp) return;
  const subnet = subnetOf(config.subnet);
  const mac = Buffer.concat([Buffer.from([0x02, 0x42]), randomBytes()]);
  try {
    if (!found) routes.request(route.addBridge(config.bridge, config.mtu ?? uplinkMtu(routes), mac));
  } catch (error) {
    if (!hasCode(error, "EEXIST")) {
      const hint = hasCode(error, "EOPNOTSUPP") ? "; the kernel has no bridges (module bridge): --network none or host does without" : "";
      throw new NetworkError(`cannot make the bridge ${config.bridge} of network ${name}: ${reasonOf(error)}${hint}`, { cause: error });
    }
  }
  const link = routes.link(config.bridge);
  if (!link) throw new NetworkError(`the bridge ${config.bridge} of network ${name} was removed by somebody else, try again`);
  // Published ports are reached from 127.0.0.1, too; the firewall keeps the way back shut.
  writeFileSync(`/proc/sys/net/ipv4/conf/${config.bridge}/route_localnet`, "1");
  try {
    routes.request(route.addAddress(link.index, parseAddress(config.gateway) as Address, subnet.prefix));
  } catch (error) {
    if (!hasCode(error, "EEXIST")) throw error;
  }
  routes.request(route.setUp(link.index));
}

function ensureForwarding(warnings: string[]): void {
  const file = "/proc/sys/net/ipv4/ip_forward";
  if (readFileSync(file, "latin1").trim() === "1") return;
  try {
    writeFileSync(file, "1");
  } catch (error) {
    throw new NetworkError(`IPv4 forwarding is off on this host and cannot be switched on (${file}): ${reasonOf(error)}`);
  }
  warnings.push("IPv4 forwarding was off on this host; it is on now (net.ipv4.ip_forward=1)");
}

// The pair of links; the name of the container's end.
function plug(routes: RouteSocket, { network, mac }: Endpoint, position: number, pid: number): string {
  const bridge = routes.link(network.config.bridge) as Link;
  const name = `eth${position}`;
  const host = `${VETH_PREFIX}${randomBytes().toString("hex")}`;
  const address = Buffer.from((mac ?? "").replaceAll(":", ""), "hex");
  const { driver, mode } = network.config;
  if (driver !== "bridge") {
    // All links of ipvlan have the address of the one they are beside.
    const own = driver === "macvlan" ? address : undefined;
    routes.request(route.addBeside(driver, LINK_MODES[driver][mode ?? ""] ?? 0, bridge.index, { name, pid, address: own }));
    return name;
  }
  // Where bridged packets pass the firewall (br_netfilter), a published port of its own leads a container back to its own link.
  routes.request(route.addVeth(host, bridge.index, bridge.mtu, { name, pid, address }), route.hairpin(host));
  return name;
}

/** Calls back in the network namespace of a process, on this thread. */
export function inNamespaceOf<T>(pid: number, action: () => T): T {
  using own = openat(AT_FDCWD, "/proc/self/ns/net", O_RDONLY);
  using other = openat(AT_FDCWD, `/proc/${pid}/ns/net`, O_RDONLY);
  setns(other.fd, CLONE_NEWNET);
  try {
    return action();
  } finally {
    setns(own.fd, CLONE_NEWNET);
  }
}

function configure(endpoints: Endpoint[], names: string[]): void {
  using routes = new RouteSocket();
  endpoints.forEach(({ network, address }, i) => {
    const link = routes.link(names[i] as string) as Link;
    withoutIPv6(link.name);
    routes.request(
      route.addAddress(link.index, parseAddress(address as string) as Address, subnetOf(network.config.subnet).prefix),
      route.setUp(link.index),
    );
    const hasRoute = routes.routes().some(({ destination }) => destination.length === 0);
    if (!network.config.internal && !hasRoute) routes.request(route.addDefaultRoute(link.index, parseAddress(network.config.gateway) as Address));
  });
}

// The network has no IPv6: no address of its own making, and no wait for it.
function withoutIPv6(link: string): void {
  try {
    writeFileSync(`/proc/sys/net/ipv6/conf/${link}/disable_ipv6`, "1");
  } catch {
    // a kernel without it
  }
}

/** Gives a container that runs a link into one more network; published ports stay where they are. */
export function plugRunning(db: Database, data: string, id: string, networkId: string, pid: number): void {
  try {
    using routes = new RouteSocket();
    const wanted = () => endpointsOf(db, id).find(({ network }) => network.id === networkId) as Endpoint;
    ensureBridge(routes, wanted().network, []);
    writeTransaction(db, () => {
      allot(db, wanted());
      using firewall = new Firewall(db, data);
      firewall.publish([]);
    });
    const endpoint = wanted();
    const position = inNamespaceOf(pid, () => {
      using inside = new RouteSocket();
      const taken = new Set(inside.links().map(({ name }) => name));
      return Array.from({ length: taken.size + 1 }, (_, i) => i).find((i) => !taken.has(`eth${i}`)) as number;
    });
    const name = plug(routes, endpoint, position, pid);
    inNamespaceOf(pid, () => configure([endpoint], [name]));
  } catch (error) {
    throw asNetworkError(error);
  }
}

/** Takes the link with this IP address from a container that runs, and its other end with it. */
export function unplugRunning(pid: number, address: string): void {
  inNamespaceOf(pid, () => {
    using routes = new RouteSocket();
    const wanted = parseAddress(address);
    const link = routes.addresses().find((own) => wanted && own.address.equals(wanted))?.index;
    if (link !== undefined) routes.request(route.deleteLink(link));
  });
}

/** Where the containers are that another one is linked to, in a network of both; those that do not run are left out. */
export function linkedAddresses(
  db: Database,
  endpoints: Endpoint[],
  links: { container: string; alias: string }[],
): { address: string; names: string }[] {
  return links.flatMap(({ container, alias }) => {
    const shared = endpointsOf(db, container).find(
      ({ network, address }) => address !== undefined && endpoints.some((own) => own.network.id === network.id),
    );
    const name = getContainer(db, container)?.name ?? "";
    const names = [...new Set([alias, container.slice(0, 12), name])].join(" ");
    return shared?.address === undefined ? [] : [{ address: shared.address, names }];
  });
}
