/**
 * Published ports that the kernel does not lead to the container by itself: what comes is
 * passed on. [::1] always, other IPv6 addresses where the container has none, and all
 * addresses where there is no nf_tables.
 */
import type { Socket, udp } from "bun";
import { adoptSocket } from "../../ffi/adopt-socket.ts";
import { onArrival } from "../../ffi/arrivals.ts";
import type { OwnedFd } from "../../ffi/fd.ts";
import { acceptWaiting, listenOn, receiveWaiting, sendBack } from "../../ffi/inet.ts";
import type { PublishedPort } from "../store/networks.ts";
import { type Address, isIPv6, parseAddress } from "./address.ts";

/** Of one port: who is not heard of for so many milliseconds is forgotten, and of more clients the one that came first. */
const UDP_IDLE = 90_000;
const MAX_UDP_CLIENTS = 1024;
const MAX_WAITING = 16;
const MAX_DATAGRAM = 1 << 16; // bytes

/** Who listens on a port of the host, until it is closed. */
export interface Relay {
  readonly port: PublishedPort;
  readonly socket: OwnedFd;
  /** Whether nobody is connected, or was heard of a while ago. */
  readonly isIdle: boolean;
  close(): void;
}

/** Throws where the port is somebody else's. */
export function makeRelay(port: PublishedPort): Relay {
  return goOnRelaying(port, listenOn(port.protocol === "udp" ? "udp" : "tcp", parseAddress(port.hostIp) as Address, port.hostPort));
}

/** @param socket what a relay of before listened on */
export function goOnRelaying(port: PublishedPort, socket: OwnedFd): Relay {
  return port.protocol === "udp" ? new DatagramRelay(port, socket) : new ConnectionRelay(port, socket);
}

class ConnectionRelay implements Relay {
  readonly port: PublishedPort;
  readonly socket: OwnedFd;
  readonly #stop: () => void;
  #connections = 0;

  constructor(port: PublishedPort, socket: OwnedFd) {
    this.port = port;
    this.socket = socket;
    this.#stop = onArrival(socket, () => {
      for (let client = acceptWaiting(socket); client; client = acceptWaiting(socket)) void this.#pass(client);
    });
  }

  get isIdle(): boolean {
    return this.#connections === 0;
  }

  close(): void {
    this.#stop();
    this.socket.close();
  }

  async #pass(fd: OwnedFd): Promise<void> {
    const { containerIp, containerPort } = this.port;
    const [client, container] = End.pair(() => this.#connections--);
    this.#connections++;
    const socket = await adoptSocket(fd, { data: client, allowHalfOpen: true, socket: HANDLERS });
    client.attach(socket);
    const handlers = { ...HANDLERS, open: (other: Socket<End>) => container.attach(other) };
    Bun.connect<End>({ hostname: containerIp, port: containerPort, allowHalfOpen: true, data: container, socket: handlers }).catch(() =>
      socket.terminate(),
    );
  }
}

interface UdpClient {
  socket: udp.ConnectedSocket<"buffer"> | undefined;
  /** What came before there was a way to the container. */
  waiting: Buffer[];
  lastHeard: number;
}

class DatagramRelay implements Relay {
  readonly port: PublishedPort;
  readonly socket: OwnedFd;
  readonly #stop: () => void;
  /** By their addresses. */
  readonly #clients = new Map<string, UdpClient>();
  #sweep: Timer | undefined;

  constructor(port: PublishedPort, socket: OwnedFd) {
    this.port = port;
    this.socket = socket;
    this.#stop = onArrival(socket, () => {
      const memory = Buffer.allocUnsafeSlow(MAX_DATAGRAM);
      for (let message = receiveWaiting(socket, memory); message; message = receiveWaiting(socket, memory)) this.#pass(message.data, message.from);
    });
  }

  get isIdle(): boolean {
    return this.#clients.size === 0;
  }

  close(): void {
    this.#stop();
    this.socket.close();
  }

  #pass(data: Buffer, from: Buffer): void {
    const key = from.toString("latin1");
    const client = this.#clients.get(key) ?? this.#welcome(key, from);
    client.lastHeard = performance.now();
    if (client.socket) client.socket.send(data);
    else if (client.waiting.length < MAX_WAITING) client.waiting.push(Buffer.from(data));
  }

  #welcome(key: string, from: Buffer): UdpClient {
    const { containerIp, containerPort } = this.port;
    const [first] = this.#clients.keys();
    if (this.#clients.size >= MAX_UDP_CLIENTS && first !== undefined) this.#forget(first);
    const client: UdpClient = { socket: undefined, waiting: [], lastHeard: 0 };
    this.#clients.set(key, client);
    this.#sweep ??= setInterval(() => this.#forgetIdle(), UDP_IDLE / 3);
    Bun.udpSocket({
      hostname: isIPv6(containerIp) ? "::" : "0.0.0.0",
      connect: { hostname: containerIp, port: containerPort },
      socket: {
        data: (_, data) => {
          client.lastHeard = performance.now();
          sendBack(this.socket, data, from);
        },
        error() {}, // nobody listens there
      },
    }).then(
      (socket) => {
        if (this.#clients.get(key) !== client) return socket.close(); // forgotten meanwhile
        client.socket = socket;
        for (const data of client.waiting.splice(0)) socket.send(data);
      },
      () => this.#forget(key),
    );
    return client;
  }

  #forget(key: string): void {
    this.#clients.get(key)?.socket?.close();
    this.#clients.delete(key);
  }

  #forgetIdle(): void {
    for (const [key, { lastHeard }] of this.#clients) if (performance.now() - lastHeard > UDP_IDLE) this.#forget(key);
    if (this.#clients.size > 0) return;
    clearInterval(this.#sweep);
    this.#sweep = undefined;
  }
}

const HANDLERS = {
  data: (socket: Socket<End>, chunk: Buffer) => socket.data.other.send(chunk, socket),
  drain: (socket: Socket<End>) => socket.data.flush(),
  end: (socket: Socket<End>) => socket.data.other.finish(),
  close: (socket: Socket<End>) => socket.data.gone(),
  error: (socket: Socket<End>) => socket.data.other.close(),
};

/** One of the two sockets of a connection, and what waits to be sent on it. */
class End {
  other!: End;
  #socket: Socket<End> | undefined;
  #waiting: Uint8Array[] = [];
  /** Stands still until what it sent is taken. */
  #source: Socket<End> | undefined;
  #isFinished = false;
  #isClosed = false;
  readonly #ended: () => void;

  constructor(ended: () => void) {
    this.#ended = ended;
  }

  /** @param ended called when the first of them, which is the client's, is gone */
  static pair(ended: () => void): [End, End] {
    const [a, b] = [new End(ended), new End(() => {})];
    a.other = b;
    b.other = a;
    return [a, b];
  }

  attach(socket: Socket<End>): void {
    socket.data = this;
    this.#socket = socket;
    this.flush();
  }

  send(chunk: Uint8Array, source: Socket<End>): void {
    this.#waiting.push(Buffer.from(chunk));
    this.flush();
    if (this.#waiting.length === 0) return;
    source.pause();
    this.#source = source;
  }

  /** No more will be sent. */
  finish(): void {
    this.#isFinished = true;
    this.flush();
  }

  /** This end is gone. */
  gone(): void {
    this.#ended();
    this.other.close();
  }

  /** The other end is gone: so is this one, when it has what came before. */
  close(): void {
    this.#isClosed = true;
    this.flush();
  }

  flush(): void {
    if (!this.#socket) return; // the container has not answered yet
    for (let bytes = this.#waiting[0]; bytes; bytes = this.#waiting[0]) {
      const sent = this.#socket.write(bytes);
      if (sent < bytes.length) {
        if (sent > 0) this.#waiting[0] = bytes.subarray(sent);
        return;
      }
      this.#waiting.shift();
    }
    this.#source?.resume();
    this.#source = undefined;
    if (this.#isClosed) this.#socket.end();
    else if (this.#isFinished) this.#socket.shutdown();
  }
}
