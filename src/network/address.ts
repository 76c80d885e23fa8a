/** IP addresses and subnets: bytes as on the wire, numbers to count with, texts to show. */

/** 4 or 16 bytes. */
export type Address = Buffer;

export interface Subnet {
  /** The first address of it. */
  base: Address;
  prefix: number;
}

// Not of node:net: a monitor would hold all of that for two functions.
const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/;

/** Reads `10.0.0.1` or `fd00::1`; undefined where it is neither. */
export function parseAddress(text: string): Address | undefined {
  if (IPV4.test(text)) return Buffer.from(text.split(".").map(Number));
  if (!/^[0-9a-f:.]{2,45}$/i.test(text) || !URL.canParse(`http://[${text}]/`)) return undefined;
  // An IPv4 address at the end is two words.
  const words = text.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, ...bytes: string[]) => {
    const [a = 0, b = 0, c = 0, d = 0] = bytes.map(Number);
    return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
  });
  const [left = "", right] = words.split("::");
  const parts = (part: string) => (part === "" ? [] : part.split(":").map((word) => Number.parseInt(word, 16)));
  const [first, second] = [parts(left), right === undefined ? [] : parts(right)];
  const all = [...first, ...Array<number>(right === undefined ? 0 : 8 - first.length - second.length).fill(0), ...second];
  const out = Buffer.alloc(16);
  all.forEach((word, i) => {
    out.writeUInt16BE(word, 2 * i);
  });
  return out;
}

/** Of an address or subnet as text. */
export const isIPv6 = (text: string) => text.includes(":");

export function formatAddress(address: Address): string {
  if (address.length === 4) return `${address[0]}.${address[1]}.${address[2]}.${address[3]}`;
  const words = Array.from({ length: 8 }, (_, i) => address.readUInt16BE(2 * i).toString(16)).join(":");
  // The longest run of zeros is left out (RFC 5952).
  const [longest] = [...words.matchAll(/\b0(?::0)+\b/g)].sort((a, b) => b[0].length - a[0].length);
  if (!longest) return words;
  const [run] = longest;
  return `${words.slice(0, longest.index).replace(/:$/, "")}::${words.slice(longest.index + run.length).replace(/^:/, "")}`;
}

export function toNumber(address: Address): bigint {
  return BigInt(`0x${address.toString("hex")}`);
}

/** @param length 4 or 16 */
export function fromNumber(value: bigint, length: number): Address {
  return Buffer.from(value.toString(16).padStart(2 * length, "0"), "hex");
}

const sizeOf = ({ base, prefix }: Subnet) => 1n << BigInt(8 * base.length - prefix);

/** Reads `10.0.0.0/8`; bits behind the prefix are dropped. Undefined where it is no subnet. */
export function parseSubnet(text: string): Subnet | undefined {
  const [, address = "", prefix = ""] = /^(.+)\/(\d{1,3})$/.exec(text) ?? [];
  const bytes = parseAddress(address);
  if (!bytes || Number(prefix) > 8 * bytes.length) return undefined;
  const size = 1n << BigInt(8 * bytes.length - Number(prefix));
  return { base: fromNumber((toNumber(bytes) / size) * size, bytes.length), prefix: Number(prefix) };
}

/** A subnet that was checked before. */
export function subnetOf(text: string): Subnet {
  const subnet = parseSubnet(text);
  if (!subnet) throw new TypeError(`no subnet: ${JSON.stringify(text)}`);
  return subnet;
}

export const formatSubnet = ({ base, prefix }: Subnet) => `${formatAddress(base)}/${prefix}`;

export function contains(subnet: Subnet, address: Address): boolean {
  if (address.length !== subnet.base.length) return false;
  const offset = toNumber(address) - toNumber(subnet.base);
  return offset >= 0n && offset < sizeOf(subnet);
}

export function overlaps(a: Subnet, b: Subnet): boolean {
  return contains(a, b.base) || contains(b, a.base);
}

/** The address so far from the subnet's start; negative ones from behind its end. */
export function nthAddress(subnet: Subnet, n: bigint): Address {
  return fromNumber(toNumber(subnet.base) + (n < 0n ? sizeOf(subnet) + n : n), subnet.base.length);
}

/**
 * The lowest address of a range that is free; never the subnet's own nor its broadcast address. Undefined where there is none.
 *
 * @param nextUntaken the lowest number from one on that nobody has
 */
export function firstFree(subnet: Subnet, range: Subnet, reserved: readonly string[], nextUntaken: (from: bigint) => bigint): Address | undefined {
  const { length } = subnet.base;
  const broadcast = length === 4 ? [formatAddress(nthAddress(subnet, -1n))] : [];
  const unavailable = [formatAddress(subnet.base), ...broadcast, ...reserved];
  const first = toNumber(range.base);
  const end = first + sizeOf(range);
  for (let number = nextUntaken(first); number < end; number = nextUntaken(number + 1n)) {
    const address = fromNumber(number, length);
    if (!unavailable.includes(formatAddress(address))) return address;
  }
  return undefined;
}
