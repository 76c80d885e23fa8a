/** The pipes or the terminal between a command and the process that started it: a monitor, or `exec`. */

import { onAdopted } from "../../ffi/adopted.ts";
import type { Child } from "../../ffi/child.ts";
import {
  AT_FDCWD,
  makeFifo,
  O_NONBLOCK,
  O_RDONLY,
  O_RDWR,
  type OwnedFd,
  openat,
  POLLIN,
  pipe,
  poll,
  setNonblocking,
  setPipeSize,
} from "../../ffi/fd.ts";
import { readSync, rmSync, writeSync } from "../../ffi/files.ts";
import { hasCode } from "../../ffi/libc.ts";
import { join } from "../../ffi/path.ts";
import { ProcessHandle } from "../../ffi/process-handle.ts";
import { setWindowSize } from "../../ffi/tty.ts";
import { readPipe, readTerminal } from "./read-output.ts";
import type { RunningProcess, Stdio } from "./spawn.ts";

export type StreamName = "stdout" | "stderr";

/** Of one whose process becomes another program: outputs that are not at their ends, and the end of its input that is written to. */
export interface HeldStdio extends Record<StreamName, OwnedFd | undefined> {
  /** Of a terminal the same file as its output. */
  input: OwnedFd | undefined;
}

/** Called for each piece of output; reading stops until the promise resolves. */
export type OutputReceiver = (stream: StreamName, chunk: Buffer) => Promise<void> | undefined;

/** Milliseconds for which a command is followed that may end soon. */
const BRIEFLY = 10;

let patience = BRIEFLY;
onAdopted(() => {
  patience = BRIEFLY;
});

/** Follows commands to their ends, for a process that must not have threads. */
export function followToTheEnd(): void {
  patience = 60_000;
}

/** Bytes read at once meanwhile. */
const CHUNK = 1 << 16;

const PIPE_SIZE = 1 << 18; // bytes
/** Milliseconds between attempts to type into a terminal that has no room, at most. */
const MOST_PAUSE = 100;
// Above this much unwritten input the sender is asked to wait.
const INPUT_LIMIT = 1 << 20;

export class ContainerStdio {
  /** What init gets as 0, 1 and 2. */
  readonly forInit: Stdio;
  readonly #theirs: OwnedFd[] = [];
  #input: OwnedFd | undefined;
  #inputWriter: Bun.FileSink | undefined;
  /** Those under way, and their bytes. */
  #inputWrites = 0;
  #inputPending = 0;
  #inputChain: Promise<unknown> = Promise.resolve();
  readonly #outputs: [StreamName, OwnedFd][] = [];
  #terminal: OwnedFd | undefined;
  /** For whoever was given output, before there is more. */
  #waiting: Promise<void> | undefined;

  /**
   * @param options.stdin whether the container has a standard input of its own
   * @param options.fifos a folder for its output to go through: another process can go on reading there
   */
  constructor(options: { terminal: boolean; stdin: boolean; fifos?: string }) {
    const keep = (fd: OwnedFd) => {
      this.#theirs.push(fd);
      return fd.fd;
    };
    const nothing = keep(openat(AT_FDCWD, "/dev/null", O_RDWR));
    if (options.terminal) {
      this.forInit = [nothing, nothing, nothing];
      return;
    }
    const output = (stream: StreamName) => {
      const { read, write } = options.fifos === undefined ? pipe() : fifo(join(options.fifos, stream));
      setNonblocking(read.fd, true);
      this.#outputs.push([stream, read]);
      return keep(write);
    };
    let input = nothing;
    if (options.stdin) {
      const { read, write } = pipe();
      this.#input = write;
      input = keep(read);
    }
    this.forInit = [input, output("stdout"), output("stderr")];
  }

  /** The output of a container that another process started with fifos; there is nothing but that. */
  static takeOver(fifos: string): ContainerStdio {
    const stdio = new ContainerStdio({ terminal: true, stdin: false });
    stdio.close();
    for (const stream of ["stdout", "stderr"] as const) {
      try {
        stdio.#outputs.push([stream, openat(AT_FDCWD, join(fifos, stream), O_RDONLY | O_NONBLOCK)]);
      } catch (error) {
        if (!hasCode(error, "ENOENT")) throw error; // it has a terminal, whose master ended with its holder
      }
    }
    return stdio;
  }

  /** Those of a container whose monitor, this process, rested. */
  static goOn(held: HeldStdio, terminal: boolean): ContainerStdio {
    const stdio = new ContainerStdio({ terminal: true, stdin: false });
    stdio.close();
    for (const stream of ["stdout", "stderr"] as const) if (held[stream]) stdio.#outputs.push([stream, held[stream]]);
    stdio.#input = held.input;
    if (terminal && held.input) stdio.#takeTerminal(held.input);
    return stdio;
  }

  /** What is to be held where this process becomes another program, and goes on with it. */
  get held(): HeldStdio {
    const output = (wanted: StreamName) => this.#outputs.find(([stream]) => stream === wanted)?.[1];
    return { stdout: output("stdout"), stderr: output("stderr"), input: this.#input };
  }

  /** Whether the container's input has all that was written to it. */
  get isIdle(): boolean {
    return this.#inputWrites === 0;
  }

  /** Lets go of the container's ends, once it has them, and takes the terminal's master. */
  started(process: RunningProcess): void {
    for (const fd of this.#theirs.splice(0)) fd.close();
    if (!process.terminal) return;
    this.#takeTerminal(process.terminal);
    this.#outputs.push(["stdout", process.terminal]);
    this.#input = process.terminal;
  }

  // Bun polls only terminals that do not block. Nobody else has this end.
  #takeTerminal(master: OwnedFd): void {
    this.#terminal = master;
    setNonblocking(master.fd, true);
  }

  /** The terminal's master, where it has one and runs. */
  get terminal(): OwnedFd | undefined {
    return this.#terminal;
  }

  /** Closes everything of a container that did not start. */
  close(): void {
    for (const fd of [...this.#theirs.splice(0), ...this.#outputs.splice(0).map(([, fd]) => fd)]) fd.close();
    this.#input?.close();
  }

  /**
   * Follows a command from its start for some milliseconds, on this thread alone: the event loop's way to read a pipe takes
   * threads and longer than many a command. {@link readAll} goes on where this ends.
   *
   * @param others descriptors: nothing that is to be read there waits for this
   * @returns whether it has ended, and all its output been read
   */
  followBriefly(child: Child, receive: OutputReceiver, others: number[] = []): boolean {
    let hasEnded = child.hasEnded();
    using handle = hasEnded ? undefined : ProcessHandle.open(child.pid);
    const ends = handle?.descriptors ?? [];
    if (!hasEnded && ends.length === 0) return false;
    const deadline = performance.now() + patience;
    for (;;) {
      const outputs = [...this.#outputs];
      const watched = [...outputs.map(([, fd]) => fd.fd), ...others, ...ends];
      const ready = poll(
        watched.map((fd) => ({ fd, events: POLLIN })),
        hasEnded ? 0 : Math.max(0, deadline - performance.now()),
      );
      if (others.some((_, i) => ready[outputs.length + i])) return false;
      const readable = outputs.filter((_, i) => ready[i]);
      for (const output of readable) {
        this.#waiting = this.#readOnce(output, receive);
        if (this.#waiting) return false;
      }
      // What was written before the end is there, unless somebody else goes on to write.
      if (readable.length === 0 && (hasEnded || !ready.includes(true))) return false;
      hasEnded ||= child.hasEnded();
      if (hasEnded && this.#outputs.length === 0) return true;
      if (performance.now() > deadline) return false;
    }
  }

  // What is there; an end is taken out of those that are read.
  #readOnce(output: [StreamName, OwnedFd], receive: OutputReceiver): Promise<void> | undefined {
    const [stream, fd] = output;
    const chunk = Buffer.allocUnsafe(CHUNK);
    let length = 0;
    try {
      length = readSync(fd.fd, chunk);
    } catch (error) {
      if (hasCode(error, "EAGAIN")) return undefined;
      if (!hasCode(error, "EIO")) throw error; // a terminal, see readTerminal
    }
    if (length > 0) return receive(stream, chunk.subarray(0, length));
    this.#ended(output);
    return undefined;
  }

  #ended(output: [StreamName, OwnedFd]): void {
    const [, fd] = output;
    this.#outputs.splice(this.#outputs.indexOf(output), 1);
    if (fd !== this.#terminal) fd.close();
  }

  /** Reads all output; resolves when the container's ends are closed. */
  async readAll(receive: OutputReceiver): Promise<void> {
    await this.#waiting;
    await Promise.all(
      this.#outputs.map(async (output) => {
        // A terminal is all the output there is.
        if (this.#terminal) await readTerminal(output[1], receive);
        else await readPipe(...output, receive);
        this.#ended(output);
      }),
    );
  }

  /**
   * Writes input, in order.
   *
   * @returns a promise where so much waits already that the sender should stop until it resolves
   */
  write(bytes: Buffer): Promise<unknown> | undefined {
    const { fd } = this.#input ?? {};
    if (fd === undefined) return undefined;
    this.#inputPending += bytes.length;
    const copy = Buffer.from(bytes);
    this.#afterInput(async () => {
      try {
        if (this.#terminal) await typeInto(fd, copy);
        else {
          this.#inputWriter ??= Bun.file(fd).writer();
          this.#inputWriter.write(copy);
          await this.#inputWriter.flush();
        }
      } catch {
        // The container closed its end; what is sent to it has nowhere to go.
      }
      this.#inputPending -= copy.length;
    });
    return this.#inputPending > INPUT_LIMIT ? this.#inputChain : undefined;
  }

  /** The end of input, after what was written. A terminal has none: its user types it. */
  endInput(): void {
    if (this.#terminal || !this.#input) return;
    const input = this.#input;
    this.#afterInput(async () => {
      this.#input = undefined;
      // The writer has a descriptor of its own.
      await this.#inputWriter?.end();
      input.close();
    });
  }

  // In order.
  #afterInput(action: () => Promise<void>): void {
    this.#inputWrites++;
    this.#inputChain = this.#inputChain.then(action).finally(() => this.#inputWrites--);
  }

  resize(size: { rows: number; columns: number }): void {
    if (this.#terminal) setWindowSize(this.#terminal.fd, size);
  }
}

// Bun's writer makes a terminal one that blocks, for its reader, too: somebody types more than is read there, and all waits.
async function typeInto(terminal: number, bytes: Buffer): Promise<void> {
  let pause = 1;
  for (let rest = bytes; rest.length > 0; ) {
    try {
      rest = rest.subarray(writeSync(terminal, rest));
      pause = 1;
    } catch (error) {
      if (!hasCode(error, "EAGAIN")) throw error;
      await Bun.sleep(pause);
      pause = Math.min(pause * 2, MOST_PAUSE);
    }
  }
}

// The container's own end can be read as well: with nobody else left to read, it waits instead of being killed by SIGPIPE.
function fifo(path: string): { read: OwnedFd; write: OwnedFd } {
  try {
    makeFifo(path, 0o600);
  } catch (error) {
    if (!hasCode(error, "EEXIST")) throw error;
    rmSync(path); // of an earlier life
    makeFifo(path, 0o600);
  }
  const read = openat(AT_FDCWD, path, O_RDONLY | O_NONBLOCK);
  setPipeSize(read.fd, PIPE_SIZE);
  return { read, write: openat(AT_FDCWD, path, O_RDWR) };
}
