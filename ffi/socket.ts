/** Unix sockets that pass descriptors (unix(7), cmsg(3)), and the loopback interface of a namespace. */

import { AT_FDCWD, O_DIRECTORY, O_PATH, OwnedFd, openat, POLLOUT, poll } from "./fd.ts";
import { addressOf, call, tryCall } from "./libc.ts";
import { basename, dirname } from "./path.ts";

const UNIX_PATH_MAX = 107;
/** Milliseconds. */
const SLOW_RECEIVER = 100;
const AF_UNIX = 1;
const AF_INET = 2;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const SCM_MAX_FD = 253;
const MSG_NOSIGNAL = 0x4000;
const MSG_CMSG_CLOEXEC = 0x40000000;
const SIOCGIFFLAGS = 0x8913;
const SIOCSIFFLAGS = 0x8914;
const IFF_UP = 1;

/** Two connected stream sockets, close-on-exec. */
export function socketPair(): [OwnedFd, OwnedFd] {
  const fds = new Int32Array(2);
  call("socketpair", AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds);
  return [new OwnedFd(fds[0] as number), new OwnedFd(fds[1] as number)];
}

// struct sockaddr_un of a path; one that is too long goes by its folder's descriptor, open during `action`.
function withUnixAddress<T>(path: string, action: (address: Buffer) => T): T {
  using folder = Buffer.byteLength(path) > UNIX_PATH_MAX ? openat(AT_FDCWD, dirname(path), O_PATH | O_DIRECTORY) : undefined;
  const name = folder ? `${folder.path}/${basename(path)}` : path;
  const address = Buffer.alloc(2 + Buffer.byteLength(name) + 1); // family, path
  address.writeUInt16LE(AF_UNIX, 0);
  address.write(name, 2);
  return action(address);
}

/** Connects to a unix socket, a stream or a datagram one. */
export function connectUnix(path: string, type: "stream" | "datagram" = "stream"): OwnedFd {
  const socket = new OwnedFd(call("socket", AF_UNIX, (type === "stream" ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0));
  try {
    withUnixAddress(path, (address) => call("connect", socket.fd, address, address.length));
    return socket;
  } catch (error) {
    socket.close();
    throw error;
  }
}

/** Makes a unix stream socket at `path` and listens on it. */
export function listenUnix(path: string): OwnedFd {
  const socket = new OwnedFd(call("socket", AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  try {
    withUnixAddress(path, (address) => call("bind", socket.fd, address, address.length));
    call("listen", socket.fd, 1);
    return socket;
  } catch (error) {
    socket.close();
    throw error;
  }
}

/** Takes the next connection; waits for one. */
export function accept(listener: number): OwnedFd {
  return new OwnedFd(call("accept4", listener, null, null, SOCK_CLOEXEC));
}

/** Sends a datagram over a connected socket. Waits a moment where the other side is slow; false where it does not take it. */
export function sendDatagram(socket: number, data: Uint8Array): boolean {
  const MSG_DONTWAIT = 0x40;
  const EAGAIN = -11;
  const send = () => tryCall("sendto", socket, data, data.length, MSG_DONTWAIT | MSG_NOSIGNAL, null, 0);
  let sent = send();
  if (sent === EAGAIN && poll([{ fd: socket, events: POLLOUT }], SLOW_RECEIVER)[0]) sent = send();
  return sent >= 0;
}

// struct msghdr: name, namelen, iov, iovlen, control, controllen, flags; eight bytes each.
function messageHeader(data: Uint8Array, control: Uint8Array): { header: BigUint64Array; iov: BigUint64Array } {
  const iov = new BigUint64Array([addressOf(data), BigInt(data.length)]);
  const header = new BigUint64Array([0n, 0n, addressOf(iov), 1n, addressOf(control), BigInt(control.length), 0n]);
  return { header, iov };
}

/** Sends bytes (all of them) and, with the first, descriptors; the receiver gets copies. */
export function sendWithDescriptors(socket: number, data: Uint8Array, fds: number[]): void {
  const control = Buffer.alloc(fds.length > 0 ? 16 + Math.ceil((fds.length * 4) / 8) * 8 : 0);
  if (fds.length > 0) {
    control.writeBigUInt64LE(BigInt(16 + fds.length * 4), 0);
    control.writeInt32LE(SOL_SOCKET, 8);
    control.writeInt32LE(SCM_RIGHTS, 12);
    fds.forEach((fd, i) => {
      control.writeInt32LE(fd, 16 + i * 4);
    });
  }
  let sent = 0;
  while (sent < data.length) {
    const { header, iov } = messageHeader(data.subarray(sent), sent === 0 ? control : Buffer.alloc(0));
    sent += call("sendmsg", socket, header, MSG_NOSIGNAL);
    if (iov.length === 0) break; // keeps iov alive over the call
  }
}

/** Receives at most `max` bytes and the descriptors that came with them; no bytes mean the end. */
export function receiveWithDescriptors(socket: number, max: number): { data: Buffer; fds: OwnedFd[] } {
  const data = Buffer.alloc(max);
  const control = Buffer.alloc(16 + 4 * SCM_MAX_FD + 4);
  const { header, iov } = messageHeader(data, control);
  const n = call("recvmsg", socket, header, MSG_CMSG_CLOEXEC);
  const fds: OwnedFd[] = [];
  if (iov.length > 0 && (header[5] as bigint) >= 20n && control.readInt32LE(12) === SCM_RIGHTS) {
    const count = (Number(control.readBigUInt64LE(0)) - 16) / 4;
    for (let i = 0; i < count; i++) fds.push(new OwnedFd(control.readInt32LE(16 + i * 4)));
  }
  return { data: data.subarray(0, n), fds };
}

/** Sets `lo` of the current network namespace up (netdevice(7)). */
export function bringLoopbackUp(): void {
  using socket = new OwnedFd(call("socket", AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const request = Buffer.alloc(40); // struct ifreq: 16 bytes of name, then the union
  request.write("lo", "latin1");
  call("ioctl", socket.fd, SIOCGIFFLAGS, request);
  request.writeInt16LE(request.readInt16LE(16) | IFF_UP, 16);
  call("ioctl", socket.fd, SIOCSIFFLAGS, request);
}
