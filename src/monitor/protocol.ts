/** What a monitor and the command that started it say to each other: typed frames over a stream socket. */
import type { Socket, SocketHandler } from "bun";
import { adoptSocket } from "../../ffi/adopt-socket.ts";
import { ARRIVAL } from "../../ffi/arrivals.ts";
import { type OwnedFd, readExactly, writeAll } from "../../ffi/fd.ts";
import { utf8 } from "../../ffi/libc.ts";
import type { UserNetworkHelper } from "../network/user-network.ts";
import type { NamedUser } from "../runtime/channel.ts";
import type { FailureKind } from "../runtime/errors.ts";
import type { Root } from "../runtime/rootfs/root.ts";
import type { Process, Spec } from "../runtime/spec.ts";
import type { Healthcheck, NetworkSettings } from "../store/container-config.ts";
import type { LogRequest } from "./log/container-log.ts";

/** Frame: type (1 byte), length of the payload (4 bytes, little-endian), payload. */
const HEADER = 5;

export const FrameType = {
  /** To the monitor: bytes for the container's standard input; empty: its end. */
  stdin: 0,
  /** From the monitor: bytes of the container's output. */
  stdout: 1,
  stderr: 2,
  /** The rest is JSON: {@link StartRequest} and {@link Resize} to the monitor. */
  start: 3,
  resize: 4,
  /** {@link Started}, {@link StartFailed}, {@link Exited} from the monitor. */
  started: 5,
  failed: 6,
  exited: 7,
  /** {@link Attach} to the monitor, by whoever comes later; answered by `started`. */
  attach: 8,
  /** {@link Lost} from the monitor. */
  lost: 9,
} as const;
export type FrameType = (typeof FrameType)[keyof typeof FrameType];

/**
 * Tells a monitor to look again: its container joined or left a network, is not to be
 * started again, or somebody listens in the engine's folder for it to call back.
 */
export const CONTAINER_CHANGED = "SIGUSR2";

/** What is sent to a terminal's or service's whole group is for the container's own stop signal to answer. */
export const NOT_FOR_MONITORS = ["SIGHUP", "SIGINT", "SIGTERM", "SIGQUIT"] as const;

/** Wakes a monitor that rests, see resting.ts; another one looks who has come, as ever. */
export const WAKE = ARRIVAL;

/** All that a monitor has handlers for, which end with its program, and what wakes it then. */
export const OF_MONITORS = [CONTAINER_CHANGED, ...NOT_FOR_MONITORS, WAKE];

/** What a monitor is to do; the record in the store is for everybody else. */
export interface StartRequest {
  id: string;
  /** Of the engine, see `Layout.arguments`. */
  layout: [data: string, run: string];
  spec: Spec;
  root: Root;
  namedUser: NamedUser;
  reap: boolean;
  hostname: string;
  domainname: string;
  hostNetwork: boolean;
  /** What hands on its packets, for a user's container. */
  userNetwork: UserNetworkHelper | undefined;
  networking: NetworkSettings;
  autoRemove: boolean;
  health: HealthRequest | undefined;
  log: LogRequest;
  /** Whether its policy wants the start, not somebody. */
  isRestart: boolean;
  /** It runs already, and its monitor was killed. */
  takesOver: boolean;
  /** Whether the container has a standard input, and whether it ends with this connection. */
  stdin: "none" | "open" | "once";
  /** Whether the output is to be sent over this connection. */
  attach: boolean;
}

/** How a container is probed. */
export interface HealthRequest {
  check: Healthcheck;
  process: Process;
  isInUserNamespace: boolean;
}

export interface Resize {
  rows: number;
  columns: number;
}
/** Which output somebody wants to see. */
export interface Attach {
  stdout: boolean;
  stderr: boolean;
}
/** Output that was not sent to a reader who had not read what came before. */
export interface Lost {
  bytes: number;
}
export interface Started {
  pid: number;
  /** See `processStartTime`. */
  startTime: number;
  /** What was changed on the host for it, in words. */
  warnings: string[];
}
export interface StartFailed {
  kind: FailureKind;
  message: string;
}
export interface Exited {
  exitCode: number;
}

export interface FrameHandler {
  frame(type: FrameType, payload: Buffer): void;
  /** The other side is gone. */
  close(): void;
}

function frameHeader(type: FrameType, length: number): Buffer {
  const header = Buffer.allocUnsafe(HEADER);
  header[0] = type;
  header.writeUInt32LE(length, 1);
  return header;
}

/** Writes a frame of JSON, all of it before it returns. */
export function writeFrame(fd: number, type: FrameType, message: object): void {
  const payload = utf8(JSON.stringify(message));
  writeAll(fd, Buffer.concat([frameHeader(type, payload.length), payload]));
}

/** Waits for the next frame, and nothing else meanwhile; undefined at the end. */
export function readFrame(fd: number): { type: FrameType; payload: Buffer } | undefined {
  const header = readExactly(fd, HEADER);
  if (header.length < HEADER) return undefined;
  const length = header.readUInt32LE(1);
  const payload = readExactly(fd, length);
  return payload.length < length ? undefined : { type: header[0] as FrameType, payload };
}

/** One end of a connection. */
export class FrameSocket {
  readonly #handler: FrameHandler;
  readonly #descriptor: number;
  #socket: Socket<undefined> | undefined;
  #incoming: Buffer[] = [];
  #incomingLength = 0;
  #outgoing: Uint8Array[] = [];
  #drained: PromiseWithResolvers<void> | undefined;
  #closed = false;
  /** Whether the other side has stopped to read. */
  #deaf = false;

  private constructor(handler: FrameHandler, descriptor: number) {
    this.#handler = handler;
    this.#descriptor = descriptor;
  }

  /** Takes over a connected stream socket. */
  static async over(fd: OwnedFd, handler: FrameHandler): Promise<FrameSocket> {
    const self = new FrameSocket(handler, fd.fd);
    const handlers: SocketHandler<undefined> = {
      data: (_socket, chunk) => self.#receive(chunk),
      drain: () => self.#flush(),
      close: () => self.#ended(),
      error: () => self.#ended(),
    };
    self.#socket = await adoptSocket(fd, { data: undefined, allowHalfOpen: false, socket: handlers });
    return self;
  }

  /** What it reads, for poll(2). */
  get descriptor(): number {
    return this.#descriptor;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Sends a frame; resolves once the kernel has taken it, at once where nobody listens any more. */
  send(type: FrameType, payload: Uint8Array): Promise<void> | undefined {
    if (this.#closed || this.#deaf) return undefined;
    this.#outgoing.push(frameHeader(type, payload.length), payload);
    if (!this.#drained) this.#flush();
    return this.#drained?.promise;
  }

  sendJson(type: FrameType, message: object): Promise<void> | undefined {
    return this.send(type, utf8(JSON.stringify(message)));
  }

  /** Sends what the kernel takes at once and keeps a copy of the rest; false, and nothing, where more than `limit` bytes wait already. */
  offer(type: FrameType, payload: Uint8Array, limit: number): boolean {
    if (this.#drained && this.#outgoing.reduce((sum, { length }) => sum + length, 0) > limit) return false;
    const isWaiting = this.#drained !== undefined;
    void this.send(type, isWaiting ? Buffer.from(payload) : payload);
    if (!isWaiting && this.#drained) this.#outgoing = this.#outgoing.map((bytes) => Buffer.from(bytes));
    return true;
  }

  /** Stops or goes on reading, for a receiver that cannot keep up. */
  pause(on: boolean): void {
    if (on) this.#socket?.pause();
    else this.#socket?.resume();
  }

  close(): void {
    this.#socket?.end();
  }

  #flush(): void {
    while (this.#outgoing.length > 0) {
      const bytes = this.#outgoing.length === 1 ? (this.#outgoing[0] as Uint8Array) : Buffer.concat(this.#outgoing);
      const sent = this.#socket?.write(bytes) ?? -1;
      if (sent < 0) {
        // Nobody reads there any more, but what was said before that is still to be read here.
        this.#deaf = true;
        this.#outgoing = [];
        break;
      }
      this.#outgoing = sent < bytes.length ? [bytes.subarray(sent)] : [];
      if (sent < bytes.length) {
        this.#drained ??= Promise.withResolvers();
        return;
      }
    }
    this.#drained?.resolve();
    this.#drained = undefined;
  }

  #ended(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#outgoing = [];
    this.#drained?.resolve();
    this.#drained = undefined;
    this.#handler.close();
  }

  #receive(chunk: Buffer): void {
    this.#incoming.push(chunk);
    this.#incomingLength += chunk.length;
    // Nothing is put together before a frame is complete: a long one arrives in many pieces.
    if (this.#incomingLength < this.#needed) return;
    let bytes = this.#incoming.length === 1 ? chunk : Buffer.concat(this.#incoming);
    this.#needed = HEADER;
    while (bytes.length >= HEADER) {
      const length = bytes.readUInt32LE(1);
      if (bytes.length < HEADER + length) {
        this.#needed = HEADER + length;
        break;
      }
      this.#handler.frame(bytes[0] as FrameType, bytes.subarray(HEADER, HEADER + length));
      bytes = bytes.subarray(HEADER + length);
    }
    this.#incoming = bytes.length > 0 ? [bytes] : [];
    this.#incomingLength = bytes.length;
  }

  #needed = HEADER;
}

/** The JSON of a frame. */
export function parseFrame<T>(payload: Buffer): T {
  return JSON.parse(payload.toString()) as T;
}
