/** Messages between a parent and its init over a stream socket: a length, then JSON, descriptors beside. */
import { type OwnedFd, readExactly } from "../../ffi/fd.ts";
import { hasCode, utf8 } from "../../ffi/libc.ts";
import { receiveWithDescriptors, sendWithDescriptors } from "../../ffi/socket.ts";
import type { FailureKind } from "./errors.ts";
import type { Root } from "./rootfs/root.ts";
import type { Seccomp } from "./seccomp/compile.ts";
import type { CompiledSeccomp } from "./seccomp/install.ts";
import type { Process, Spec, State } from "./spec.ts";

/** Names to be looked up in the container's own /etc/passwd and /etc/group. */
export interface NamedUser {
  /** `user`, `uid`, `user:group`, `uid:gid`; empty for root. */
  user: string;
  /** More groups, by name or number. */
  groups: string[];
}

/** To init of a new container. */
export interface CreateRequest {
  type: "create";
  spec: Spec;
  root: Root;
  /** Empty folder of the host onto which the root is mounted, in the container's mount namespace only. */
  mountPoint: string;
  namedUser: NamedUser | undefined;
  /** Whether what binds show comes opened, since the container's user namespace could not; in their order. */
  hasOpenedBinds?: boolean;
  /** pivot_root(2) is not to be used. */
  noPivot?: boolean;
  /** No session keyring of its own. */
  noNewKeyring?: boolean;
  /** Who the container is, for the hooks that init runs. */
  state?: State;
  /** A fifo that init opens for writing before the command starts, which waits for `start`. */
  startFifo?: string;
  /** Descriptors from 3 on that the command keeps. */
  preserveFds?: number;
  /** Whether the command becomes the child of a small init that hands on signals and reaps. */
  reap: boolean;
}

/** To init of one more process in a running container. */
export interface ExecRequest {
  type: "exec";
  process: Process;
  namedUser: NamedUser | undefined;
  preserveFds?: number;
  seccomp?: Seccomp | CompiledSeccomp | undefined;
  /** The container's first process, in the parent's PID namespace, and when it started. */
  pid: number;
  startTime: number;
}

/** What a parent knows only once init exists. */
export interface CgroupFiles {
  /** See `Cgroup.join`. */
  cgroupFiles: string[];
}

export type InitRequest = (CreateRequest | ExecRequest) & CgroupFiles;

/** From init to its parent; the end of the stream after `ready` means that the command runs. */
export type InitReport =
  /** The mounts are there, the root is not entered; init waits for {@link GoOn}. Only with hooks for that moment. */
  | { stage: "mounted" }
  /** The namespaces are there; init waits for {@link GoOn}. */
  | { stage: "namespaces" }
  /** The terminal's master comes with this. */
  | { stage: "terminal" }
  /** All is set up; after {@link GoOn} the command starts. */
  | { stage: "ready" }
  | { stage: "failed"; kind: FailureKind; message: string }
  /** From ffi/exec.c: the command could not be executed; 0 where it is not there. */
  | { stage: "exec"; errno: number };

export interface GoOn {
  go: true;
}

/** Bytes of a message; whoever got hold of the other end cannot make us hold more. */
const MAX_LENGTH = 64 << 20;

export class Channel {
  readonly #socket: OwnedFd;

  constructor(socket: OwnedFd) {
    this.#socket = socket;
  }

  send(message: InitRequest | InitReport | GoOn, fds: number[] = []): void {
    const body = utf8(JSON.stringify(message));
    const frame = Buffer.alloc(4 + body.length);
    frame.writeUInt32LE(body.length, 0);
    frame.set(body, 4);
    sendWithDescriptors(this.#socket.fd, frame, fds);
  }

  /** Blocks for the next message; undefined where the peer is gone. */
  receive<T>(): { message: T; fds: OwnedFd[] } | undefined {
    try {
      const head = receiveWithDescriptors(this.#socket.fd, 4);
      if (head.data.length === 0) return undefined;
      const rest = readExactly(this.#socket.fd, 4 - head.data.length);
      const length = Buffer.concat([head.data, rest]).readUInt32LE(0);
      if (length > MAX_LENGTH) return undefined;
      const body = readExactly(this.#socket.fd, length);
      if (body.length < length) return undefined;
      return { message: JSON.parse(body.toString()) as T, fds: head.fds };
    } catch (error) {
      if (hasCode(error, "ECONNRESET")) return undefined;
      throw error;
    }
  }

  /** Its number. */
  get fd(): number {
    return this.#socket.fd;
  }

  close(): void {
    this.#socket.close();
  }
}
