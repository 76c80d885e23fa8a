/** Gives a container that starts what it is to have of the network: addresses, links, published ports. */

import type { Database } from "bun:sqlite";
import type { OwnedFd } from "../../ffi/fd.ts";
import { writeFileSync } from "../../ffi/files.ts";
import { bindPort } from "../../ffi/inet.ts";
import { hasCode, reasonOf } from "../../ffi/libc.ts";
import { mountNowhere } from "../../ffi/mount.ts";
import { inNetworkOf } from "../../ffi/namespace.ts";
import { type Link, type Route, RouteSocket, route } from "../../ffi/netlink/route.ts";
import { type Message, NetlinkError } from "../../ffi/netlink/socket.ts";
import { join } from "../../ffi/path.ts";
import { randomBytes } from "../../ffi/random.ts";
import type { ContainerLink } from "../store/container-config.ts";
import { getContainer } from "../store/containers.ts";
import { writeTransaction } from "../store/database.ts";
import { ENDPOINT_SYSCTLS, type Endpoint, endpointsOf, type PortRequest, type PublishedPort, portsOf } from "../store/networks.ts";
import { type Address, isIPv6, parseAddress, subnetOf } from "./address.ts";
import { allot, publish, type Target } from "./allocate.ts";
import { ensureBridge, hasIPv6, hasIPv6Settings, setIPv6 } from "./bridge.ts";
import { disconnectContainer } from "./disconnect.ts";
import { NetworkError } from "./errors.ts";
import { Firewall } from "./firewall.ts";
import type { Relay } from "./relay.ts";

/** What came of it. */
export interface Connected {
  endpoints: Endpoint[];
  /** What was changed on the host, in words. */
  warnings: string[];
  /** Of the host: this process holds them until it ends, so that nobody else has them. */
  ports: (OwnedFd | Relay)[];
}

const VETH_PREFIX = "veth";
/** linux/if_link.h: MACVLAN_MODE_*, IPVLAN_MODE_*. */
export const LINK_MODES: Record<"macvlan" | "ipvlan", Record<string, number>> = {
  macvlan: { bridge: 4, private: 1, vepa: 2, passthru: 8 },
  ipvlan: { l2: 0, l3: 1, l3s: 2 },
};

/**
 * Connects a container. It gives back what it took where it fails.
 *
 * @param pid a process in its network namespace, whose loopback is up
 * @throws {NetworkError}
 */
export function connectContainer(db: Database, data: string, id: string, pid: number, ports: PortRequest[]): Connected {
  const warnings: string[] = [];
  const held: Connected["ports"] = [];
  try {
    using routes = new RouteSocket();
    using firewall = new Firewall(db, data);
    const bridges = new Map(endpointsOf(db, id).map(({ network }) => [network.id, ensureBridge(routes, network, firewall.isThere, warnings)]));
    const endpoints = writeTransaction(db, () => {
      const allotted = endpointsOf(db, id).map((endpoint) => allot(db, endpoint));
      firewall.publish(publishAll(db, allotted, ports, firewall.isThere, held));
      return allotted;
    });
    const links = endpoints.map((endpoint, i) => plug(routes, endpoint, bridges.get(endpoint.network.id) as Link, i, pid));
    // Nothing leads anywhere there yet.
    inNetworkOf(pid, () => configure(endpoints, links, [], openOwnProc()));
    return { endpoints, warnings: [...new Set(warnings)], ports: held };
  } catch (error) {
    for (const port of held) port.close();
    disconnectContainer(db, data, id);
    throw asNetworkError(error);
  }
}

function asNetworkError(error: unknown): unknown {
  if (!(error instanceof NetlinkError)) return error;
  const missing = error.code === "EOPNOTSUPP" || error.code === "ENODEV" ? "; the kernel may lack bridges, veth, or the network's driver" : "";
  return new NetworkError(`cannot set up the container's network: ${error.message}${missing}`, { cause: error });
}

// Only where there is something to relay: a monitor holds in memory what it loaded, and in a transaction nothing can be awaited.
const loadRelay = () => require("./relay.ts") as typeof import("./relay.ts");

// On a network past the host, ports are open already.
function publishAll(db: Database, endpoints: Endpoint[], ports: PortRequest[], hasFirewall: boolean, held: Connected["ports"]): PublishedPort[] {
  const main = endpoints.find(({ network }) => network.config.driver === "bridge");
  if (main?.address === undefined || ports.length === 0) return [];
  const target: Target = { containerId: main.containerId, address: main.address, address6: main.address6 };
  const how = { hasIPv6: hasIPv6(), hold: (port: PublishedPort) => hold(port, hasFirewall) };
  return ports.flatMap((request) => publish(db, target, request, how, held));
}

function hold(port: PublishedPort, hasFirewall: boolean): OwnedFd | Relay | undefined {
  return needsRelay(port, hasFirewall) ? loadRelay().makeRelay(port) : bindPort(port.protocol, parseAddress(port.hostIp) as Address, port.hostPort);
}

/** Ports of the host that a process held for a container which is no more; those that somebody else has by now are left out. */
export function holdAgain(db: Database, data: string, id: string): Connected["ports"] {
  using firewall = new Firewall(db, data);
  return portsOf(db, id).flatMap((port) => {
    try {
      return hold(port, firewall.isThere) ?? [];
    } catch (error) {
      if (!hasCode(error, "EADDRINUSE", "EADDRNOTAVAIL")) throw error;
      return [];
    }
  });
}

function needsRelay({ hostIp, containerIp, protocol }: PublishedPort, hasFirewall: boolean): boolean {
  if (protocol !== "sctp") return !hasFirewall || (isIPv6(hostIp) && (hostIp === "::" || hostIp === "::1" || !isIPv6(containerIp)));
  if (hasFirewall) return false;
  throw new NetworkError("an sctp port cannot be published: the kernel has no nf_tables, and berth itself passes on tcp and udp only");
}

// The pair of links; the name of the container's end.
function plug(routes: RouteSocket, { network, mac }: Endpoint, bridge: Link, position: number, pid: number): string {
  const name = `eth${position}`;
  const host = `${VETH_PREFIX}${randomBytes(4).toString("hex")}`;
  const address = Buffer.from((mac ?? "").replaceAll(":", ""), "hex");
  const { driver, mode } = network.config;
  if (driver !== "bridge") {
    // All links of ipvlan have the address of the one they are beside.
    const own = driver === "macvlan" ? address : undefined;
    routes.request(route.addBeside(driver, LINK_MODES[driver][mode ?? ""] ?? 0, bridge.index, { name, pid, address: own }));
    return name;
  }
  // Where bridged packets pass the firewall (br_netfilter), a published port of its own leads a container back to its own link.
  // Else each end on the host has an address, a route and groups that nobody uses, and says so to all other ports.
  const veth = route.addVeth(host, bridge.index, bridge.mtu, { name, pid, address });
  routes.request(veth, route.settlePort(host, hasIPv6Settings()), route.setUp(host));
  return name;
}

// In the container's network namespace: addresses, and the way out beside what leads out already.
function configure(endpoints: Endpoint[], names: string[], existing: Route[], proc?: string): void {
  using routes = new RouteSocket();
  const indices = new Map<Endpoint, number>();
  const requests = endpoints.flatMap((endpoint, i) => {
    const { network, config, address, address6 } = endpoint;
    const { index, name } = routes.link(names[i] as string) as Link;
    indices.set(endpoint, index);
    const { ipv6, subnet } = network.config;
    setIPv6(name, ipv6 !== undefined, proc);
    for (const setting of config.driverOptions?.[ENDPOINT_SYSCTLS]?.split(",") ?? []) setLinkSysctl(name, setting);
    const addresses = [route.addAddress(index, parseAddress(address as string) as Address, subnetOf(subnet).prefix)];
    if (ipv6) addresses.push(route.addAddress(index, parseAddress(address6 as string) as Address, subnetOf(ipv6.subnet).prefix));
    for (const local of config.linkLocalIps ?? []) {
      const own = parseAddress(local) as Address;
      addresses.push(route.addAddress(index, own, own.length === 4 ? 16 : 64));
    }
    return [...addresses, route.setUp(index)];
  });
  routes.request(...requests, ...defaultRoutes(endpoints, existing, (endpoint) => indices.get(endpoint)));
}

// The kernel compares what is looked for below /proc/sys/net with that of all network namespaces in which it was looked for in
// the same instance of proc (proc_sys_compare). One of its own goes with this process: its end waits for all processors.
function openOwnProc(): string | undefined {
  try {
    return `/proc/self/fd/${mountNowhere("proc").release()}`;
  } catch {
    return undefined; // it takes a little longer
  }
}

// `net.ipv4.conf.IFNAME.NAME=VALUE`, of the network namespace this thread is in.
function setLinkSysctl(link: string, setting: string): void {
  const [name = "", value = ""] = setting.split("=");
  const path = join("/proc/sys", ...name.split(".").map((part) => (part === "IFNAME" ? link : part)));
  try {
    writeFileSync(path, value);
  } catch (error) {
    throw new NetworkError(`cannot set ${name.replace("IFNAME", link)} to ${value}: ${reasonOf(error)}`, { cause: error });
  }
}

// By the first network that leads somewhere, for each kind of addresses.
function defaultRoutes(endpoints: Endpoint[], existing: Route[], indexOf: (endpoint: Endpoint) => number | undefined): Message[] {
  const priority = ({ config }: Endpoint) => config.gatewayPriority ?? 0;
  const leading = endpoints.filter(({ network }) => !network.config.internal).sort((a, b) => priority(b) - priority(a));
  const first = leading[0];
  const pools = [
    { isV6: false, pool: first?.network.config, endpoint: first },
    {
      isV6: true,
      pool: leading.flatMap(({ network }) => network.config.ipv6 ?? [])[0],
      endpoint: leading.find(({ network }) => network.config.ipv6),
    },
  ];
  return pools.flatMap(({ isV6, pool, endpoint }) => {
    if (!pool || !endpoint || existing.some((found) => found.isIPv6 === isV6)) return [];
    const index = indexOf(endpoint);
    return index === undefined ? [] : [route.addDefaultRoute(index, parseAddress(pool.gateway) as Address)];
  });
}

const defaultRoutesOf = (routes: RouteSocket) => routes.routes().filter(({ destination, link }) => destination.length === 0 && link > 0);

function linkWith(routes: RouteSocket, address: string | undefined): number | undefined {
  const wanted = address === undefined ? undefined : parseAddress(address);
  return wanted && routes.addresses().find((own) => own.address.equals(wanted))?.index;
}

/** Gives a container that runs a link into one more network; published ports stay where they are. Throws {@link NetworkError}. */
export function plugRunning(db: Database, data: string, id: string, networkId: string, pid: number): string[] {
  const warnings: string[] = [];
  try {
    using routes = new RouteSocket();
    using firewall = new Firewall(db, data);
    const wanted = () => endpointsOf(db, id).find(({ network }) => network.id === networkId) as Endpoint;
    const bridge = ensureBridge(routes, wanted().network, firewall.isThere, warnings);
    writeTransaction(db, () => {
      allot(db, wanted());
      firewall.publish([]);
    });
    const endpoint = wanted();
    const { position, existing } = inNetworkOf(pid, () => {
      using inside = new RouteSocket();
      const taken = new Set(inside.links().map(({ name }) => name));
      const free = Array.from({ length: taken.size + 1 }, (_, i) => i).find((i) => !taken.has(`eth${i}`)) as number;
      return { position: free, existing: defaultRoutesOf(inside) };
    });
    const name = plug(routes, endpoint, bridge, position, pid);
    inNetworkOf(pid, () => configure([endpoint], [name], existing));
    return warnings;
  } catch (error) {
    throw asNetworkError(error);
  }
}

/** Takes the link of an endpoint from a container that runs, and its other end with it; the others lead on. */
export function unplugRunning(pid: number, { address }: Endpoint, others: Endpoint[]): void {
  inNetworkOf(pid, () => {
    using routes = new RouteSocket();
    const link = linkWith(routes, address);
    if (link !== undefined) routes.request(route.deleteLink(link));
    routes.request(...defaultRoutes(others, defaultRoutesOf(routes), ({ address: own }) => linkWith(routes, own)));
  });
}

/** Where the containers are that another one is linked to, in a network of both; those that do not run are left out. */
export function linkedAddresses(db: Database, endpoints: Endpoint[], links: ContainerLink[]): { address: string; names: string }[] {
  return links.flatMap(({ container, alias }) => {
    const shared = endpointsOf(db, container).find(
      ({ network, address }) => address !== undefined && endpoints.some((own) => own.network.id === network.id),
    );
    const name = getContainer(db, container)?.name ?? "";
    const names = [...new Set([alias, container.slice(0, 12), name])].join(" ");
    return shared?.address === undefined ? [] : [{ address: shared.address, names }];
  });
}
