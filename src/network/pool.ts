/** Which subnets networks get: docker's pools, without what the host or another network uses. */

import { RouteSocket } from "../../ffi/netlink/route.ts";
import { randomBytes } from "../../ffi/random.ts";
import { nthAddress, overlaps, type Subnet } from "./address.ts";
import { NetworkError } from "./errors.ts";

// 172.17.0.0/16 to 172.31.0.0/16, then 192.168.0.0/20 and on, as dockerd has them (daemon "default-address-pools").
const POOLS: Subnet[] = [
  ...Array.from({ length: 15 }, (_, i) => ({ base: Buffer.from([172, 17 + i, 0, 0]), prefix: 16 })),
  ...Array.from({ length: 16 }, (_, i) => ({ base: Buffer.from([192, 168, 16 * i, 0]), prefix: 20 })),
];

/** Subnets the host has routes to, its default routes left out. */
export function hostSubnets(routes: RouteSocket): Subnet[] {
  return routes.routes().flatMap(({ destination, prefix }) => (destination.length > 0 ? [{ base: destination, prefix }] : []));
}

/** A subnet that nobody uses. Throws {@link NetworkError} where there is none left. */
export function chooseSubnet(taken: Subnet[]): Subnet {
  using routes = new RouteSocket();
  const all = [...taken, ...hostSubnets(routes)];
  const free = POOLS.find((pool) => !all.some((other) => overlaps(pool, other)));
  if (!free) throw new NetworkError("could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network");
  return free;
}

/** The host's own address in a subnet, where none is asked for: the first one. */
export const defaultGateway = (subnet: Subnet) => nthAddress(subnet, 1n);

/** A subnet of IPv6 that nobody else has, by all odds: unique local addresses with a random prefix (RFC 4193, 3.2). */
export function chooseSubnet6(): Subnet {
  const base = Buffer.alloc(16);
  base[0] = 0xfd;
  base.set(randomBytes(5), 1);
  return { base, prefix: 64 };
}
