/** Published TCP ports on the host's IPv6 addresses, [::1] too: what comes there is passed on to the container, which has IPv4. */
import type { Socket } from "bun";
import type { PublishedPort } from "../store/networks.ts";

/** Listens for each port that is published on all addresses; on a host without IPv6 for none. The listeners end with this process. */
export function relayIPv6(ports: PublishedPort[]): void {
  for (const { protocol, hostIp, hostPort, containerIp, containerPort } of ports) {
    if (protocol !== "tcp" || hostIp !== "0.0.0.0") continue;
    try {
      listen(hostPort, containerIp, containerPort);
    } catch {
      // no IPv6, or somebody else has the port there
    }
  }
}

function listen(port: number, hostname: string, containerPort: number): void {
  const open = (socket: Socket<End>) => {
    const [client, container] = End.pair();
    client.attach(socket);
    const handlers = { ...HANDLERS, open: (other: Socket<End>) => container.attach(other) };
    Bun.connect<End>({ hostname, port: containerPort, allowHalfOpen: true, socket: handlers }).catch(() => socket.terminate());
  };
  const options: Bun.TCPSocketListenOptions<End> & { ipv6Only: boolean } = {
    hostname: "::",
    port,
    ipv6Only: true, // 0.0.0.0 is bound already
    allowHalfOpen: true,
    socket: { ...HANDLERS, open },
  };
  Bun.listen<End>(options);
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
