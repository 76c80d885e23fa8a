/** UDP on one link, also where that has no address yet: for DHCP. */
import { OwnedFd, POLLIN, poll } from "./fd.ts";
import { call } from "./libc.ts";

const AF_INET = 2;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_BROADCAST = 6;
const SO_BINDTODEVICE = 25;

// struct sockaddr_in: family, port, address
function socketAddress(port: number, address: readonly number[]): Buffer {
  const name = Buffer.alloc(16);
  name.writeUInt16LE(AF_INET, 0);
  name.writeUInt16BE(port, 2);
  name.set(address, 4);
  return name;
}

export class LinkSocket implements Disposable {
  readonly #socket = new OwnedFd(call("socket", AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));

  /** Throws SyscallError, e.g. ENODEV. */
  constructor(link: string, port: number) {
    const on = new Int32Array([1]);
    const name = Buffer.from(`${link}\0`);
    call("setsockopt", this.#socket.fd, SOL_SOCKET, SO_REUSEADDR, on, 4);
    call("setsockopt", this.#socket.fd, SOL_SOCKET, SO_BROADCAST, on, 4);
    call("setsockopt", this.#socket.fd, SOL_SOCKET, SO_BINDTODEVICE, name, name.length);
    call("bind", this.#socket.fd, socketAddress(port, [0, 0, 0, 0]), 16);
  }

  /** To everybody on the link. */
  broadcast(port: number, data: Uint8Array): void {
    call("sendto", this.#socket.fd, data, data.length, 0, socketAddress(port, [255, 255, 255, 255]), 16);
  }

  /** @param timeout milliseconds; undefined where nothing came within */
  receive(timeout: number): Buffer | undefined {
    if (!poll([{ fd: this.#socket.fd, events: POLLIN }], timeout)[0]) return undefined;
    const data = Buffer.alloc(2048);
    return data.subarray(0, call("recvfrom", this.#socket.fd, data, data.length, 0, null, null));
  }

  [Symbol.dispose](): void {
    this.#socket.close();
  }
}
