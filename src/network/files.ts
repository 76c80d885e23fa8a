/** The three files by which a container knows its name, its neighbours and its name servers. */
import { readFileSync, statSync, writeFileSync } from "../../ffi/files.ts";
import { join } from "../../ffi/path.ts";
import type { NetworkSettings } from "../store/container-config.ts";
import { DEFAULT_NETWORK, type Endpoint } from "../store/networks.ts";
import { isIPv6 } from "./address.ts";

export interface NetworkFiles {
  hostname: string;
  domainname: string;
  /** Whether the container lives in the host's network and sees its neighbours. */
  hostNetwork: boolean;
  /** Its connections, with addresses. */
  endpoints: Endpoint[];
  networking: NetworkSettings;
  /** Addresses of other containers by the names they are to have here. */
  linked: { address: string; names: string }[];
}

const LOCALHOST =
  "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\nff00::\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n";
/** The monitor's, on networks whose containers know each other by name; see resolver.ts. */
export const RESOLVER_ADDRESS = "127.0.0.11";
/** Of slirp4netns; see user-network.ts. */
export const SLIRP_RESOLVER = "10.0.2.3";
/** Where a host has no resolver that a container could reach; dockerd's choice. */
const PUBLIC_RESOLVERS = ["8.8.8.8", "8.8.4.4"];

/** Writes `hosts`, `hostname` and `resolv.conf` into a container's folder, where they are mounted from; gives what is in them. */
export function writeNetworkFiles(folder: string, files: NetworkFiles): Map<string, string> {
  const texts = new Map([
    ["hostname", `${files.hostname}\n`],
    ["hosts", hostsFile(files)],
    ["resolv.conf", resolverFile(files)],
  ]);
  for (const [name, text] of texts) writeFileSync(join(folder, name), text);
  return texts;
}

/** Changes those that nobody in the container has changed. */
export function rewriteNetworkFiles(folder: string, files: NetworkFiles, written: Map<string, string>): void {
  for (const [name, text] of [["hosts", hostsFile(files)] as const, ["resolv.conf", resolverFile(files)] as const]) {
    const path = join(folder, name);
    const before = written.get(name) ?? "";
    // Its length first: it can be any by now.
    if (text === before || statSync(path).size !== Buffer.byteLength(before) || readFileSync(path, "utf8") !== before) continue;
    writeFileSync(path, text);
    written.set(name, text);
  }
}

function resolverFile({ hostNetwork, networking, endpoints }: NetworkFiles): string {
  const host = readOr("/etc/resolv.conf", "");
  const hasResolver = endpoints.some(({ network }) => network.name !== DEFAULT_NETWORK);
  const isPlain = networking.dns.length + networking.dnsSearch.length + networking.dnsOptions.length === 0;
  // Whom that one asks, it knows by itself.
  const wanted = hasResolver
    ? { ...networking, dns: [RESOLVER_ADDRESS], dnsOptions: networking.dnsOptions.length > 0 ? networking.dnsOptions : ["ndots:0"] }
    : networking;
  if (hostNetwork && isPlain) return host;
  return resolvConf(host, wanted, { isBridged: endpoints.length > 0, hasIPv6: endpoints.some(({ network }) => network.config.ipv6) });
}

function hostsFile({ hostname, domainname, hostNetwork, endpoints, networking, linked }: NetworkFiles): string {
  const name = domainname ? `${hostname}.${domainname} ${hostname}` : hostname;
  const own =
    endpoints.length > 0
      ? endpoints
          .flatMap(({ address, address6 }) => [address, address6 ?? []].flat())
          .map((address) => `${address}\t${name}\n`)
          .join("")
      : `127.0.1.1\t${name}\n`;
  const gateway = endpoints[0]?.network.config.gateway ?? "127.0.0.1";
  const extra = networking.extraHosts.map((text) => {
    const [, host, ip] = /^([^:]+):(.*)$/.exec(text) ?? [];
    return `${ip === "host-gateway" ? gateway : ip}\t${host}\n`;
  });
  return (
    (hostNetwork ? readOr("/etc/hosts", LOCALHOST) : LOCALHOST + own) +
    linked.map(({ address, names }) => `${address}\t${names}\n`).join("") +
    extra.join("")
  );
}

function readOr(path: string, otherwise: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return otherwise;
  }
}

/**
 * The host's own, without name servers on addresses that are somebody else's inside a
 * container, and with what is asked for in the place of what it has.
 *
 * @param way whether there is one to name servers elsewhere, and to those on IPv6 addresses
 */
export function resolvConf(
  host: string,
  { dns, dnsSearch, dnsOptions }: Pick<NetworkSettings, "dns" | "dnsSearch" | "dnsOptions">,
  { isBridged, hasIPv6 }: { isBridged: boolean; hasIPv6: boolean },
): string {
  const isReachable = (server = "") => !/^(127\.|::1\b)/.test(server) && (!isBridged || hasIPv6 || !isIPv6(server));
  const lines = host.split("\n").filter((line) => {
    if (/^\s*nameserver\s/.test(line)) return dns.length === 0 && isReachable(line.trim().split(/\s+/)[1]);
    if (/^\s*(search|domain)\s/.test(line)) return dnsSearch.length === 0;
    return !/^\s*options\s/.test(line) || dnsOptions.length === 0;
  });
  const hasServer = lines.some((line) => /^\s*nameserver\s/.test(line));
  const servers = dns.length > 0 ? dns : hasServer || !isBridged ? [] : PUBLIC_RESOLVERS;
  const search = dnsSearch.filter((domain) => domain !== ".");
  const own = [
    ...servers.map((server) => `nameserver ${server}`),
    ...(search.length > 0 ? [`search ${search.join(" ")}`] : []),
    ...(dnsOptions.length > 0 ? [`options ${dnsOptions.join(" ")}`] : []),
  ];
  return `${[...lines.join("\n").trimEnd().split("\n"), ...own].filter((line, i, all) => line !== "" || i < all.length - 1).join("\n")}\n`.replace(
    /^\n+/,
    "",
  );
}
