/**
 * Published ports that the kernel does not lead to the container by itself: what comes is
 * passed on. [::1] always, other IPv6 addresses where the container has none, and all
 * addresses where there is no nf_tables.
 */
import type { Socket, udp } from "bun";
import type { PublishedPort } from "../store/networks.ts";
import { isIPv6 } from "./address.ts";

/** Of one port: who is not heard of for so many milliseconds is forgotten, and of more clients the one that came first. */
const UDP_IDLE = 90_000;
const MAX_UDP_CLIENTS = 1024;
const MAX_WAITING = 16;
const UDP_IPV6_ONLY = 8; // LIBUS_SOCKET_IPV6_ONLY, as node:dgram passes it

/** Listens until it is closed. Throws where the port is somebody else's. */
export function relay(port: PublishedPort): { close(): void } {
  return port.protocol === "udp" ? relayDatagrams(port) : relayConnections(port);
}

function relayConnections({ hostIp, hostPort, containerIp, containerPort }: PublishedPort): { close(): void } {
  const open = (socket: Socket<End>) => {
    const [client, container] = End.pair();
    client.attach(socket);
    const handlers = { ...HANDLERS, open: (other: Socket<End>) => container.attach(other) };
    Bun.connect<End>({ hostname: containerIp, port: containerPort, allowHalfOpen: true, socket: handlers }).catch(() => socket.terminate());
  };
  const options: Bun.TCPSocketListenOptions<End> & { ipv6Only: boolean } = {
    hostname: hostIp,
    port: hostPort,
    ipv6Only: isIPv6(hostIp), // IPv4 has a row of its own
    allowHalfOpen: true,
    socket: { ...HANDLERS, open },
  };
  const listener = Bun.listen<End>(options);
  return { close: () => listener.stop(true) };
}

interface UdpClient {
  socket: udp.ConnectedSocket<"buffer"> | undefined;
  /** What came before there was a way to the container. */
  waiting: Buffer[];
  lastHeard: number;
}

function relayDatagrams({ hostIp, hostPort, containerIp, containerPort }: PublishedPort): { close(): void } {
  const clients = new Map<string, UdpClient>();
  let sweep: Timer | undefined;
  const forget = (key: string) => {
    clients.get(key)?.socket?.close();
    clients.delete(key);
  };
  const forgetIdle = () => {
    for (const [key, { lastHeard }] of clients) if (performance.now() - lastHeard > UDP_IDLE) forget(key);
    if (clients.size > 0) return;
    clearInterval(sweep);
    sweep = undefined;
  };
  const welcome = (key: string, answer: (data: Buffer) => void): UdpClient => {
    const [first] = clients.keys();
    if (clients.size >= MAX_UDP_CLIENTS && first !== undefined) forget(first);
    const client: UdpClient = { socket: undefined, waiting: [], lastHeard: 0 };
    clients.set(key, client);
    sweep ??= setInterval(forgetIdle, UDP_IDLE / 3);
    Bun.udpSocket({
      hostname: isIPv6(containerIp) ? "::" : "0.0.0.0",
      connect: { hostname: containerIp, port: containerPort },
      socket: {
        data(_, data) {
          client.lastHeard = performance.now();
          answer(data);
        },
        error() {}, // nobody listens there
      },
    }).then(
      (socket) => {
        if (clients.get(key) !== client) return socket.close(); // forgotten meanwhile
        client.socket = socket;
        for (const data of client.waiting.splice(0)) socket.send(data);
      },
      () => forget(key),
    );
    return client;
  };
  const options: udp.SocketOptions<"buffer"> & { flags: number } = {
    hostname: hostIp,
    port: hostPort,
    flags: isIPv6(hostIp) ? UDP_IPV6_ONLY : 0,
    socket: {
      data(socket, data, port, address) {
        const key = `${address} ${port}`;
        const client = clients.get(key) ?? welcome(key, (reply) => socket.send(reply, port, address));
        client.lastHeard = performance.now();
        if (client.socket) client.socket.send(data);
        else if (client.waiting.length < MAX_WAITING) client.waiting.push(Buffer.from(data));
      },
      error() {},
    },
  };
  const listener = Bun.udpSocket(options); // it binds at once, or throws
  return { close: () => void listener.then((socket) => socket.close()) };
}

const HANDLERS = {
  data: (socket: Socket<End>, chunk: Buffer) => socket.data.other.send(chunk, socket),
  drain: (socket: Socket<End>) => socket.data.flush(),
  end: (socket: Socket<End>) => socket.data.other.finish(),
  close: (socket: Socket<End>) => socket.data.other.close(),
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

  static pair(): [End, End] {
    const [a, b] = [new End(), new End()];
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
