/**
 * nf_tables (linux/netfilter/nf_tables.h): tables, chains, rules, sets and maps, changed in
 * transactions. Numbers in attributes are in network byte order, in registers as they come
 * from packets, or in the machine's where the kernel made them.
 */
import { hasCode } from "../libc.ts";
import type { Expression } from "./nft-expressions.ts";
import { attribute, be32, type Message, NETLINK_NETFILTER, NetlinkSocket, NLM_F_APPEND, NLM_F_CREATE, nested, parseAttributes } from "./socket.ts";

const NFNL_SUBSYS_NFTABLES = 10;
const NFNL_MSG_BATCH_BEGIN = 16;
const NFNL_MSG_BATCH_END = 17;
const NFT_MSG_NEWTABLE = 0;
const NFT_MSG_GETTABLE = 1;
const NFT_MSG_DELTABLE = 2;
const NFT_MSG_NEWCHAIN = 3;
const NFT_MSG_GETCHAIN = 4;
const NFT_MSG_NEWRULE = 6;
const NFT_MSG_GETRULE = 7;
const NFT_MSG_DELRULE = 8;
const NFT_MSG_NEWSET = 9;
const NFT_MSG_NEWSETELEM = 12;
const NFT_MSG_DELSETELEM = 14;
/** Families of tables (linux/netfilter.h). */
export const NFPROTO_INET = 1;
export const NFPROTO_IPV4 = 2;
export const NFPROTO_IPV6 = 10;

const NFTA_LIST_ELEM = 1;
const NFTA_DATA_VALUE = 1;

/** Bytes, as they stand in a register (NFTA_DATA_VALUE). */
export const value = (bytes: Uint8Array): Buffer => attribute(NFTA_DATA_VALUE, bytes);
/** linux/netfilter.h: NF_DROP, NF_ACCEPT. */
export const VERDICTS = { drop: 0, accept: 1 } as const;

function message(type: number, family: number, attributes: Uint8Array[], flags = NLM_F_CREATE): Message {
  const header = Buffer.from([family, 0, 0, 0]); // struct nfgenmsg
  return { type: (NFNL_SUBSYS_NFTABLES << 8) | type, flags, payload: Buffer.concat([header, ...attributes]) };
}

/** Types by which nft(8) shows a set's keys; several make a concatenation. */
export const SET_TYPES = { address: 7, address6: 8, protocol: 12, port: 13, interface: 41 } as const;
const typeOf = (names: (keyof typeof SET_TYPES)[]) => names.reduce((type, name) => (type << 6) | SET_TYPES[name], 0);
/** Of libnftnl, for nft(8) only: the key is in the machine's byte order (NFTNL_UDATA_SET_KEYBYTEORDER). */
const SHOWN_AS_TEXT = Buffer.from([0, 4, 1, 0, 0, 0]);
const SET_INTERVAL = 4;
const SET_MAP = 8;

export interface SetShape {
  key: (keyof typeof SET_TYPES)[];
  keyLength: number;
  /** Of a map. */
  data?: (keyof typeof SET_TYPES)[];
  dataLength?: number;
  /** Whether elements are ranges. */
  interval?: boolean;
}

export interface SetElement {
  key: Uint8Array;
  data?: Uint8Array;
  /** The first key behind a range. */
  isEnd?: boolean;
}

/** Hooks of IPv4 (linux/netfilter.h). */
const HOOKS = { prerouting: 0, input: 1, forward: 2, output: 3, postrouting: 4 } as const;

/** Where a hook is among those of IPv4. */
export const HOOK_FORWARD = HOOKS.forward;

const textOf = (bytes: Buffer | undefined) => bytes?.toString("utf8", 0, Math.max(0, bytes.length - 1)) ?? "";

/** Requests on one table. */
export class Nftable {
  readonly #family: number;
  readonly #name: string;
  #sets = 0;

  constructor(family: number, name: string) {
    this.#family = family;
    this.#name = name;
  }

  add = (): Message => message(NFT_MSG_NEWTABLE, this.#family, [attribute(1, this.#name)]);
  delete = (): Message => message(NFT_MSG_DELTABLE, this.#family, [attribute(1, this.#name)], 0);

  chain(name: string, hook: { type: "nat" | "filter"; hook: keyof typeof HOOKS; priority: number }): Message {
    return message(NFT_MSG_NEWCHAIN, this.#family, [
      attribute(1, this.#name),
      attribute(3, name),
      nested(4, [attribute(1, be32(HOOKS[hook.hook])), attribute(2, be32(hook.priority))]),
      attribute(7, hook.type),
    ]);
  }

  rule(chain: string, ...expressions: Expression[]): Message {
    return this.markedRule(chain, undefined, ...expressions);
  }

  /** A rule that {@link NftSocket.rules} finds again by its mark. */
  markedRule(chain: string, mark: string | undefined, ...expressions: Expression[]): Message {
    const attributes = [attribute(1, this.#name), attribute(2, chain), nested(4, expressions)];
    if (mark !== undefined) attributes.push(attribute(7, comment(mark)));
    return message(NFT_MSG_NEWRULE, this.#family, attributes, NLM_F_CREATE | NLM_F_APPEND);
  }

  deleteRule = (chain: string, handle: Uint8Array): Message =>
    message(NFT_MSG_DELRULE, this.#family, [attribute(1, this.#name), attribute(2, chain), attribute(3, handle)], 0);

  set(name: string, shape: SetShape): Message {
    const flags = (shape.interval ? SET_INTERVAL : 0) | (shape.data ? SET_MAP : 0);
    return message(NFT_MSG_NEWSET, this.#family, [
      attribute(1, this.#name),
      attribute(2, name),
      attribute(3, be32(flags)),
      attribute(4, be32(typeOf(shape.key))),
      attribute(5, be32(shape.keyLength)),
      ...(shape.data ? [attribute(6, be32(typeOf(shape.data))), attribute(7, be32(shape.dataLength ?? 0))] : []),
      attribute(10, be32(++this.#sets)),
      ...(shape.key.length === 1 && shape.key[0] === "interface" ? [attribute(13, SHOWN_AS_TEXT)] : []),
    ]);
  }

  addElements = (set: string, elements: SetElement[]): Message => this.#elements(NFT_MSG_NEWSETELEM, set, elements, NLM_F_CREATE);
  deleteElements = (set: string, elements: SetElement[]): Message => this.#elements(NFT_MSG_DELSETELEM, set, elements, 0);

  #elements(type: number, set: string, elements: SetElement[], flags: number): Message {
    const list = elements.map(({ key, data, isEnd }) =>
      nested(NFTA_LIST_ELEM, [
        nested(1, [value(key)]),
        ...(data ? [nested(2, [value(data)])] : []),
        ...(isEnd ? [attribute(3, be32(1))] : []), // NFT_SET_ELEM_INTERVAL_END
      ]),
    );
    return message(type, this.#family, [attribute(1, this.#name), attribute(2, set), nested(3, list)], flags);
  }

  /** For {@link NftSocket.has}. */
  query = (): Message => message(NFT_MSG_GETTABLE, this.#family, [attribute(1, this.#name)], 0);
}

// As nft(8) keeps its comments (NFTNL_UDATA_RULE_COMMENT): type, length, text.
function comment(text: string): Buffer {
  const bytes = Buffer.from(`${text}\0`);
  return Buffer.concat([Buffer.of(0, bytes.length), bytes]);
}

/** A chain at a hook, whoever's. */
export interface BaseChain {
  family: number;
  table: string;
  name: string;
  hook: number;
  type: string;
  drops: boolean;
}

/** A connection to the nf_tables of the network namespace it is made in. */
export class NftSocket extends NetlinkSocket {
  private constructor() {
    super(NETLINK_NETFILTER);
  }

  /** Undefined where the kernel has no nf_tables, no module of it that it may load, or not for us. */
  static open(): NftSocket | undefined {
    let socket: NftSocket;
    try {
      socket = new NftSocket();
    } catch (error) {
      if (hasCode(error, "EPROTONOSUPPORT")) return undefined; // no nfnetlink
      throw error;
    }
    try {
      socket.has(new Nftable(NFPROTO_IPV4, "")); // there is no such table
      return socket;
    } catch (error) {
      socket.close();
      // nfnetlink_rcv_msg: no such subsystem, or not ours to use
      if (hasCode(error, "EINVAL", "EOPNOTSUPP", "EPERM")) return undefined;
      throw error;
    }
  }

  /** Does all or nothing. Throws `NetlinkError`. */
  transaction(messages: Message[]): void {
    if (messages.length === 0) return;
    const header = Buffer.from([0, 0, 0, NFNL_SUBSYS_NFTABLES]);
    const begin = { type: NFNL_MSG_BATCH_BEGIN, flags: 0, payload: header };
    const end = { type: NFNL_MSG_BATCH_END, flags: 0, payload: header };
    this.batch([begin, ...messages, end], messages.length);
  }

  /** All chains at hooks of IP packets. */
  baseChains(): BaseChain[] {
    return this.dump((NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETCHAIN, Buffer.from([0, 0, 0, 0])).flatMap((payload) => {
      const attributes = parseAttributes(payload.subarray(4));
      const hook = attributes.get(4);
      const family = payload[0] as number;
      if (!hook || ![NFPROTO_IPV4, NFPROTO_IPV6, NFPROTO_INET].includes(family)) return [];
      return [
        {
          family,
          table: textOf(attributes.get(1)),
          name: textOf(attributes.get(3)),
          hook: parseAttributes(hook).get(1)?.readUInt32BE() ?? -1,
          type: textOf(attributes.get(7)),
          drops: attributes.get(5)?.readUInt32BE() === VERDICTS.drop,
        },
      ];
    });
  }

  /** Marks and handles of the rules of a chain that have a mark. */
  rules({ family, table, name }: BaseChain): { mark: string; handle: Buffer }[] {
    const header = Buffer.from([family, 0, 0, 0]);
    const query = Buffer.concat([header, attribute(1, table), attribute(2, name)]);
    return this.dump((NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETRULE, query).flatMap((payload) => {
      const attributes = parseAttributes(payload.subarray(4));
      const [handle, data] = [attributes.get(3), attributes.get(7)];
      const isHere = textOf(attributes.get(1)) === table && textOf(attributes.get(2)) === name;
      return isHere && handle && data && data[0] === 0 ? [{ mark: textOf(data.subarray(2)), handle }] : [];
    });
  }

  has(table: Nftable): boolean {
    const { type, payload } = table.query();
    return this.get(type, payload) !== undefined;
  }
}
