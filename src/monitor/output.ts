/** What a running container writes. */
import type { ContainerStdio, OutputReceiver } from "../runtime/stdio.ts";

// How long output is awaited that nobody may ever finish: a descriptor of it can have been passed to another container.
const DRAIN_TIMEOUT = 1000; // milliseconds without a byte

/** All of it, being read. */
export class Output {
  /** Why it was not read to its end. */
  failure = "";
  #finished = false;
  #last = performance.now();
  readonly #end: Promise<void>;
  readonly #ending = Promise.withResolvers<void>();

  constructor(stdio: ContainerStdio, receive: OutputReceiver) {
    this.#end = stdio
      .readAll(async (stream, chunk) => {
        // A reader that cannot keep up slows the container down, but not its end.
        const full = receive(stream, chunk);
        if (full) await Promise.race([full, this.#ending.promise]);
        this.#last = performance.now();
      })
      .catch((error: Error) => {
        this.failure = `cannot read the container's output: ${error.message}`;
      })
      .then(() => {
        this.#finished = true;
      });
  }

  /** After the container's end: resolves when all was read, or nothing came for so long that nothing will. */
  async drained(): Promise<void> {
    this.#ending.resolve();
    this.#last = performance.now();
    while (!this.#finished && performance.now() - this.#last < DRAIN_TIMEOUT) {
      await Promise.race([this.#end, Bun.sleep(50)]);
    }
  }
}
