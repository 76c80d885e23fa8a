/**
 * What is in the engine's nf_tables tables, one for each kind of addresses: NAT for what
 * leaves, published ports for what comes, walls between networks. Sets and maps hold what
 * changes, so that a packet is looked up once however many ports there are.
 */
import {
  CT_STATE_KNOWN,
  CT_STATE_NEW,
  type Expression,
  expr,
  IPS_DST_NAT,
  interfaceName,
  REG_1,
  REG_2,
  REG32_00,
} from "../../ffi/netlink/nft-expressions.ts";
import { NFPROTO_IPV4, NFPROTO_IPV6, type Nftable, type SetElement } from "../../ffi/netlink/nftables.ts";
import { type Message, u32 } from "../../ffi/netlink/socket.ts";
import type { NetworkRecord, Pool, Protocol, PublishedPort } from "../store/networks.ts";
import { type Address, contains, fromNumber, isIPv6, nthAddress, parseAddress, subnetOf, toNumber } from "./address.ts";

/** A kind of addresses, and where they stand in a packet's header. */
export interface Family {
  number: number;
  type: "address" | "address6";
  /** Bytes. */
  length: 4 | 16;
  source: number;
  destination: number;
  /** Protocol number of its ICMP. */
  icmp: number;
  poolOf(network: NetworkRecord): Pool | undefined;
}

export const IPV4: Family = {
  number: NFPROTO_IPV4,
  type: "address",
  length: 4,
  source: 12,
  destination: 16,
  icmp: 1,
  poolOf: ({ config }) => config,
};
export const IPV6: Family = {
  number: NFPROTO_IPV6,
  type: "address6",
  length: 16,
  source: 8,
  destination: 24,
  icmp: 58,
  poolOf: ({ config }) => config.ipv6,
};

const RTN_LOCAL = 2;
/** Where the port is in the headers of all of them. */
export const DESTINATION_PORT = 2;
export const PROTOCOLS: Record<Protocol, number> = { tcp: 6, udp: 17, sctp: 132 };
const LOOPBACK = Buffer.from([127]);
const LOOPBACK_IPV6 = parseAddress("::1") as Address;

/** A table with all its chains and rules, and sets without elements. */
export function frame(t: Nftable, { number, type, length, source, destination, icmp }: Family): Message[] {
  const zero = Buffer.alloc(4);
  const oneBridge = (key: "iifname" | "oifname", isOurs = true) => [expr.meta(key, REG_1), expr.lookup("bridges", REG_1, isOurs)];
  const sameBridge = [expr.meta("iifname", REG_1), expr.meta("oifname", REG_2), expr.lookup("within", REG_1)];
  const has = (key: "status" | "state", mask: number) => [expr.ct(key, REG_1), expr.and(REG_1, u32(mask)), expr.differs(REG_1, zero)];
  const isNot = (key: "status" | "state", mask: number) => [expr.ct(key, REG_1), expr.and(REG_1, u32(mask)), expr.equals(REG_1, zero)];
  const addressIn = (offset: number, set: string) => [expr.payload(1, offset, length, REG_1), expr.lookup(set, REG_1)];
  const isLoopback = (offset: number) => [expr.payload(1, offset, 1, REG_1), expr.equals(REG_1, LOOPBACK)];
  // Address, protocol and port in registers that follow each other.
  const second = REG32_00 + length / 4;
  const portTo = (register: number) => [expr.meta("l4proto", register), expr.payload(2, DESTINATION_PORT, 2, register + 1)];
  const published = (chain: string): Message[] => {
    const local = [expr.destinationType(REG_1), expr.equals(REG_1, u32(RTN_LOCAL))];
    // From [::1] the kernel leads nowhere else; see relay.ts.
    if (number === NFPROTO_IPV6) local.push(expr.payload(1, destination, length, REG_1), expr.differs(REG_1, LOOPBACK_IPV6));
    const to = expr.dnat(number, REG32_00, second);
    return [
      t.rule(
        chain,
        ...local,
        expr.payload(1, destination, length, REG32_00),
        ...portTo(second),
        expr.map("ports_of_address", REG32_00, REG32_00),
        to,
      ),
      t.rule(chain, ...local, ...portTo(REG32_00), expr.map("ports", REG32_00, REG32_00), to),
    ];
  };
  const forward = (...expressions: Expression[]) => t.rule("forward", ...expressions);
  return [
    t.set("bridges", { key: ["interface"], keyLength: 16 }),
    t.set("within", { key: ["interface", "interface"], keyLength: 32 }),
    t.set("internal", { key: ["interface"], keyLength: 16 }),
    t.set("subnets", { key: [type], keyLength: length, interval: true }),
    t.set("routed", { key: [type], keyLength: length, interval: true }),
    t.set("open", { key: [type, "protocol", "port"], keyLength: length + 8 }),
    t.set("ports", { key: ["protocol", "port"], keyLength: 8, data: [type, "port"], dataLength: length + 4 }),
    t.set("ports_of_address", { key: [type, "protocol", "port"], keyLength: length + 8, data: [type, "port"], dataLength: length + 4 }),
    t.chain("prerouting", { type: "nat", hook: "prerouting", priority: -100 }),
    ...published("prerouting"),
    t.chain("output", { type: "nat", hook: "output", priority: -100 }),
    ...published("output"),
    t.chain("postrouting", { type: "nat", hook: "postrouting", priority: 100 }),
    t.rule("postrouting", ...addressIn(source, "subnets"), ...oneBridge("oifname", false), expr.masquerade()),
    // A container that reaches another one, or itself, by the host's address: the answer must come back this way.
    t.rule("postrouting", ...has("status", IPS_DST_NAT), ...addressIn(source, "subnets"), ...oneBridge("oifname"), expr.masquerade()),
    t.chain("input", { type: "filter", hook: "input", priority: 0 }),
    ...(number === NFPROTO_IPV4
      ? [
          t.rule("postrouting", ...isLoopback(source), ...oneBridge("oifname"), expr.masquerade()),
          // Bridges route 127.0.0.0/8 for published ports; what comes from containers must not reach the host's own, nor pass for it.
          ...[destination, source].map((offset) =>
            t.rule("input", ...oneBridge("iifname"), ...isLoopback(offset), ...isNot("state", CT_STATE_KNOWN), expr.verdict("drop")),
          ),
        ]
      : []),
    t.chain("forward", { type: "filter", hook: "forward", priority: 0 }),
    forward(...sameBridge, expr.verdict("accept")),
    forward(expr.meta("iifname", REG_1), expr.lookup("internal", REG_1), expr.verdict("drop")),
    forward(expr.meta("oifname", REG_1), expr.lookup("internal", REG_1), expr.verdict("drop")),
    forward(...has("status", IPS_DST_NAT), expr.verdict("accept")),
    // Where addresses are known outside, what is published is reached by them, too.
    forward(expr.payload(1, destination, length, REG32_00), ...portTo(second), expr.lookup("open", REG32_00), expr.verdict("accept")),
    forward(...addressIn(destination, "routed"), expr.meta("l4proto", REG_1), expr.equals(REG_1, Buffer.of(icmp)), expr.verdict("accept")),
    // Nobody begins a conversation with a container but through its published ports.
    forward(...oneBridge("oifname"), ...has("state", CT_STATE_NEW), expr.verdict("drop")),
    forward(...oneBridge("iifname"), ...oneBridge("oifname"), expr.verdict("drop")),
  ];
}

/** Elements for a network; none for one past the host. */
export function networkElements(t: Nftable, family: Family, network: NetworkRecord): Message[] {
  const { driver, bridge, internal } = network.config;
  if (driver !== "bridge") return [];
  const name = interfaceName(bridge);
  const messages = [t.addElements("bridges", [{ key: name }]), t.addElements("within", [{ key: Buffer.concat([name, name]) }])];
  const pool = family.poolOf(network);
  if (internal) messages.push(t.addElements("internal", [{ key: name }]));
  else if (pool) {
    const subnet = subnetOf(pool.subnet);
    const end = fromNumber(toNumber(nthAddress(subnet, -1n)) + 1n, family.length);
    messages.push(t.addElements(pool.routed ? "routed" : "subnets", [{ key: subnet.base }, { key: end, isEnd: true }]));
  }
  return messages;
}

// By their sets; those of the other family, or that lead to it, are left out.
function portElements(family: Family, ports: PublishedPort[], networks: NetworkRecord[]): Map<string, SetElement[]> {
  const isOwn = (text: string) => isIPv6(text) === (family.length === 16);
  const routed = networks.flatMap((network) => {
    const pool = family.poolOf(network);
    return pool?.routed ? [subnetOf(pool.subnet)] : [];
  });
  const own = ports.filter(({ hostIp, containerIp }) => isOwn(hostIp) && isOwn(containerIp));
  const elements = own.flatMap((p): (SetElement & { set: string })[] => {
    const address = parseAddress(p.containerIp) as Address;
    const protocol = Buffer.from([PROTOCOLS[p.protocol], 0, 0, 0]);
    const key = Buffer.concat([protocol, port(p.hostPort)]);
    const data = Buffer.concat([address, port(p.containerPort)]);
    const isAny = p.hostIp === "0.0.0.0" || p.hostIp === "::";
    return [
      isAny ? { set: "ports", key, data } : { set: "ports_of_address", key: Buffer.concat([parseAddress(p.hostIp) as Address, key]), data },
      ...(routed.some((subnet) => contains(subnet, address))
        ? [{ set: "open", key: Buffer.concat([address, protocol, port(p.containerPort)]) }]
        : []),
    ];
  });
  return Map.groupBy(elements, ({ set }) => set);
}

const port = (value: number) => Buffer.from([value >> 8, value & 0xff, 0, 0]);

/** What adds published ports to a table. */
export function addPorts(t: Nftable, family: Family, ports: PublishedPort[], networks: NetworkRecord[]): Message[] {
  return [...portElements(family, ports, networks)].flatMap(([set, elements]) => inBatches(elements).map((batch) => t.addElements(set, batch)));
}

/** What takes published ports out of a table. */
export function deletePorts(t: Nftable, family: Family, ports: PublishedPort[], networks: NetworkRecord[]): Message[] {
  return [...portElements(family, ports, networks)].flatMap(([set, elements]) => elements.map(({ key }) => t.deleteElements(set, [{ key }])));
}

// An attribute holds 64 KiB.
function inBatches(elements: SetElement[]): SetElement[][] {
  const BATCH = 500;
  return Array.from({ length: Math.ceil(elements.length / BATCH) }, (_, i) => elements.slice(i * BATCH, (i + 1) * BATCH));
}
