/** Who reads a container's output besides its log, as it comes. */
import type { StreamName } from "../runtime/stdio.ts";
import { type Exited, type FrameSocket, FrameType } from "./protocol.ts";

export interface Reader {
  socket: FrameSocket;
  stdout: boolean;
  stderr: boolean;
  /** The container waits for it, as a command waits for the next one of a pipeline. Others miss what they are too slow for. */
  isWaitedFor: boolean;
}

/** Bytes that wait for a reader who is not waited for. */
const BUFFER = 4 << 20;
/** Milliseconds after which one that reads nothing at all of a terminal is not waited for any more. */
const PATIENCE = 5000;
/** Milliseconds in which such a one may still read what there is, after the end. */
const FAREWELL = 5000;

export class Audience {
  readonly #readers = new Map<Reader, { lost: number }>();
  /** Of those who were told the end. */
  readonly #told: Promise<void>[] = [];
  readonly #hasTerminal: boolean;

  constructor(hasTerminal: boolean) {
    this.#hasTerminal = hasTerminal;
  }

  add(reader: Reader): void {
    this.#readers.set(reader, { lost: 0 });
  }

  remove(socket: FrameSocket): void {
    for (const reader of this.#readers.keys()) if (reader.socket === socket) this.#readers.delete(reader);
  }

  get isEmpty(): boolean {
    return this.#readers.size === 0;
  }

  /** Hands out a piece of output; a promise means: wait before the next one. */
  deliver(stream: StreamName, chunk: Buffer): Promise<unknown> | undefined {
    let full: Promise<unknown> | undefined;
    for (const reader of this.#readers.keys()) {
      if (!reader[stream]) continue;
      if (reader.isWaitedFor) full = this.#send(reader, stream, chunk) ?? full;
      else this.#offer(reader, stream, chunk);
    }
    return full;
  }

  #send(reader: Reader, stream: StreamName, chunk: Buffer): Promise<unknown> | undefined {
    const sent = reader.socket.send(FrameType[stream], chunk);
    if (!sent || !this.#hasTerminal) return sent;
    // A terminal that was stopped, or lost, holds nobody up for long.
    const late = Symbol();
    return Promise.race([sent, Bun.sleep(PATIENCE).then(() => late)]).then((first) => {
      if (first === late) reader.isWaitedFor = false;
    });
  }

  #offer(reader: Reader, stream: StreamName, chunk: Buffer): void {
    const state = this.#readers.get(reader) as { lost: number };
    const wasTold = state.lost === 0 || reader.socket.offer(FrameType.lost, Buffer.from(JSON.stringify({ bytes: state.lost })), 0);
    if (wasTold) state.lost = 0;
    if (!wasTold || !reader.socket.offer(FrameType[stream], chunk, BUFFER)) state.lost += chunk.length;
  }

  /** Tells those who do not know yet how it ended; resolves when all know, or do not care. */
  async end(exit: Exited): Promise<void> {
    const readers = [...this.#readers];
    this.#readers.clear();
    const told = readers.map(async ([{ socket, isWaitedFor }, { lost }]) => {
      if (lost > 0) socket.sendJson(FrameType.lost, { bytes: lost });
      const sent = socket.sendJson(FrameType.exited, exit);
      await (isWaitedFor ? sent : Promise.race([sent, Bun.sleep(FAREWELL)]));
      socket.close();
    });
    this.#told.push(...told);
    await Promise.all(this.#told);
  }
}
