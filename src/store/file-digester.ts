/** Copies and hashes parts of files in a process of its own, while this one unpacks them: that is the other core's work. */

import type { Subprocess } from "bun";
import { copyRange } from "../../ffi/copy.ts";
import { closeSync, openSync, readSync } from "../../ffi/files.ts";
import { reasonOf } from "../../ffi/libc.ts";

interface Job {
  /** Where to open the file. */
  from: string;
  offset: number;
  size: number;
  /** A new file for the copy. */
  to: string | undefined;
}

type Answer = { digest: string } | { error: string };

/** A part that could not be read, or not copied; the message is the reason. */
export class DigesterError extends Error {
  override name = "DigesterError";
}

/** Smaller parts are hashed sooner than a process starts. */
export const WORTHWHILE = 8 << 20;
const CHUNK = 1 << 20;

export class FileDigester implements Disposable {
  #child: Subprocess<"pipe", "pipe", "inherit"> | undefined;
  readonly #waiting: PromiseWithResolvers<string>[] = [];

  /**
   * The sha256 of a part of an open file, copied to a new file if one is named. Jobs are done in turn.
   *
   * @throws {DigesterError}
   */
  digest(range: { fd: number; offset: number; size: number }, to?: string): Promise<string> {
    const child = this.#start();
    const job: Job = { from: `/proc/${process.pid}/fd/${range.fd}`, offset: range.offset, size: range.size, to };
    const answer = Promise.withResolvers<string>();
    answer.promise.catch(() => {}); // told to whoever awaits it
    this.#waiting.push(answer);
    child.stdin.write(`${JSON.stringify(job)}\n`);
    void child.stdin.flush();
    return answer.promise;
  }

  /** Ends the process, with whatever it is doing. */
  [Symbol.dispose](): void {
    this.#child?.kill("SIGKILL");
    this.#child = undefined;
  }

  #start() {
    if (this.#child) return this.#child;
    const child = Bun.spawn(["/proc/self/exe", "digest"], { stdio: ["pipe", "pipe", "inherit"], env: {}, argv0: "berth-digest" });
    this.#child = child;
    void this.#listen(child);
    return child;
  }

  async #listen(child: Subprocess<"pipe", "pipe", "inherit">): Promise<void> {
    let text = "";
    const decoder = new TextDecoder();
    for await (const chunk of child.stdout) {
      text += decoder.decode(chunk, { stream: true });
      const lines = text.split("\n");
      text = lines.pop() ?? "";
      for (const line of lines) {
        const answer: Answer = JSON.parse(line);
        const waiting = this.#waiting.shift();
        if ("digest" in answer) waiting?.resolve(answer.digest);
        else waiting?.reject(new DigesterError(answer.error));
      }
    }
    for (const waiting of this.#waiting.splice(0)) waiting.reject(new DigesterError("the process that hashes it ended"));
  }
}

/** The other side: a job a line on standard input, an answer a line on standard output. */
export async function runDigester(): Promise<void> {
  for await (const line of console) {
    const job: Job = JSON.parse(line);
    let answer: Answer;
    try {
      answer = { digest: run(job) };
    } catch (error) {
      answer = { error: reasonOf(error) };
    }
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
}

function run({ from, offset, size, to }: Job): string {
  const source = openSync(from, "r");
  try {
    if (to !== undefined) {
      const target = openSync(to, "wx", 0o600);
      try {
        copyRange(source, offset, target, size);
      } finally {
        closeSync(target);
      }
    }
    const hash = new Bun.CryptoHasher("sha256");
    const buffer = Buffer.allocUnsafeSlow(CHUNK);
    for (let at = 0; at < size; ) {
      const n = readSync(source, buffer, 0, Math.min(CHUNK, size - at), offset + at);
      if (n === 0) throw new Error("the file is cut off");
      hash.update(buffer.subarray(0, n));
      at += n;
    }
    return `sha256:${hash.digest("hex")}`;
  } finally {
    closeSync(source);
  }
}
