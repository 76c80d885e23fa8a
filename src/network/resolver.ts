/**
 * A container's name server: it answers on 127.0.0.11 in the container's network namespace,
 * for neighbours out of the store, for others with what the host's own resolvers say.
 */
import type { Database } from "bun:sqlite";
import type { SocketHandler } from "bun";
import { adoptSocket } from "../../ffi/adopt-socket.ts";
import { onArrival } from "../../ffi/arrivals.ts";
import type { OwnedFd } from "../../ffi/fd.ts";
import { readFileSync } from "../../ffi/files.ts";
import { acceptWaiting, listenOn, localPort, receiveWaiting, sendBack } from "../../ffi/inet.ts";
import { inNetworkOf } from "../../ffi/namespace.ts";
import { expr, REG_1, REG_2 } from "../../ffi/netlink/nft-expressions.ts";
import { NFPROTO_IPV4, Nftable, NftSocket } from "../../ffi/netlink/nftables.ts";
import { randomBelow } from "../../ffi/random.ts";
import { addressesOfNeighbour, endpointsOf, nameOfNeighbour, type Protocol } from "../store/networks.ts";
import { type Address, isIPv6, parseAddress } from "./address.ts";
import { buildAnswer, encodeDomain, parseQuery, type Question, RCODE, reversedAddress, TYPE } from "./dns-message.ts";
import { RESOLVER_ADDRESS } from "./files.ts";
import { DESTINATION_PORT, IPV4, PROTOCOLS } from "./ruleset.ts";

const DNS_PORT = 53;
const MAX_PORTS = 20;
/** Questions to others under way at once; more are turned away. */
const MAX_FORWARDED = 256;
const MAX_CONNECTIONS = 32;
const MAX_QUERY = 1 << 16; // bytes
/** Milliseconds before the next resolver is asked. */
const PATIENCE = 2000;

export interface ResolverOptions {
  store: { readonly database: Database };
  containerId: string;
  /** A process in the container's network namespace. */
  pid: number;
  /** Whom to ask for other names, instead of the host's resolvers. */
  servers: string[];
}

type Reply = (message: Buffer) => void;

/** What it listens on, in the container's network namespace. */
export interface ResolverSockets {
  udp: OwnedFd;
  tcp: OwnedFd;
}

/** Starts it; it ends with this process. Throws where its ports are taken. */
export function startResolver(options: ResolverOptions): Resolver {
  const sockets = inNetworkOf(options.pid, () => {
    using firewall = NftSocket.open();
    if (!firewall) return listen(DNS_PORT);
    const anywhere = listenAnywhere();
    redirect(firewall, localPort(anywhere.tcp));
    return anywhere;
  });
  return new Resolver(options, sockets);
}

// A port that is free for both; a container that runs may have some of its own.
function listenAnywhere(): ResolverSockets {
  for (let attempt = 0; ; attempt++) {
    try {
      return listen(0);
    } catch (error) {
      if (attempt === MAX_PORTS) throw error;
    }
  }
}

function listen(wanted: number): ResolverSockets {
  const address = parseAddress(RESOLVER_ADDRESS) as Address;
  const tcp = listenOn("tcp", address, wanted);
  try {
    return { tcp, udp: listenOn("udp", address, localPort(tcp)) };
  } catch (error) {
    tcp.close();
    throw error;
  }
}

// From the usual port to ours: a name server of the container's own may want port 53.
function redirect(socket: NftSocket, port: number): void {
  const table = new Nftable(NFPROTO_IPV4, "berth-names");
  const address = parseAddress(RESOLVER_ADDRESS) as Buffer;
  const { destination, length } = IPV4;
  const rule = (protocol: Protocol) =>
    table.rule(
      "output",
      expr.payload(1, destination, length, REG_1),
      expr.equals(REG_1, address),
      expr.meta("l4proto", REG_1),
      expr.equals(REG_1, Buffer.of(PROTOCOLS[protocol])),
      expr.payload(2, DESTINATION_PORT, 2, REG_1),
      expr.equals(REG_1, Buffer.from([0, DNS_PORT])),
      expr.immediate(REG_1, address),
      expr.immediate(REG_2, Buffer.from([port >> 8, port & 0xff])),
      expr.dnat(NFPROTO_IPV4, REG_1, REG_2),
    );
  // Instead of what one that is no more had there.
  socket.transaction([
    table.add(),
    table.delete(),
    table.add(),
    table.chain("output", { type: "nat", hook: "output", priority: -100 }),
    rule("udp"),
    rule("tcp"),
  ]);
}

export class Resolver {
  readonly #options: Omit<ResolverOptions, "pid">;
  readonly sockets: ResolverSockets;
  #forwarded = 0;
  #connections = 0;

  /** @param sockets that nobody else answers on any more */
  constructor(options: Omit<ResolverOptions, "pid">, sockets: ResolverSockets) {
    this.#options = options;
    this.sockets = sockets;
    const { udp, tcp } = sockets;
    onArrival(tcp, () => {
      for (let asker = acceptWaiting(tcp); asker; asker = acceptWaiting(tcp)) void this.#listenTo(asker);
    });
    onArrival(udp, () => {
      const memory = Buffer.allocUnsafeSlow(MAX_QUERY);
      for (let query = receiveWaiting(udp, memory); query; query = receiveWaiting(udp, memory)) {
        const { from } = query;
        void this.#answer(Buffer.from(query.data), "udp", (reply) => sendBack(udp, reply, from));
      }
    });
  }

  /** Whether nobody waits for an answer. */
  get isIdle(): boolean {
    return this.#forwarded + this.#connections === 0;
  }

  async #listenTo(asker: OwnedFd): Promise<void> {
    this.#connections++;
    const handlers: SocketHandler<MessageStream | undefined> = {
      data: (socket, chunk) => {
        socket.data ??= new MessageStream((message) => void this.#answer(message, "tcp", (reply) => socket.write(withLength(reply))));
        socket.data.receive(chunk);
      },
      close: () => {
        this.#connections--;
      },
    };
    const socket = await adoptSocket(asker, { data: undefined, allowHalfOpen: false, socket: handlers });
    if (this.#connections > MAX_CONNECTIONS) socket.end();
  }

  // One message; what is no query gets no answer.
  async #answer(message: Buffer, protocol: "udp" | "tcp", reply: Reply): Promise<void> {
    const question = parseQuery(message);
    if (!question) return;
    try {
      reply(this.#ownAnswer(message, question) ?? (await this.#forward(message, question, protocol)));
    } catch {
      // the store is busy, or the asker is gone
    }
  }

  #ownAnswer(message: Buffer, question: Question): Buffer | undefined {
    if (!question.isInternet) return undefined;
    const { store, containerId } = this.#options;
    if (question.type === TYPE.PTR) {
      const address = reversedAddress(question.name);
      const name = address === undefined ? undefined : nameOfNeighbour(store.database, containerId, address);
      return name === undefined ? undefined : buildAnswer(message, question, RCODE.ok, [encodeDomain(name)]);
    }
    if (question.type !== TYPE.A && question.type !== TYPE.AAAA) return undefined;
    const addresses = addressesOfNeighbour(store.database, containerId, question.name);
    if (addresses.length === 0) return undefined;
    // Who asks again begins with another one.
    const start = randomBelow(addresses.length);
    const turned = [...addresses.slice(start), ...addresses.slice(0, start)];
    const data = turned.flatMap(({ address, address6 }) => parseAddress((question.type === TYPE.A ? address : address6) ?? "") ?? []);
    return buildAnswer(message, question, RCODE.ok, data);
  }

  async #forward(message: Buffer, question: Question, protocol: "udp" | "tcp"): Promise<Buffer> {
    const { store, containerId, servers } = this.#options;
    const leadsOn = endpointsOf(store.database, containerId).some(({ network }) => !network.config.internal);
    if (!leadsOn) return buildAnswer(message, question, RCODE.noSuchName, []);
    if (this.#forwarded >= MAX_FORWARDED) return buildAnswer(message, question, RCODE.serverFailure, []);
    this.#forwarded++;
    try {
      for (const server of servers.length > 0 ? servers : hostResolvers()) {
        const answer = await ask(server, message, protocol);
        if (answer) return answer;
      }
    } finally {
      this.#forwarded--;
    }
    return buildAnswer(message, question, RCODE.serverFailure, []);
  }
}

function hostResolvers(): string[] {
  try {
    const servers = [...readFileSync("/etc/resolv.conf", "utf8").matchAll(/^\s*nameserver\s+(\S+)/gm)].map(([, address = ""]) => address);
    if (servers.length > 0) return servers;
  } catch {
    // then there is none
  }
  return [];
}

// From this process's own network namespace, the host's. A socket for each question: its port is a secret, as its id is.
async function ask(server: string, message: Buffer, protocol: "udp" | "tcp"): Promise<Buffer | undefined> {
  const answer = Promise.withResolvers<Buffer | undefined>();
  const timer = setTimeout(() => answer.resolve(undefined), PATIENCE);
  const take = (bytes: Buffer) => {
    if (bytes.length >= 12 && bytes.readUInt16BE(0) === message.readUInt16BE(0)) answer.resolve(bytes);
  };
  const failed = () => answer.resolve(undefined);
  let close = () => {};
  try {
    if (protocol === "udp") {
      const socket = await Bun.udpSocket({
        hostname: isIPv6(server) ? "::" : "0.0.0.0",
        connect: { hostname: server, port: DNS_PORT },
        socket: { data: (_, reply) => take(Buffer.from(reply)), error: failed },
      });
      close = () => socket.close();
      socket.send(message);
    } else {
      const stream = new MessageStream(take);
      const socket = await Bun.connect({
        hostname: server,
        port: DNS_PORT,
        socket: { data: (_, chunk) => stream.receive(chunk), close: failed, error: failed },
      });
      close = () => socket.end();
      socket.write(withLength(message));
    }
    return await answer.promise;
  } catch {
    return undefined; // no way there
  } finally {
    clearTimeout(timer);
    close();
  }
}

// On a stream each message has its length before it (RFC 1035, 4.2.2).
function withLength(message: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  return Buffer.concat([length, message]);
}

class MessageStream {
  readonly #take: (message: Buffer) => void;
  #pending = Buffer.alloc(0);

  constructor(take: (message: Buffer) => void) {
    this.#take = take;
  }

  receive(chunk: Uint8Array): void {
    let pending = Buffer.concat([this.#pending, chunk]);
    while (pending.length >= 2 && pending.length >= 2 + pending.readUInt16BE(0)) {
      const message = Buffer.from(pending.subarray(2, 2 + pending.readUInt16BE(0)));
      pending = pending.subarray(2 + message.length);
      this.#take(message);
    }
    this.#pending = pending;
  }
}
