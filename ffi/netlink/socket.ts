/** Netlink (netlink(7), linux/netlink.h): requests, acknowledgements with the kernel's own words, dumps of many parts. */
import { OwnedFd } from "../fd.ts";
import { call, errnoName, reasonOf, SyscallError } from "../libc.ts";

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const SOL_NETLINK = 270;
const NETLINK_CAP_ACK = 10;
const NETLINK_EXT_ACK = 11;
export const NETLINK_ROUTE = 0;
export const NETLINK_NETFILTER = 12;

const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const HEADER = 16;
export const NLM_F_REQUEST = 0x1;
export const NLM_F_ACK = 0x4;
export const NLM_F_DUMP = 0x300;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;
export const NLM_F_APPEND = 0x800;
const NLM_F_ACK_TLVS = 0x200;
const NLMSGERR_ATTR_MSG = 1;
const NLA_F_NESTED = 0x8000;
const NLA_TYPE_MASK = 0x3fff;
// One for all: messages are copied out of it, and of its pages only those are touched that they fill.
const received = Buffer.allocUnsafeSlow(1 << 16);

/** A request: its type, NLM_F_* besides NLM_F_REQUEST, and what follows the header. */
export interface Message {
  type: number;
  flags: number;
  payload: Uint8Array;
}

/** What the kernel refused, with the errno's name and, where it gives one, its own explanation. */
export class NetlinkError extends Error {
  override name = "NetlinkError";
  constructor(
    readonly code: string,
    /** Position of the request among those sent together. */
    readonly index: number,
    said: string,
  ) {
    super(said || reasonOf(new SyscallError("netlink", code, [])));
  }
}

const align = (length: number) => (length + 3) & ~3;

/** One attribute (struct nlattr): length, type, content, padding to four bytes. */
export function attribute(type: number, content: Uint8Array | string | number): Buffer {
  const bytes = typeof content === "string" ? Buffer.from(`${content}\0`) : typeof content === "number" ? u32(content) : content;
  const out = Buffer.alloc(align(4 + bytes.length));
  out.writeUInt16LE(4 + bytes.length, 0);
  out.writeUInt16LE(type, 2);
  out.set(bytes, 4);
  return out;
}

/** Attributes inside of one. */
export function nested(type: number, attributes: Uint8Array[]): Buffer {
  return attribute(type | NLA_F_NESTED, Buffer.concat(attributes));
}

/** A number in the machine's byte order, 4 bytes. */
export function u32(value: number): Buffer {
  const b = Buffer.alloc(4);
  b.writeUInt32LE(value >>> 0);
  return b;
}

/** A number in network byte order, 4 bytes. */
export function be32(value: number): Buffer {
  const b = Buffer.alloc(4);
  b.writeInt32BE(value | 0);
  return b;
}

/** Attributes by their types; of several of one type the last. What nobody asks for, of which a link has fifty, is not taken out. */
export function parseAttributes(bytes: Buffer): { get(type: number): Buffer | undefined } {
  const places: number[] = [];
  for (let at = 0; at + 4 <= bytes.length; ) {
    const length = u16(bytes, at);
    if (length < 4 || at + length > bytes.length) break;
    places[u16(bytes, at + 2) & NLA_TYPE_MASK] = at;
    at += align(length);
  }
  return {
    get(type) {
      const at = places[type];
      return at === undefined ? undefined : bytes.subarray(at + 4, at + u16(bytes, at));
    },
  };
}

const u16 = (bytes: Buffer, at: number) => (bytes[at] as number) | ((bytes[at + 1] as number) << 8);

export class NetlinkSocket implements Disposable {
  readonly #socket: OwnedFd;
  #sequence = 0;

  /** In the network namespace the calling thread is in; it stays there. */
  constructor(protocol: number) {
    this.#socket = new OwnedFd(call("socket", AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
    for (const option of [NETLINK_CAP_ACK, NETLINK_EXT_ACK]) call("setsockopt", this.#socket.fd, SOL_NETLINK, option, new Int32Array([1]), 4);
  }

  /**
   * Sends requests together and waits for the answer to each.
   *
   * @throws {NetlinkError} for the first that is refused; the kernel goes on with the others
   */
  request(...messages: Message[]): void {
    if (messages.length === 0) return;
    const first = this.#send(messages.map((message) => ({ ...message, flags: message.flags | NLM_F_ACK })));
    let failure: NetlinkError | undefined;
    for (let answered = 0; answered < messages.length; ) {
      for (const { type, flags, sequence, payload } of this.#receive()) {
        if (type !== NLMSG_ERROR || sequence < first) continue;
        answered++;
        const error = errorOf(payload, flags, sequence - first);
        failure ??= error;
      }
    }
    if (failure) throw failure;
  }

  /**
   * Sends a batch that is done whole or not at all (nf_tables): only requests that ask for
   * it are acknowledged, and a refused one is the first answer.
   *
   * @param last position of the message that is acknowledged when all went well
   */
  batch(messages: Message[], last: number): void {
    const first = this.#send(messages.map((message, i) => (i === last ? { ...message, flags: message.flags | NLM_F_ACK } : message)));
    for (;;) {
      for (const { type, flags, sequence, payload } of this.#receive()) {
        if (type !== NLMSG_ERROR || sequence < first) continue;
        const error = errorOf(payload, flags, sequence - first);
        if (error) throw error;
        if (sequence === first + last) return;
      }
    }
  }

  /** Everything a dump gives: what follows each message's header. */
  dump(type: number, payload: Uint8Array): Buffer[] {
    const found: Buffer[] = [];
    const sequence = this.#send([{ type, flags: NLM_F_DUMP, payload }]);
    for (;;) {
      for (const message of this.#receive()) {
        if (message.sequence !== sequence) continue;
        if (message.type === NLMSG_DONE) return found;
        if (message.type === NLMSG_ERROR) throw errorOf(message.payload, message.flags, 0) ?? new NetlinkError("EIO", 0, "");
        found.push(message.payload);
      }
    }
  }

  /** One answer to one question; undefined where there is no such thing. */
  get(type: number, payload: Uint8Array): Buffer | undefined {
    const sequence = this.#send([{ type, flags: 0, payload }]);
    for (;;) {
      for (const message of this.#receive()) {
        if (message.sequence !== sequence) continue;
        if (message.type !== NLMSG_ERROR) return message.payload;
        const error = errorOf(message.payload, message.flags, 0);
        if (error && !["ENODEV", "ENOENT", "ESRCH"].includes(error.code)) throw error;
        return undefined;
      }
    }
  }

  close(): void {
    this.#socket.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #send(messages: Message[]): number {
    const first = this.#sequence + 1;
    const parts = messages.map(({ type, flags, payload }) => {
      const out = Buffer.alloc(align(HEADER + payload.length)); // struct nlmsghdr: length, type, flags, sequence, port
      out.writeUInt32LE(HEADER + payload.length, 0);
      out.writeUInt16LE(type, 4);
      out.writeUInt16LE(flags | NLM_F_REQUEST, 6);
      out.writeUInt32LE(++this.#sequence, 8);
      out.set(payload, HEADER);
      return out;
    });
    const bytes = Buffer.concat(parts);
    call("sendto", this.#socket.fd, bytes, bytes.length, 0, null, 0);
    return first;
  }

  #receive(): { type: number; flags: number; sequence: number; payload: Buffer }[] {
    const n = call("recvfrom", this.#socket.fd, received, received.length, 0, null, null);
    const buffer = Buffer.from(received.subarray(0, n));
    const messages = [];
    for (let at = 0; at + HEADER <= n; ) {
      const length = buffer.readUInt32LE(at);
      if (length < HEADER || at + length > n) break;
      messages.push({
        type: buffer.readUInt16LE(at + 4),
        flags: buffer.readUInt16LE(at + 6),
        sequence: buffer.readUInt32LE(at + 8),
        payload: buffer.subarray(at + HEADER, at + length),
      });
      at += align(length);
    }
    return messages;
  }
}

// struct nlmsgerr: the negative errno, the header of the request, attributes.
function errorOf(payload: Buffer, flags: number, index: number): NetlinkError | undefined {
  const errno = -payload.readInt32LE(0);
  if (errno === 0) return undefined;
  const said = flags & NLM_F_ACK_TLVS ? parseAttributes(payload.subarray(4 + HEADER)).get(NLMSGERR_ATTR_MSG) : undefined;
  return new NetlinkError(errnoName(errno), index, said?.toString("utf8", 0, said.length - 1) ?? "");
}
