/** Sockets of TCP, UDP and SCTP whose calls are our own (ip(7), ipv6(7)): those that outlive this program, or only keep a port. */
import { OwnedFd } from "./fd.ts";
import { type Call, call, failureOf, hasCode, tryCall } from "./libc.ts";

const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const IPPROTO_SCTP = 132;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SOL_IPV6 = 41;
const IPV6_V6ONLY = 26;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const EAGAIN = -11;
/** As many connections as may wait, unless the kernel allows fewer (net.core.somaxconn). */
const BACKLOG = 4096;
const SOCKADDR_IN = 16;
const SOCKADDR_IN6 = 28;

/**
 * Binds a port without listening on it, so that nobody else can have it; one of IPv6 leaves that of IPv4 alone.
 *
 * @param address 4 or 16 bytes
 * @returns undefined where the kernel does not know the protocol
 * @throws {SyscallError} where it cannot be bound
 */
export function bindPort(protocol: "tcp" | "udp" | "sctp", address: Uint8Array, port: number): OwnedFd | undefined {
  const [type, number] = protocol === "udp" ? [SOCK_DGRAM, 0] : [SOCK_STREAM, protocol === "sctp" ? IPPROTO_SCTP : 0];
  const fd = tryCall("socket", address.length === 16 ? AF_INET6 : AF_INET, type | SOCK_CLOEXEC, number);
  if (fd < 0) return undefined;
  try {
    return bind(new OwnedFd(fd), address, port);
  } catch (error) {
    if (protocol !== "tcp" || !hasCode(error, "EADDRINUSE")) throw error;
    // Connections of before (TIME_WAIT) are no reason, a listener is: to tell them apart it must listen, too.
    return listenOn("tcp", address, port, 0);
  }
}

/**
 * Binds a port, of TCP to listen on it; nothing done with it waits. One of IPv6 leaves that of IPv4 alone.
 *
 * @param address 4 or 16 bytes
 * @param port any that is free where it is 0
 * @throws {SyscallError}
 */
export function listenOn(protocol: "tcp" | "udp", address: Uint8Array, port: number, backlog = BACKLOG): OwnedFd {
  const type = protocol === "udp" ? SOCK_DGRAM : SOCK_STREAM;
  const socket = new OwnedFd(call("socket", address.length === 16 ? AF_INET6 : AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (protocol === "udp") return bind(socket, address, port);
  call("setsockopt", socket.fd, SOL_SOCKET, SO_REUSEADDR, new Int32Array([1]), 4);
  bind(socket, address, port);
  try {
    call("listen", socket.fd, backlog);
    return socket;
  } catch (error) {
    socket.close();
    throw error;
  }
}

/**
 * A socket of UDP that sends to one address.
 *
 * @param address 4 or 16 bytes
 * @throws {SyscallError} ENETUNREACH and others, where there is no way there
 */
export function connectUdp(address: Uint8Array, port: number): OwnedFd {
  const socket = new OwnedFd(call("socket", address.length === 16 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const name = socketAddress(address, port);
  try {
    call("connect", socket.fd, name, name.length);
    return socket;
  } catch (error) {
    socket.close();
    throw error;
  }
}

// struct sockaddr_in: family, port, address; struct sockaddr_in6: family, port, flow, address, scope
function socketAddress(address: Uint8Array, port: number): Buffer {
  const isV6 = address.length === 16;
  const name = Buffer.alloc(isV6 ? SOCKADDR_IN6 : SOCKADDR_IN);
  name.writeUInt16LE(isV6 ? AF_INET6 : AF_INET, 0);
  name.writeUInt16BE(port, 2);
  name.set(address, isV6 ? 8 : 4);
  return name;
}

function bind(socket: OwnedFd, address: Uint8Array, port: number): OwnedFd {
  const name = socketAddress(address, port);
  try {
    if (address.length === 16) call("setsockopt", socket.fd, SOL_IPV6, IPV6_V6ONLY, new Int32Array([1]), 4);
    call("bind", socket.fd, name, name.length);
    return socket;
  } catch (error) {
    socket.close();
    throw error;
  }
}

/** The port that a socket is bound to. */
export function localPort(socket: OwnedFd): number {
  const name = Buffer.alloc(SOCKADDR_IN6);
  call("getsockname", socket.fd, name, new Int32Array([name.length]));
  return name.readUInt16BE(2);
}

/** The next connection that waits, which does not wait either; undefined where there is none. */
export function acceptWaiting(listener: OwnedFd): OwnedFd | undefined {
  const fd = unlessNone("accept4", listener.fd, null, null, SOCK_CLOEXEC | SOCK_NONBLOCK);
  return fd === undefined ? undefined : new OwnedFd(fd);
}

/**
 * The next datagram that waits; undefined where there is none.
 *
 * @param memory for its bytes: the rest is cut off
 * @returns its part of that memory, and who sent it (struct sockaddr)
 */
export function receiveWaiting(socket: OwnedFd, memory: Buffer): { data: Buffer; from: Buffer } | undefined {
  const from = Buffer.alloc(SOCKADDR_IN6);
  const length = new Int32Array([from.length]);
  const n = unlessNone("recvfrom", socket.fd, memory, memory.length, MSG_DONTWAIT, from, length);
  return n === undefined ? undefined : { data: memory.subarray(0, n), from: from.subarray(0, length[0]) };
}

function unlessNone(...words: Call): number | undefined {
  const result = tryCall(...words);
  if (result < 0 && result !== EAGAIN) throw failureOf(result, ...words);
  return result < 0 ? undefined : result;
}

/** Sends a datagram to whom {@link receiveWaiting} told of. One that cannot be sent is lost, as they are. */
export function sendBack(socket: OwnedFd, data: Uint8Array, to: Buffer): void {
  tryCall("sendto", socket.fd, data, data.length, MSG_DONTWAIT | MSG_NOSIGNAL, to, to.length);
}
