/** What nf_tables rules are made of (linux/netfilter/nf_tables.h, the NFTA_* of each expression), and names of what they look at. */
import { VERDICTS, value } from "./nftables.ts";
import { attribute, be32, nested } from "./socket.ts";

const NFTA_LIST_ELEM = 1;
const NFTA_DATA_VERDICT = 2;
const NFTA_VERDICT_CODE = 1;

/** Registers of 16 bytes. */
export const REG_1 = 1;
export const REG_2 = 2;
/** The first of those of 4 bytes, four of which are one of the others; the next have the next numbers. */
export const REG32_00 = 8;

/** One step of a rule. */
export type Expression = Buffer;
const expression = (name: string, ...attributes: Uint8Array[]): Expression => nested(NFTA_LIST_ELEM, [attribute(1, name), nested(2, attributes)]); // NFTA_EXPR_NAME, NFTA_EXPR_DATA

/** Name of a link as it stands in a register: 16 bytes, zeros behind it. */
export function interfaceName(name: string): Buffer {
  const b = Buffer.alloc(16);
  b.write(name, "latin1");
  return b;
}

const META_KEYS = { iifname: 6, oifname: 7, l4proto: 16 } as const;
const CT_KEYS = { state: 0, status: 2 } as const;
/** Bits of `ct status` and `ct state`. */
export const IPS_DST_NAT = 1 << 5;
export const CT_STATE_NEW = 1 << 3;
/** Established or related. */
export const CT_STATE_KNOWN = (1 << 1) | (1 << 2);

export const expr = {
  meta: (key: keyof typeof META_KEYS, register: number) => expression("meta", attribute(1, be32(register)), attribute(2, be32(META_KEYS[key]))),
  /** Bytes of the network (1) or transport (2) header. */
  payload: (base: 1 | 2, offset: number, length: number, register: number) =>
    expression("payload", attribute(1, be32(register)), attribute(2, be32(base)), attribute(3, be32(offset)), attribute(4, be32(length))),
  equals: (register: number, bytes: Uint8Array) => expression("cmp", attribute(1, be32(register)), attribute(2, be32(0)), nested(3, [value(bytes)])),
  differs: (register: number, bytes: Uint8Array) => expression("cmp", attribute(1, be32(register)), attribute(2, be32(1)), nested(3, [value(bytes)])),
  /** Goes on where the register is in a set, or is not. */
  lookup: (set: string, register: number, isThere = true) =>
    expression("lookup", attribute(1, set), attribute(2, be32(register)), ...(isThere ? [] : [attribute(5, be32(1))])),
  /** Goes on with what a map has for the register in another one. */
  map: (set: string, register: number, to: number) => expression("lookup", attribute(1, set), attribute(2, be32(register)), attribute(3, be32(to))),
  /** Whether the destination is the host's own (RTN_LOCAL): 4 bytes, the machine's order. */
  destinationType: (register: number) => expression("fib", attribute(1, be32(register)), attribute(2, be32(3)), attribute(3, be32(2))),
  ct: (key: keyof typeof CT_KEYS, register: number) => expression("ct", attribute(1, be32(register)), attribute(2, be32(CT_KEYS[key]))),
  and: (register: number, mask: Uint8Array) =>
    expression(
      "bitwise",
      attribute(1, be32(register)),
      attribute(2, be32(register)),
      attribute(3, be32(mask.length)),
      nested(4, [value(mask)]),
      nested(5, [value(Buffer.alloc(mask.length))]),
    ),
  /** To the address in one register and the port in another. */
  dnat: (family: number, address: number, port: number) =>
    expression("nat", attribute(1, be32(1)), attribute(2, be32(family)), attribute(3, be32(address)), attribute(5, be32(port))),
  /** Puts bytes into a register. */
  immediate: (register: number, bytes: Uint8Array) => expression("immediate", attribute(1, be32(register)), nested(2, [value(bytes)])),
  masquerade: () => expression("masq"),
  verdict: (name: keyof typeof VERDICTS) =>
    expression("immediate", attribute(1, be32(0)), nested(2, [nested(NFTA_DATA_VERDICT, [attribute(NFTA_VERDICT_CODE, be32(VERDICTS[name]))])])),
};
