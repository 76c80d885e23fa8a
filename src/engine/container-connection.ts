/** The way from a command to a container's monitor. */
import type { OwnedFd } from "../../ffi/fd.ts";
import { type Exited, FrameSocket, FrameType, type Lost, parseFrame, type Resize, type Started, type StartFailed } from "../monitor/protocol.ts";
import { bootId, type ProcessIdentity } from "../store/process-identity.ts";
import { StartError } from "./errors.ts";

export interface ConnectionOptions {
  /** Reading pauses until the promise resolves. */
  onOutput?: (stream: "stdout" | "stderr", chunk: Buffer) => Promise<void> | undefined;
  /** Told of output that did not come, as this process was too slow for it. */
  onLost?: (bytes: number) => void;
}

export interface ContainerConnection {
  socket: FrameSocket;
  /** Rejects with {@link StartError}. */
  started: Promise<Started>;
  /** Resolves with the exit code once the container ended and is cleaned up; undefined where the connection ended before. */
  exited: Promise<number | undefined>;
}

/** Speaks with a monitor over a connected socket. */
export async function connectToMonitor(fd: OwnedFd, options: ConnectionOptions): Promise<ContainerConnection> {
  const started = Promise.withResolvers<Started>();
  const exited = Promise.withResolvers<number | undefined>();
  let waiting: Promise<void> = Promise.resolve();
  const socket = await FrameSocket.over(fd, {
    frame(type, payload) {
      switch (type) {
        case FrameType.started:
          started.resolve(parseFrame<Started>(payload));
          break;
        case FrameType.failed: {
          const { message, kind } = parseFrame<StartFailed>(payload);
          started.reject(new StartError(message, kind));
          break;
        }
        case FrameType.exited: {
          const { exitCode } = parseFrame<Exited>(payload);
          void waiting.then(() => exited.resolve(exitCode));
          break;
        }
        case FrameType.lost:
          options.onLost?.(parseFrame<Lost>(payload).bytes);
          break;
        default: {
          const full = options.onOutput?.(type === FrameType.stderr ? "stderr" : "stdout", payload);
          if (!full) break;
          socket.pause(true);
          waiting = full.then(() => socket.pause(false));
        }
      }
    },
    close() {
      started.reject(new StartError("the container's monitor was killed before it could start the container", "setup"));
      void waiting.then(() => exited.resolve(undefined));
    },
  });
  return { socket, started: started.promise, exited: exited.promise };
}

/** What a command does with a container that it is connected to. */
export interface AttachedContainer {
  /** Its first process, in this PID namespace. */
  process: ProcessIdentity;
  /** See {@link ContainerConnection.exited}. */
  exited: Promise<number | undefined>;
  /** Sends input; a promise means: wait for it before sending more. An empty buffer is the end of input. */
  write(bytes: Uint8Array): Promise<void> | undefined;
  resize(size: Resize): void;
}

/** The command's side of a connection whose container runs. */
export function attached({ socket, exited }: ContainerConnection, { pid, startTime }: Started): AttachedContainer {
  return {
    process: { pid, startTime, bootId: bootId() },
    exited,
    write: (bytes) => socket.send(FrameType.stdin, bytes),
    resize: (size) => {
      void socket.sendJson(FrameType.resize, size);
    },
  };
}
