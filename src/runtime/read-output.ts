/** Reads what a command writes, as it comes, to its end. */
import { arrival } from "../../ffi/arrivals.ts";
import { type OwnedFd, setPipeSize } from "../../ffi/fd.ts";
import { failureOf, hasCode, tryCall } from "../../ffi/libc.ts";
import type { OutputReceiver, StreamName } from "./stdio.ts";

const EAGAIN = 11;

/** Bytes for which there is always memory. More are there at once where somebody writes as fast as he can. */
const LITTLE = 1 << 14;
/** Bytes that are read at once then: what is made of them stays in the processor's caches. */
const MUCH = 1 << 18;
/** Bytes that he may write meanwhile; the most that a user may ask for (pipe(7)). */
const LARGE_PIPE = 1 << 20;
/** Milliseconds that he has for it, and for how long there is nothing else to do here. */
const PAUSE = 1;
const TURN = 10;

/**
 * Of a pipe that does not block. By itself, not by Bun: for each piece that Bun reads it allocates memory, which costs a monitor,
 * whose heap is small, twice as much as all else that it does with that piece.
 */
export async function readPipe(stream: StreamName, pipe: OwnedFd, receive: OutputReceiver): Promise<void> {
  // Gives how many bytes; 0 at the end.
  const read = async (memory: { bytes: Buffer }): Promise<number | undefined> => {
    const length = tryCall("read", pipe.fd, memory.bytes, memory.bytes.length);
    if (length === -EAGAIN) return undefined;
    if (length < 0) throw failureOf(length, "read", pipe.fd);
    const full = length > 0 ? receive(stream, memory.bytes.subarray(0, length)) : undefined;
    if (full) {
      memory.bytes = Buffer.allocUnsafeSlow(memory.bytes.length); // somebody has it until then, or longer
      await full;
    }
    return length;
  };
  const readMuch = async (): Promise<number | undefined> => {
    const memory = { bytes: Buffer.allocUnsafeSlow(MUCH) };
    setPipeSize(pipe.fd, LARGE_PIPE);
    for (let turn = performance.now(); ; ) {
      const length = await read(memory);
      if (!length) return length;
      if (performance.now() - turn > TURN) {
        await new Promise((resolve) => setImmediate(resolve));
        turn = performance.now();
      }
      if (length < MUCH) Bun.sleepSync(PAUSE);
    }
  };
  const memory = { bytes: Buffer.allocUnsafeSlow(LITTLE) };
  for (;;) {
    let length = await read(memory);
    if (length === LITTLE) length = await readMuch();
    if (length === 0) return;
    await arrival(pipe);
  }
}

/** Of a terminal's master that does not block. */
export async function readTerminal(master: OwnedFd, receive: OutputReceiver): Promise<void> {
  try {
    for await (const chunk of Bun.file(master.fd).stream()) await receive("stdout", Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length));
  } catch (error) {
    // EIO: nobody has the terminal's other side open any more
    if (!hasCode(error, "EIO")) throw error;
  }
}
