/** A process that is our child, its output passed on and our input to it, until it ends. */

import { endCode } from "../runtime/spawn.ts";
import type { ContainerStdio } from "../runtime/stdio.ts";
import { OutputStream, readInput } from "./streams.ts";
import { followWindowSize, holdRawMode } from "./terminal.ts";

// How long output is read on after the command's end, where what it left behind keeps the pipe open.
const LINGER = 200; // milliseconds without a byte

export async function attendProcess(stdio: ContainerStdio, child: Bun.Subprocess, { tty, stdin }: { tty: boolean; stdin: boolean }): Promise<number> {
  const out = new OutputStream(1);
  const err = new OutputStream(2);
  const raw = tty && stdin ? holdRawMode() : undefined;
  if (tty) followWindowSize((size) => stdio.resize(size));
  if (stdin) void readInput((chunk) => stdio.write(Buffer.from(chunk))).then(() => stdio.endInput());
  let last = 0;
  let busy = 0;
  let finished = false;
  const output = stdio
    .readAll(async (stream, chunk) => {
      busy++;
      await (stream === "stdout" ? out : err).write(chunk);
      busy--;
      last = performance.now();
    })
    .then(() => {
      finished = true;
    });
  const code = await child.exited;
  last = performance.now();
  while (!finished && (busy > 0 || performance.now() - last < LINGER)) await Promise.race([output, Bun.sleep(10)]);
  raw?.restore();
  return endCode(child, code);
}
