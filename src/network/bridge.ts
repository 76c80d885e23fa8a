/** Bridges on the host, and what the host must do for them. */

import { existsSync, readdirSync, readFileSync, writeFileSync } from "../../ffi/files.ts";
import { hasCode, reasonOf } from "../../ffi/libc.ts";
import { type Link, type RouteSocket, route } from "../../ffi/netlink/route.ts";
import { randomBytes } from "../../ffi/random.ts";
import type { NetworkRecord, Pool } from "../store/networks.ts";
import { type Address, parseAddress, subnetOf } from "./address.ts";
import { NetworkError } from "./errors.ts";

const ipv6Settings = (proc = "/proc") => `${proc}/sys/net/ipv6/conf`;

/** Whether this network namespace has IPv6 at all. */
export function hasIPv6(): boolean {
  try {
    return readFileSync("/proc/net/if_inet6", "latin1") !== "";
  } catch {
    return false; // a kernel without it
  }
}

/** Whether the kernel has IPv6, be it used or not. To look for its settings takes the longer, the more network namespaces there are. */
export const hasIPv6Settings = (): boolean => existsSync("/proc/net/if_inet6");

/**
 * Sets what the kernel does with IPv6 on a link of the current network namespace: static addresses, or none.
 *
 * @param proc where a proc is that is written to
 */
export function setIPv6(link: string, isOn: boolean, proc?: string): void {
  try {
    // Whoever is on the same link must not tell it where to send its packets (CVE-2020-13401).
    writeFileSync(`${ipv6Settings(proc)}/${link}/accept_ra`, "0");
    writeFileSync(`${ipv6Settings(proc)}/${link}/disable_ipv6`, isOn ? "0" : "1");
  } catch (error) {
    if (isOn) throw new NetworkError(`the kernel has no IPv6 (${ipv6Settings()}/${link}): ${reasonOf(error)}`);
  }
}

/**
 * Finds a network's bridge, or the interface beside which its links are, or makes it.
 *
 * @param hasFirewall whether the kernel can do what lets packets pass this host, and keeps out those that must not
 * @throws {NetworkError}
 */
export function ensureBridge(routes: RouteSocket, network: NetworkRecord, hasFirewall: boolean, warnings: string[]): Link {
  const { config } = network;
  const found = routes.link(config.bridge);
  if (config.driver !== "bridge") return found ?? makeParent(routes, network);
  if (!config.internal && hasFirewall) {
    ensureForwarding(warnings);
    if (config.ipv6) ensureForwarding6(warnings);
  }
  const link = found?.isUp ? found : makeBridge(routes, network, hasFirewall);
  // Without walls nothing passes; whatever comes from there ends at this host.
  if (hasFirewall) return link;
  writeFileSync(`/proc/sys/net/ipv4/conf/${config.bridge}/forwarding`, "0");
  if (config.ipv6) writeFileSync(`${ipv6Settings()}/${config.bridge}/forwarding`, "0");
  if (!config.internal)
    warnings.push(
      "the kernel has no nf_tables: berth itself passes on what comes to published ports, and from containers nothing gets beyond this host",
    );
  return link;
}

function makeParent(routes: RouteSocket, { name, config }: NetworkRecord): Link {
  const { bridge, made } = config;
  if (made === undefined) throw new NetworkError(`the interface ${bridge}, beside which network ${name} is, is not there`);
  const on = made === "dummy" ? undefined : routes.link(made.on);
  if (made !== "dummy" && !on) throw new NetworkError(`the interface ${made.on}, on which network ${name} has a VLAN, is not there`);
  try {
    routes.request(made === "dummy" ? route.addDummy(bridge) : route.addVlan(bridge, on?.index ?? 0, made.vlan));
  } catch (error) {
    const hint = hasCode(error, "EOPNOTSUPP") ? `; the kernel has no module ${made === "dummy" ? "dummy" : "8021q"}` : "";
    if (!hasCode(error, "EEXIST"))
      throw new NetworkError(`cannot make the interface ${bridge} of network ${name}: ${reasonOf(error)}${hint}`, { cause: error });
  }
  const link = routes.link(bridge);
  if (!link) throw new NetworkError(`the interface ${bridge} of network ${name} was removed by somebody else, try again`);
  routes.request(route.setUp(link.index));
  return link;
}

/** Takes away what {@link ensureBridge} made. */
export function removeLink(routes: RouteSocket, { config }: NetworkRecord): void {
  const link = config.driver === "bridge" || config.made ? routes.link(config.bridge) : undefined;
  if (link) routes.request(route.deleteLink(link.index));
}

function makeBridge(routes: RouteSocket, { name, config }: NetworkRecord, hasFirewall: boolean): Link {
  const mac = Buffer.concat([Buffer.from([0x02, 0x42]), randomBytes(4)]);
  try {
    if (!routes.link(config.bridge)) routes.request(route.addBridge(config.bridge, config.mtu ?? uplinkMtu(routes), mac));
  } catch (error) {
    if (!hasCode(error, "EEXIST")) {
      const hint = hasCode(error, "EOPNOTSUPP") ? "; the kernel has no bridges (module bridge): --network none or host does without" : "";
      throw new NetworkError(`cannot make the bridge ${config.bridge} of network ${name}: ${reasonOf(error)}${hint}`, { cause: error });
    }
  }
  const link = routes.link(config.bridge);
  if (!link) throw new NetworkError(`the bridge ${config.bridge} of network ${name} was removed by somebody else, try again`);
  // Published ports are reached from 127.0.0.1, too; the firewall keeps the way back shut.
  if (hasFirewall) writeFileSync(`/proc/sys/net/ipv4/conf/${config.bridge}/route_localnet`, "1");
  setIPv6(config.bridge, config.ipv6 !== undefined);
  addGateway(routes, link, config);
  if (config.ipv6) addGateway(routes, link, config.ipv6);
  routes.request(route.setUp(link.index));
  return link;
}

function addGateway(routes: RouteSocket, link: Link, { subnet, gateway }: Pool): void {
  try {
    routes.request(route.addAddress(link.index, parseAddress(gateway) as Address, subnetOf(subnet).prefix));
  } catch (error) {
    if (!hasCode(error, "EEXIST")) throw error;
  }
}

function ensureForwarding(warnings: string[]): void {
  const file = "/proc/sys/net/ipv4/ip_forward";
  if (switchOn(file, "IPv4")) warnings.push("IPv4 forwarding was off on this host; it is on now (net.ipv4.ip_forward=1)");
}

function ensureForwarding6(warnings: string[]): void {
  const file = `${ipv6Settings()}/all/forwarding`;
  if (readFileSync(file, "latin1").trim() === "1") return;
  // A host that forwards forgets the routes that routers told it, unless it is to listen nevertheless (accept_ra 2).
  for (const link of readdirSync(ipv6Settings())) {
    if (["all", "default", "lo"].includes(link)) continue;
    const acceptRa = `${ipv6Settings()}/${link}/accept_ra`;
    if (readFileSync(acceptRa, "latin1").trim() === "1") writeFileSync(acceptRa, "2");
  }
  switchOn(file, "IPv6");
  warnings.push("IPv6 forwarding was off on this host; it is on now (net.ipv6.conf.all.forwarding=1)");
}

function switchOn(file: string, kind: string): boolean {
  if (readFileSync(file, "latin1").trim() === "1") return false;
  try {
    writeFileSync(file, "1");
  } catch (error) {
    throw new NetworkError(`${kind} forwarding is off on this host and cannot be switched on (${file}): ${reasonOf(error)}`);
  }
  return true;
}

/** Bytes of a packet on the way to the rest of the world. */
function uplinkMtu(routes: RouteSocket): number {
  const uplink = routes.routes().find(({ destination, link }) => destination.length === 0 && link > 0);
  return routes.links().find(({ index }) => index === uplink?.link)?.mtu ?? 1500;
}
