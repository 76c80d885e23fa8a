/**
 * The engine's nf_tables table: NAT for what leaves, published ports for what comes,
 * walls between networks. Sets and maps hold what changes, so that a packet is looked up
 * once however many ports there are.
 */
import type { Database } from "bun:sqlite";
import { reasonOf } from "../../ffi/libc.ts";
import {
  CT_STATE_KNOWN,
  CT_STATE_NEW,
  expr,
  IPS_DST_NAT,
  interfaceName,
  NFPROTO_IPV4,
  Nftable,
  NftSocket,
  REG_1,
  REG_2,
  REG32_00,
  REG32_01,
  type SetElement,
} from "../../ffi/netlink/nftables.ts";
import { type Message, NetlinkError, u32 } from "../../ffi/netlink/socket.ts";
import { allPorts, listNetworks, type NetworkRecord, type Protocol, type PublishedPort } from "../store/networks.ts";
import { type Address, fromNumber, nthAddress, parseAddress, parseSubnet, toNumber } from "./address.ts";
import { NetworkError } from "./errors.ts";
import { passForeignFirewalls } from "./foreign-firewalls.ts";

const IP_DESTINATION = 16; // offsets in the header of IPv4
const IP_SOURCE = 12;
const DESTINATION_PORT = 2;
const RTN_LOCAL = 2;
const PROTOCOLS: Record<Protocol, number> = { tcp: 6, udp: 17, sctp: 132 };
const LOOPBACK = Buffer.from([127]);

/** The name of an engine's table, after its folder where that is not the usual one. */
function tableName(data: string): string {
  return data === "/var/lib/berth" ? "berth" : `berth-${new Bun.CryptoHasher("sha256").update(data).digest("hex").slice(0, 12)}`;
}

const bridgesOf = (networks: NetworkRecord[]) => networks.flatMap(({ config }) => (config.driver === "bridge" ? [config.bridge] : []));

/** Changes what the kernel has in step with the store; under the store's write lock. */
export class Firewall implements Disposable {
  readonly #socket: NftSocket;
  readonly #name: string;
  readonly #table: Nftable;
  readonly #db: Database;

  /** Throws {@link NetworkError} where the kernel has no nf_tables. */
  constructor(db: Database, data: string) {
    try {
      this.#socket = new NftSocket();
    } catch (error) {
      throw new NetworkError(`the kernel has no nf_tables: ${reasonOf(error)}; --network none or host does without`, { cause: error });
    }
    this.#db = db;
    this.#name = tableName(data);
    this.#table = new Nftable(NFPROTO_IPV4, this.#name);
  }

  // Where another firewall of the host drops what it does not know, our bridges are made known to it.
  #passOthers(bridges: string[]): void {
    try {
      passForeignFirewalls(this.#socket, this.#name, bridges);
    } catch (error) {
      throw wrap(error);
    }
  }

  /** Adds ports, and the table with all that is in it where it is not there. */
  publish(ports: PublishedPort[]): void {
    if (!this.#has()) {
      this.rebuild();
      return;
    }
    try {
      this.#do(this.#portMessages(ports));
      this.#passOthers(bridgesOf(listNetworks(this.#db)));
    } catch (error) {
      if (!(error instanceof NetworkError)) throw error;
      this.rebuild(); // somebody changed it behind our back
    }
  }

  /** Takes ports away; where the kernel has something else than the store, all is made anew. */
  withdraw(ports: PublishedPort[]): void {
    if (ports.length === 0 || !this.#has()) return;
    const elements = ports.map(elementOf);
    try {
      this.#do(elements.map(({ set, key }) => this.#table.deleteElements(set, [{ key }])));
    } catch (error) {
      if (!(error instanceof NetworkError)) throw error;
      this.rebuild();
    }
  }

  /** Makes the table anew from the store, in one transaction: there is no moment without it. */
  rebuild(): void {
    const table = this.#table;
    const networks = listNetworks(this.#db);
    const messages: Message[] = [table.add(), table.delete(), table.add(), ...this.#frame()];
    for (const network of networks) messages.push(...this.#networkMessages(network));
    messages.push(...this.#portMessages(allPorts(this.#db)));
    this.#do(messages);
    this.#passOthers(bridgesOf(networks));
  }

  /** Takes the whole table away. */
  remove(): void {
    if (this.#has()) this.#do([this.#table.delete()]);
    this.#passOthers([]);
  }

  [Symbol.dispose](): void {
    this.#socket.close();
  }

  #has(): boolean {
    try {
      return this.#socket.has(this.#table);
    } catch (error) {
      throw wrap(error);
    }
  }

  #do(messages: Message[]): void {
    try {
      this.#socket.transaction(messages);
    } catch (error) {
      throw wrap(error);
    }
  }

  #frame(): Message[] {
    const t = this.#table;
    const bit = (n: number) => u32(n);
    const zero = Buffer.alloc(4);
    const oneBridge = (key: "iifname" | "oifname", isOurs = true) => [expr.meta(key, REG_1), expr.lookup("bridges", REG_1, isOurs)];
    const sameBridge = [expr.meta("iifname", REG_1), expr.meta("oifname", REG_2), expr.lookup("within", REG_1)];
    const has = (key: "status" | "state", mask: number) => [expr.ct(key, REG_1), expr.and(REG_1, bit(mask)), expr.differs(REG_1, zero)];
    const isNot = (key: "status" | "state", mask: number) => [expr.ct(key, REG_1), expr.and(REG_1, bit(mask)), expr.equals(REG_1, zero)];
    const isLoopback = (offset: number) => [expr.payload(1, offset, 1, REG_1), expr.equals(REG_1, LOOPBACK)];
    const published = (chain: string): Message[] => {
      const local = [expr.destinationType(REG_1), expr.equals(REG_1, u32(RTN_LOCAL))];
      const portTo = (register: number) => [expr.meta("l4proto", register), expr.payload(2, DESTINATION_PORT, 2, register + 1)];
      return [
        t.rule(
          chain,
          ...local,
          expr.payload(1, IP_DESTINATION, 4, REG32_00),
          ...portTo(REG32_01),
          expr.map("ports_of_address", REG32_00, REG32_00),
          expr.dnat(NFPROTO_IPV4, REG32_00, REG32_01),
        ),
        t.rule(chain, ...local, ...portTo(REG32_00), expr.map("ports", REG32_00, REG32_00), expr.dnat(NFPROTO_IPV4, REG32_00, REG32_01)),
      ];
    };
    return [
      t.set("bridges", { key: ["interface"], keyLength: 16 }),
      t.set("within", { key: ["interface", "interface"], keyLength: 32 }),
      t.set("internal", { key: ["interface"], keyLength: 16 }),
      t.set("subnets", { key: ["address"], keyLength: 4, interval: true }),
      t.set("ports", { key: ["protocol", "port"], keyLength: 8, data: ["address", "port"], dataLength: 8 }),
      t.set("ports_of_address", { key: ["address", "protocol", "port"], keyLength: 12, data: ["address", "port"], dataLength: 8 }),
      t.chain("prerouting", { type: "nat", hook: "prerouting", priority: -100 }),
      ...published("prerouting"),
      t.chain("output", { type: "nat", hook: "output", priority: -100 }),
      ...published("output"),
      t.chain("postrouting", { type: "nat", hook: "postrouting", priority: 100 }),
      t.rule("postrouting", expr.payload(1, IP_SOURCE, 4, REG_1), expr.lookup("subnets", REG_1), ...oneBridge("oifname", false), expr.masquerade()),
      // A container that reaches another one, or itself, by the host's address: the answer must come back this way.
      t.rule(
        "postrouting",
        ...has("status", IPS_DST_NAT),
        expr.payload(1, IP_SOURCE, 4, REG_1),
        expr.lookup("subnets", REG_1),
        ...oneBridge("oifname"),
        expr.masquerade(),
      ),
      t.rule("postrouting", ...isLoopback(IP_SOURCE), ...oneBridge("oifname"), expr.masquerade()),
      // Bridges route 127.0.0.0/8 for published ports; what comes from containers must not reach the host's own, nor pass for it.
      t.chain("input", { type: "filter", hook: "input", priority: 0 }),
      ...[IP_DESTINATION, IP_SOURCE].map((offset) =>
        t.rule("input", ...oneBridge("iifname"), ...isLoopback(offset), ...isNot("state", CT_STATE_KNOWN), expr.verdict("drop")),
      ),
      t.chain("forward", { type: "filter", hook: "forward", priority: 0 }),
      t.rule("forward", ...sameBridge, expr.verdict("accept")),
      t.rule("forward", expr.meta("iifname", REG_1), expr.lookup("internal", REG_1), expr.verdict("drop")),
      t.rule("forward", expr.meta("oifname", REG_1), expr.lookup("internal", REG_1), expr.verdict("drop")),
      t.rule("forward", ...has("status", IPS_DST_NAT), expr.verdict("accept")),
      // Nobody begins a conversation with a container but through its published ports.
      t.rule("forward", ...oneBridge("oifname"), ...has("state", CT_STATE_NEW), expr.verdict("drop")),
      t.rule("forward", ...oneBridge("iifname"), ...oneBridge("oifname"), expr.verdict("drop")),
    ];
  }

  #networkMessages({ config }: NetworkRecord): Message[] {
    if (config.driver !== "bridge") return []; // past the host, and its tables
    const t = this.#table;
    const name = interfaceName(config.bridge);
    const subnet = parseSubnet(config.subnet);
    const messages = [t.addElements("bridges", [{ key: name }]), t.addElements("within", [{ key: Buffer.concat([name, name]) }])];
    if (config.internal) messages.push(t.addElements("internal", [{ key: name }]));
    else if (subnet) {
      const end = fromNumber(toNumber(nthAddress(subnet, -1n)) + 1n, 4);
      messages.push(t.addElements("subnets", [{ key: subnet.base }, { key: end, isEnd: true }]));
    }
    return messages;
  }

  #portMessages(ports: PublishedPort[]): Message[] {
    const elements = ports.map(elementOf);
    return (["ports", "ports_of_address"] as const).flatMap((set) => {
      const own = elements.filter((element) => element.set === set);
      return inBatches(own).map((batch) => this.#table.addElements(set, batch));
    });
  }
}

// An attribute holds 64 KiB.
function inBatches(elements: SetElement[]): SetElement[][] {
  const BATCH = 500;
  return Array.from({ length: Math.ceil(elements.length / BATCH) }, (_, i) => elements.slice(i * BATCH, (i + 1) * BATCH));
}

const port = (value: number) => Buffer.from([value >> 8, value & 0xff, 0, 0]);

function elementOf(p: PublishedPort): SetElement & { set: "ports" | "ports_of_address" } {
  const key = Buffer.concat([Buffer.from([PROTOCOLS[p.protocol], 0, 0, 0]), port(p.hostPort)]);
  const data = Buffer.concat([parseAddress(p.containerIp) as Address, port(p.containerPort)]);
  if (p.hostIp === "0.0.0.0") return { set: "ports", key, data };
  return { set: "ports_of_address", key: Buffer.concat([parseAddress(p.hostIp) as Address, key]), data };
}

function wrap(error: unknown): unknown {
  if (!(error instanceof NetlinkError)) return error;
  const missing = ["EPROTONOSUPPORT", "EOPNOTSUPP", "EINVAL"].includes(error.code) ? "; the kernel may lack nf_tables" : "";
  return new NetworkError(`cannot change nf_tables: ${error.message}${missing}`, { cause: error });
}
