/** Which addresses a new network gets: those that were asked for, if nobody has them, else some that nobody has. */
import { RouteSocket } from "../../ffi/netlink/route.ts";
import {
  type Address,
  contains,
  formatAddress,
  formatSubnet,
  overlaps,
  parseAddress,
  parseSubnet,
  type Subnet,
  subnetOf,
} from "../network/address.ts";
import { hasIPv6 } from "../network/bridge.ts";
import { chooseSubnet, chooseSubnet6, defaultGateway, hostSubnets } from "../network/pool.ts";
import type { NetworkDriver, NetworkRecord, Pool } from "../store/networks.ts";
import { EngineError } from "./errors.ts";

/** Names of docker's options begin with it. */
export const DRIVER_OPTIONS = "com.docker.network.bridge.";

export interface PoolOptions {
  driver: NetworkDriver;
  /** Of IPv4 and IPv6, one each. */
  subnets: string[];
  gateways: string[];
  ipRanges: string[];
  /** By names. */
  auxAddresses?: Record<string, string>;
  ipv6: boolean;
  options: Record<string, string>;
}

/** Throws {@link EngineError}, `NetworkError`. */
export function choosePools(networks: NetworkRecord[], options: PoolOptions): { ipv4: Pool; ipv6: Pool | undefined } {
  const { driver } = options;
  const taken = networks.flatMap(({ config }) => [subnetOf(config.subnet), ...(config.ipv6 ? [subnetOf(config.ipv6.subnet)] : [])]);
  const own = options.subnets.map((text) => ownSubnet(text, taken, driver === "bridge"));
  const [wanted4, ...more4] = own.filter(({ base }) => base.length === 4);
  const [wanted6, ...more6] = own.filter(({ base }) => base.length === 16);
  const second = more4[0] ?? more6[0];
  if (second) throw new EngineError(`bridge driver doesn't support multiple subnets: ${formatSubnet(second)} is one too many of its kind`);
  if (driver !== "bridge" && !wanted4) throw new EngineError(`a ${driver} network needs the subnet of the one it is part of: --subnet`);
  if (options.ipv6 && !wanted6 && driver !== "bridge")
    throw new EngineError(`a ${driver} network needs the IPv6 subnet of the one it is part of: --subnet`);
  const isV6 = options.ipv6 || wanted6 !== undefined;
  if (isV6 && !hasIPv6()) throw new EngineError("cannot make a network with IPv6: this host has none");
  const subnets = [wanted4 ?? chooseSubnet(taken), ...(isV6 ? [wanted6 ?? chooseSubnet6()] : [])];
  const places = [...options.gateways.map((text) => ({ text, what: "gateway" })), ...options.ipRanges.map((text) => ({ text, what: "range" }))];
  for (const { text, what } of places) {
    if (subnets.some((subnet) => isInside(text, subnet))) continue;
    throw new EngineError(`no matching subnet for ${what} ${text}: the network has ${subnets.map(formatSubnet).join(" and ")}`);
  }
  const aux = Object.entries(options.auxAddresses ?? {});
  for (const [name, text] of aux) {
    if (parseAddress(text) && subnets.some((subnet) => isInside(text, subnet))) continue;
    throw new EngineError(`no matching subnet for aux-address ${name}=${text}: the network has ${subnets.map(formatSubnet).join(" and ")}`);
  }
  const poolOf = (subnet: Subnet): Pool => {
    const gateway = options.gateways.find((text) => isInside(text, subnet));
    const range = options.ipRanges.find((text) => isInside(text, subnet));
    const own = aux.filter(([, text]) => isInside(text, subnet)).map(([name, text]) => [name, formatAddress(parseAddress(text) as Address)]);
    return {
      subnet: formatSubnet(subnet),
      gateway: formatAddress((gateway !== undefined && parseAddress(gateway)) || defaultGateway(subnet)),
      ...(range !== undefined && { ipRange: formatSubnet(subnetOf(range)) }),
      ...(own.length > 0 && { auxAddresses: Object.fromEntries(own) }),
      ...(isRouted(options.options, subnet) && { routed: true }),
    };
  };
  const [ipv4, ipv6] = subnets.map(poolOf) as [Pool, Pool | undefined];
  return { ipv4, ipv6 };
}

// An address, or a range.
function isInside(text: string, subnet: Subnet): boolean {
  const { base, prefix } = parseSubnet(text) ?? { base: parseAddress(text), prefix: Number.POSITIVE_INFINITY };
  return base !== undefined && contains(subnet, base) && prefix >= subnet.prefix;
}

function isRouted(options: Record<string, string>, { base }: Subnet): boolean {
  const key = `${DRIVER_OPTIONS}gateway_mode_ipv${base.length === 4 ? 4 : 6}`;
  const mode = options[key];
  if (mode !== undefined && mode !== "nat" && mode !== "routed")
    throw new EngineError(`invalid ${key} ${JSON.stringify(mode)}: expected nat or routed`);
  return mode === "routed";
}

function ownSubnet(text: string, taken: Subnet[], isNew: boolean): Subnet {
  const subnet = parseSubnet(text);
  if (!subnet) throw new EngineError(`invalid subnet ${text}: expected ADDRESS/PREFIX, such as 10.1.0.0/16 or fd00:1::/64`);
  if (subnet.prefix > 8 * subnet.base.length - 2) throw new EngineError(`invalid subnet ${text}: it has no room for a gateway and a container`);
  using routes = new RouteSocket();
  if ([...taken, ...(isNew ? hostSubnets(routes) : [])].some((other) => overlaps(subnet, other)))
    throw new EngineError(`invalid pool request: Pool overlaps with other one on this address space: ${text}`);
  return subnet;
}
