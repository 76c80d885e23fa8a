/** What a running container writes. */
import type { Child } from "../../ffi/child.ts";
import type { ContainerStdio, OutputReceiver } from "../runtime/stdio.ts";

// How long output is awaited that nobody may ever finish: a descriptor of it can have been passed to another container.
const DRAIN_TIMEOUT = 1000; // milliseconds without a byte

/** Whose output it is, and on what else somebody may wait: see `followBriefly` of {@link ContainerStdio}. */
export interface Brief {
  child: Child;
  others: number[];
}

/** All of it, being read. */
export class Output {
  /** Why it was not read to its end. */
  failure = "";
  #finished = false;
  #last = performance.now();
  readonly #end: Promise<void>;
  readonly #ending = Promise.withResolvers<void>();

  /** @param brief where somebody waits for the end */
  constructor(stdio: ContainerStdio, receive: OutputReceiver, brief?: Brief) {
    const pass: OutputReceiver = (stream, chunk) => {
      this.#last = performance.now();
      // A reader that cannot keep up slows the container down, but not its end.
      const full = receive(stream, chunk);
      return (
        full &&
        Promise.race([full, this.#ending.promise]).then(() => {
          this.#last = performance.now();
        })
      );
    };
    this.#end = this.#read(stdio, pass, brief);
  }

  /** Milliseconds since something came. */
  get quietFor(): number {
    return performance.now() - this.#last;
  }

  async #read(stdio: ContainerStdio, receive: OutputReceiver, brief?: Brief): Promise<void> {
    try {
      this.#finished = brief !== undefined && stdio.followBriefly(brief.child, receive, brief.others);
      if (!this.#finished) await stdio.readAll(receive);
    } catch (error) {
      this.failure = `cannot read the container's output: ${error instanceof Error ? error.message : String(error)}`;
    }
    this.#finished = true;
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
