/** An address from the network: a client of DHCP (RFC 2131, 2132), as far as a machine needs it that does not live for ever. */
import { LinkSocket } from "../../ffi/datagram.ts";

export interface Lease {
  address: Uint8Array;
  prefix: number;
  gateway: Uint8Array | undefined;
  nameServers: Uint8Array[];
}

const SERVER_PORT = 67;
const CLIENT_PORT = 68;
const COOKIE = 0x63825363;
const OPTIONS_AT = 240;
const BROADCAST = 0x8000; // answers come to everybody: we have no address yet
const [DISCOVER, OFFER, REQUEST, ACK, NAK] = [1, 2, 3, 5, 6];
const OPTION = { mask: 1, router: 3, dns: 6, wanted: 50, type: 53, server: 54, parameters: 55, end: 255 } as const;
const ATTEMPTS = 5;
const FIRST_WAIT = 1000; // milliseconds, doubled each time

export interface DhcpMessage {
  /** Number of the exchange. */
  id: number;
  /** Of the client. */
  mac: Uint8Array;
  /** What the server gives. */
  yours: Uint8Array;
  options: Map<number, Buffer>;
}

/** A message of a client. */
export function encodeMessage({ id, mac }: Pick<DhcpMessage, "id" | "mac">, options: [number, Uint8Array][]): Buffer {
  const fixed = Buffer.alloc(OPTIONS_AT);
  fixed.set([1, 1, 6, 0]); // a request, by Ethernet
  fixed.writeUInt32BE(id, 4);
  fixed.writeUInt16BE(BROADCAST, 10);
  fixed.set(mac, 28);
  fixed.writeUInt32BE(COOKIE, 236);
  return Buffer.concat([fixed, ...options.flatMap(([code, value]) => [Buffer.of(code, value.length), value]), Buffer.of(OPTION.end)]);
}

/** A message of a server; undefined for what is none. */
export function parseMessage(data: Buffer): DhcpMessage | undefined {
  if (data.length < OPTIONS_AT || data[0] !== 2 || data.readUInt32BE(236) !== COOKIE) return undefined;
  const options = new Map<number, Buffer>();
  for (let at = OPTIONS_AT; at < data.length && data[at] !== OPTION.end; ) {
    const code = data[at] as number;
    if (code === 0) {
      at++;
      continue;
    }
    const length = data[at + 1] ?? 0;
    if (at + 2 + length > data.length) return undefined;
    options.set(code, data.subarray(at + 2, at + 2 + length));
    at += 2 + length;
  }
  return { id: data.readUInt32BE(4), mac: data.subarray(28, 34), yours: data.subarray(16, 20), options };
}

/** Asks for an address; undefined where nobody answers. Throws SyscallError where the link cannot be used. */
export function requestLease(link: string, mac: Uint8Array): Lease | undefined {
  using socket = new LinkSocket(link, CLIENT_PORT);
  const id = crypto.getRandomValues(new Uint32Array(1))[0] as number;
  const parameters: [number, Uint8Array] = [OPTION.parameters, Buffer.of(OPTION.mask, OPTION.router, OPTION.dns)];
  let wait = FIRST_WAIT;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++, wait *= 2) {
    socket.broadcast(SERVER_PORT, encodeMessage({ id, mac }, [[OPTION.type, Buffer.of(DISCOVER)], parameters]));
    const offer = answer(socket, id, wait, [OFFER]);
    if (!offer) continue;
    const server = offer.options.get(OPTION.server);
    const wanted: [number, Uint8Array][] = [
      [OPTION.type, Buffer.of(REQUEST)],
      [OPTION.wanted, offer.yours],
      ...(server ? ([[OPTION.server, server]] as [number, Uint8Array][]) : []),
      parameters,
    ];
    socket.broadcast(SERVER_PORT, encodeMessage({ id, mac }, wanted));
    const given = answer(socket, id, wait, [ACK, NAK]);
    if (given?.options.get(OPTION.type)?.[0] === ACK) return leaseOf(given);
  }
  return undefined;
}

function answer(socket: LinkSocket, id: number, timeout: number, types: number[]): DhcpMessage | undefined {
  const deadline = performance.now() + timeout;
  for (let left = timeout; left > 0; left = deadline - performance.now()) {
    const data = socket.receive(left);
    const message = data && parseMessage(data);
    if (message?.id === id && types.includes(message.options.get(OPTION.type)?.[0] ?? 0)) return message;
  }
  return undefined;
}

export function leaseOf({ yours, options }: DhcpMessage): Lease {
  const mask = options.get(OPTION.mask) ?? Buffer.of(255, 255, 255, 0);
  const bits = mask.readUInt32BE(0).toString(2).padStart(32, "0");
  const servers = options.get(OPTION.dns) ?? Buffer.alloc(0);
  return {
    address: Buffer.from(yours),
    prefix: bits.indexOf("0") < 0 ? 32 : bits.indexOf("0"),
    gateway: options.get(OPTION.router)?.subarray(0, 4),
    nameServers: Array.from({ length: Math.floor(servers.length / 4) }, (_, i) => servers.subarray(4 * i, 4 * i + 4)),
  };
}
