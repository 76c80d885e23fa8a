/** This process's standard streams, used without blocking and without changing them for their other users. */
import {
  AT_FDCWD,
  fileTypeAt,
  O_RDONLY,
  O_WRONLY,
  openat,
  position,
  reopenNonblocking,
  S_IFCHR,
  S_IFIFO,
  S_IFMT,
  S_IFREG,
  statat,
  writeAll,
} from "../../ffi/fd.ts";
import { hasCode } from "../../ffi/libc.ts";
import { isTerminal } from "../../ffi/tty.ts";

const EXIT_SIGPIPE = 141;

// Descriptor numbers that Bun may set to non-blocking.
function openForBun(fd: number, access: number): number {
  const type = fileTypeAt(fd, "");
  if (type !== S_IFIFO && !(type === S_IFCHR && isTerminal(fd))) return fd;
  try {
    return reopenNonblocking(fd, access).release();
  } catch {
    return fd; // a terminal or pipe of somebody else, by now
  }
}

/** Standard output or error, for output that is passed on as it comes. */
export class OutputStream {
  readonly #fd: number;
  /** Undefined before there is something to write, false where that needs none. */
  #writer: Bun.FileSink | false | undefined;

  constructor(fd: 1 | 2) {
    this.#fd = fd;
  }

  /** Writes; a promise means: wait for it. Where nobody reads any more the process ends, as by SIGPIPE. */
  write(chunk: Buffer): Promise<void> | undefined {
    try {
      this.#writer ??= fileTypeAt(this.#fd, "") !== S_IFREG && Bun.file(openForBun(this.#fd, O_WRONLY)).writer();
      if (!this.#writer) {
        writeAll(this.#fd, chunk);
        return undefined;
      }
      this.#writer.write(chunk);
      const flushed: unknown = this.#writer.flush();
      return flushed instanceof Promise ? flushed.then(() => {}, endByPipe) : undefined;
    } catch (error) {
      return endByPipe(error);
    }
  }
}

function endByPipe(error: unknown): never {
  if (hasCode(error, "EPIPE")) process.exit(EXIT_SIGPIPE);
  console.error(`berth: cannot write output: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
}

/**
 * Reads standard input to its end.
 *
 * @param receive gives a promise where reading is to wait
 */
export async function readInput(receive: (chunk: Uint8Array) => Promise<unknown> | undefined): Promise<void> {
  try {
    for await (const chunk of Bun.file(openForBun(0, O_RDONLY)).stream()) await receive(chunk);
  } catch (error) {
    if (!hasCode(error, "EIO")) throw error; // the terminal is gone
  }
}

/** Prints a text that can be long, all of it, and waits for slow readers. */
export function printBlocking(text: string | Uint8Array, fd: 1 | 2 = 1): void {
  try {
    writeAll(fd, typeof text === "string" ? Buffer.from(text) : text);
  } catch (error) {
    endByPipe(error);
  }
}

/** Opens a file, or standard input for `-`: a regular file as such, all else as a stream. */
export function openInput(path: string): ReadableStream<Uint8Array<ArrayBuffer>> | { fd: number; offset: number; size: number } {
  const fd = path === "-" ? 0 : openat(AT_FDCWD, path, O_RDONLY).release();
  const { mode, size } = statat(fd, "");
  if ((mode & S_IFMT) !== S_IFREG) return Bun.file(path === "-" ? openForBun(0, O_RDONLY) : fd).stream();
  const offset = position(fd);
  return { fd, offset, size: Math.max(0, Number(size) - offset) };
}
