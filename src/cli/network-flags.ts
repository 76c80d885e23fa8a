/** The flags about networks, and their values. Every `parse…` throws {@link ValueError} naming what was expected. */

import type { ContainerOptions } from "../engine/create-container.ts";
import { formatAddress, parseAddress } from "../network/address.ts";
import type { Bandwidth, ContainerLink } from "../store/container-config.ts";
import { ENDPOINT_SYSCTLS, type EndpointConfig, type PortRequest, type Protocol } from "../store/networks.ts";
import type { ContainerFlagValues, ReadAll, ReadOne } from "./container-flags.ts";
import { UsageError, ValueError } from "./errors.ts";
import { optional, parseInteger, parsePair } from "./values.ts";

const PROTOCOLS: Protocol[] = ["tcp", "udp", "sctp"];
const EXPECTED = "expected [IP:][HOST_PORT:]CONTAINER_PORT[/tcp|udp|sctp]";

function parseProtocol(text: string): Protocol {
  const protocol = text.toLowerCase() as Protocol;
  if (!PROTOCOLS.includes(protocol)) throw new ValueError(`invalid proto ${JSON.stringify(text)}: expected tcp, udp or sctp`);
  return protocol;
}

// `80`, or `8000-8010`: first and last.
function parseRange(text: string): [first: number, last: number] {
  const [, first, last] = /^(\d+)(?:-(\d+))?$/.exec(text) ?? [];
  if (first === undefined) throw new ValueError(`invalid port ${JSON.stringify(text)}: ${EXPECTED}`);
  const range: [number, number] = [Number(first), Number(last ?? first)];
  for (const port of range)
    if (port < 1 || port > 65535) throw new ValueError(`invalid port ${JSON.stringify(text)}: expected a number from 1 to 65535`);
  if (range[1] < range[0]) throw new ValueError(`invalid range ${JSON.stringify(text)}: its end is before its start`);
  return range;
}

/** One `-p`: as many ports as its range has; a host port of 0 is any that is free. */
export function parsePublish(text: string): PortRequest[] {
  const [main = "", protocolText = "tcp", ...more] = text.split("/");
  if (more.length > 0) throw new ValueError(EXPECTED);
  const protocol = parseProtocol(protocolText);
  const [, ip6, ip4, host, container = ""] = /^(?:(?:\[([^\]]*)\]|([^:]*)):)?(?:([\d-]*):)?([^:]+)$/.exec(main) ?? [];
  // With a single colon what stands before it is a port.
  const [hostText, hostPorts] = host === undefined && ip4 !== undefined && /^[\d-]*$/.test(ip4) ? ["", ip4] : [ip6 ?? ip4 ?? "", host ?? ""];
  const address = parseAddress(hostText);
  if (!address && hostText !== "") throw new ValueError(`invalid IP address: ${hostText}`);
  const hostIp = address ? formatAddress(address) : "";
  const [first, last] = parseRange(container);
  const count = last - first + 1;
  if (hostPorts === "") return Array.from({ length: count }, (_, i) => ({ protocol, hostIp, hostPort: 0, containerPort: first + i }));
  const [hostFirst, hostLast] = parseRange(hostPorts);
  // One port of the container on whichever of a range is free.
  if (count === 1 && hostLast > hostFirst) return [{ protocol, hostIp, hostPort: hostFirst, hostPortLast: hostLast, containerPort: first }];
  if (hostLast - hostFirst + 1 !== count)
    throw new ValueError(`invalid ranges specified for container and host Ports: ${container} and ${hostPorts}`);
  return Array.from({ length: count }, (_, i) => ({ protocol, hostIp, hostPort: hostFirst + i, containerPort: first + i }));
}

/** One `--expose`, as images have it: `80/tcp`. */
export function parseExpose(text: string): string[] {
  const [ports = "", protocolText = "tcp"] = text.split("/");
  const [first, last] = parseRange(ports);
  const protocol = parseProtocol(protocolText);
  return Array.from({ length: last - first + 1 }, (_, i) => `${first + i}/${protocol}`);
}

/** A network to connect to, by what the user calls it. */
export interface NetworkRequest {
  name: string;
  config: EndpointConfig;
}

/** `NAME`, `NAME:alias=A,ip=IP` (podman), or `name=NAME,alias=A,ip=IP` (docker). */
export function parseNetwork(text: string): NetworkRequest {
  const config: EndpointConfig = { aliases: [] };
  if (/^container:.+/.test(text)) return { name: text, config };
  let name = text;
  let options: string[] = [];
  if (/^name=/.test(text)) [name = "", ...options] = [text.slice("name=".length).split(",")[0] ?? "", ...text.split(",").slice(1)];
  else if (text.includes(":")) [name, options] = [text.slice(0, text.indexOf(":")), text.slice(text.indexOf(":") + 1).split(",")];
  if (name === "") throw new ValueError("expected the name of a network");
  for (const option of options) {
    const [, key, value = ""] = /^([^=]+)=(.+)$/.exec(option) ?? [];
    if (key === "alias") config.aliases.push(value);
    else if (key === "ip") config.ip = parseIp(value);
    else if (key === "ip6") config.ip6 = parseIp6(value);
    else if (key === "link-local-ip") config.linkLocalIps = [...(config.linkLocalIps ?? []), parseLinkLocal(value)];
    else if (key === "gw-priority") config.gatewayPriority = parseInteger(value);
    else if (key === "driver-opt") config.driverOptions = { ...config.driverOptions, ...Object.fromEntries([parseDriverOption(value)]) };
    else if (key === "mac-address" || key === "mac") config.mac = parseMac(value);
    else
      throw new ValueError(
        `invalid option ${JSON.stringify(option)}: expected alias, ip, ip6, mac-address, link-local-ip, gw-priority or driver-opt with a value`,
      );
  }
  return { name: name === "default" ? "bridge" : name, config };
}

/** What a connection has besides addresses. */
export function endpointOptions(
  driverOptions: [string, string][],
  linkLocalIps: string[],
  gatewayPriority: number | undefined,
): Pick<EndpointConfig, "driverOptions" | "linkLocalIps" | "gatewayPriority"> {
  return {
    ...(driverOptions.length > 0 && { driverOptions: Object.fromEntries(driverOptions) }),
    ...(linkLocalIps.length > 0 && { linkLocalIps }),
    ...optional("gatewayPriority", gatewayPriority),
  };
}

/** An option of a connection; docker has one that means something. */
export function parseDriverOption(text: string): [string, string] {
  const [key, value] = parsePair(text, "a driver option");
  if (key === ENDPOINT_SYSCTLS)
    for (const setting of value.split(","))
      if (!/^net\.(ipv4|ipv6|mpls)\.(conf|neigh|input)\.IFNAME\.\w+=\S+$/.test(setting))
        throw new ValueError(`${ENDPOINT_SYSCTLS}: expected net.ipv4.conf.IFNAME.NAME=VALUE, separated by commas`);
  return [key, value];
}

/** An address that is good on one link only. */
export function parseLinkLocal(text: string): string {
  const address = parseAddress(text);
  const isLocal = address?.length === 4 ? address[0] === 169 && address[1] === 254 : address?.[0] === 0xfe && ((address[1] ?? 0) & 0xc0) === 0x80;
  if (!address || !isLocal) throw new ValueError("expected a link-local address, such as 169.254.1.2 or fe80::2");
  return formatAddress(address);
}

export function parseIp(text: string): string {
  if (parseAddress(text)?.length !== 4) throw new ValueError("expected an IPv4 address");
  return text;
}

export function parseIp6(text: string): string {
  const address = parseAddress(text);
  if (address?.length !== 16) throw new ValueError("expected an IPv6 address");
  return formatAddress(address);
}

/** Of either kind. */
export function parseAnyIp(text: string): string {
  const address = parseAddress(text);
  if (!address) throw new ValueError("expected an IP address");
  return formatAddress(address);
}

const MAX_DELAY = 60e6; // microseconds
const RATE_UNITS: Record<string, number> = { "": 1, k: 1e3, m: 1e6, g: 1e9 };

/** `8mbit`, `10MB/s`, in bytes a second. */
export function parseRate(text: string): number {
  const [, number, unit = "", kind = ""] = /^(\d+(?:\.\d+)?)([kmg]?)(bit|b)(?:\/s|ps)?$/i.exec(text) ?? [];
  const rate = Math.floor((Number(number) * (RATE_UNITS[unit.toLowerCase()] ?? Number.NaN)) / (kind.toLowerCase() === "bit" ? 8 : 1));
  if (number === undefined || !(rate >= 1000)) throw new ValueError("expected a rate of at least 8kbit, such as 8mbit, 1gbit or 10MB/s");
  return rate;
}

/** `100ms`, `1.5s`, `300us`, in microseconds. */
export function parseDelay(text: string): number {
  const [, number, unit = ""] = /^(\d+(?:\.\d+)?)(us|ms|s)?$/.exec(text) ?? [];
  const delay = Math.round(Number(number) * ({ us: 1, ms: 1e3, s: 1e6 }[unit] ?? 1e3));
  if (number === undefined || delay > MAX_DELAY) throw new ValueError("expected a time of at most 60s, such as 100ms");
  return delay;
}

/** `1%`, in percent. */
export function parseLoss(text: string): number {
  const [, number] = /^(\d+(?:\.\d+)?)%?$/.exec(text) ?? [];
  if (number === undefined || Number(number) > 100) throw new ValueError("expected a share from 0% to 100%");
  return Number(number);
}

export function parseMac(text: string): string {
  if (!/^([0-9a-f]{2}[:-]){5}[0-9a-f]{2}$/i.test(text)) throw new ValueError("expected a MAC address, such as 92:d0:c6:0a:29:33");
  const mac = text.toLowerCase().replaceAll("-", ":");
  if (Number.parseInt(mac.slice(0, 2), 16) & 1) throw new ValueError("expected the MAC address of one machine, not of a group");
  return mac;
}

/** `CONTAINER[:ALIAS]`. */
export function parseLink(text: string): ContainerLink {
  const [, container, alias] = /^([^:]+)(?::([^:]+))?$/.exec(text) ?? [];
  if (container === undefined) throw new ValueError("expected CONTAINER or CONTAINER:ALIAS");
  return { container, alias: alias ?? container };
}

/** `NAME:IP`, or `NAME=IP`; the address may be `host-gateway`. */
export function parseExtraHost(text: string): string {
  const [, name, ip = ""] = /^([^:=\s]+)[:=](.+)$/.exec(text) ?? [];
  const address = ip.replace(/^\[(.*)\]$/, "$1");
  if (name === undefined || (address !== "host-gateway" && !parseAddress(address))) throw new ValueError("bad format for add-host: expected NAME:IP");
  return `${name}:${address}`;
}

/** No networks of ours, and none beside. */
const OWN_STACK = ["host", "none", "pasta", "slirp4netns"];

/** What `run` and `create` ask of networks. Throws {@link UsageError}. */
export function networkOptions(
  values: ContainerFlagValues,
  read: ReadOne,
  readAll: ReadAll,
): Pick<ContainerOptions, "network" | "networks" | "networking" | "expose"> {
  const requests = [...readAll("network", parseNetwork), ...readAll("net", parseNetwork)];
  const [main = { name: "bridge", config: { aliases: [] } }, ...others] = requests;
  const shares = main.name.startsWith("container:");
  const ports = readAll("publish", parsePublish).flat();
  if (
    others.some(({ name }) => name.startsWith("container:") || OWN_STACK.includes(name)) ||
    (others.length > 0 && (shares || OWN_STACK.includes(main.name)))
  )
    throw new UsageError("conflicting options: host, none and container: networks stand alone");
  if (shares) refuseWhatIsTheOthers(values);
  if (main.name === "host" && values.link.length > 0)
    throw new UsageError("conflicting options: host type networking can't be used with links. This would result in undefined behavior");
  const bandwidth = bandwidthOf(read);
  if (bandwidth && (shares || OWN_STACK.includes(main.name)))
    throw new UsageError("conflicting options: a bandwidth needs a network of the container's own");
  const ip = read("ip", parseIp);
  const ip6 = read("ip6", parseIp6);
  const mac = read("mac-address", parseMac);
  if (ip !== undefined) main.config.ip = ip;
  if (ip6 !== undefined) main.config.ip6 = ip6;
  if (mac !== undefined) main.config.mac = mac;
  const linkLocalIps = readAll("link-local-ip", parseLinkLocal);
  if (linkLocalIps.length > 0) main.config.linkLocalIps = [...(main.config.linkLocalIps ?? []), ...linkLocalIps];
  main.config.aliases.push(...values["network-alias"]);
  return {
    network: main.name,
    networks: shares || OWN_STACK.includes(main.name) ? [] : [main, ...others],
    expose: readAll("expose", parseExpose).flat(),
    networking: {
      ports,
      publishAll: values["publish-all"],
      extraHosts: readAll("add-host", parseExtraHost),
      dns: readAll("dns", parseAnyIp),
      dnsSearch: values["dns-search"],
      dnsOptions: values["dns-option"],
      ...(bandwidth && { bandwidth }),
      links: readAll("link", parseLink),
    },
  };
}

// Of a network that is shared with another container. Docker's words.
function refuseWhatIsTheOthers(values: ContainerFlagValues): void {
  const conflicts: Record<string, boolean> = {
    "port publishing and the container type network mode": values.publish.length > 0 || values["publish-all"] === true,
    "port exposing and the container type network mode": values.expose.length > 0,
    "container type network can't be used with links. This would result in undefined behavior": values.link.length > 0,
    "dns and the network mode": values.dns.length > 0,
    "custom host-to-IP mapping and the network mode": values["add-host"].length > 0,
    "mac-address and the network mode": values["mac-address"] !== undefined,
  };
  for (const [conflict, isThere] of Object.entries(conflicts)) if (isThere) throw new UsageError(`conflicting options: ${conflict}`);
}

/** What flags say of the bandwidth; undefined where they say nothing. */
export function bandwidthOf(read: ReadOne): Bandwidth | undefined {
  const both = read("bandwidth", parseRate);
  const entries = Object.entries({
    in: read("bandwidth-in", parseRate) ?? both,
    out: read("bandwidth-out", parseRate) ?? both,
    delay: read("net-delay", parseDelay),
    loss: read("net-loss", parseLoss),
  }).filter(([, value]) => value !== undefined);
  return entries.length > 0 ? Object.fromEntries(entries) : undefined;
}
