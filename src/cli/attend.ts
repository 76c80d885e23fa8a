/** A process that is our child, its output passed on and our input to it, until it ends. */

import type { Child } from "../../ffi/child.ts";
import type { OwnedFd } from "../../ffi/fd.ts";
import type { ContainerStdio, OutputReceiver } from "../runtime/stdio.ts";
import { type Outcome, relayInput } from "./relay-input.ts";
import { OutputStream } from "./streams.ts";
import { followWindowSize, holdRawMode } from "./terminal.ts";

// How long output is read on after the command's end, where what it left behind keeps the pipe open.
const LINGER = 200; // milliseconds without a byte

export interface AttendOptions {
  tty: boolean;
  stdin: boolean;
  /** Which leave it, where it has a terminal. */
  detachKeys?: Buffer | undefined;
}

/** Stays with a process to its end, or until its user leaves it. */
export async function attendProcess(stdio: ContainerStdio, child: Child, { tty, stdin, detachKeys }: AttendOptions): Promise<Outcome> {
  const out = new OutputStream(1);
  const err = new OutputStream(2);
  const raw = tty && stdin ? holdRawMode() : undefined;
  if (tty) followWindowSize((size) => stdio.resize(size));
  const write = (chunk: Uint8Array) => (chunk.length > 0 ? stdio.write(Buffer.from(chunk)) : stdio.endInput());
  const left = stdin ? [relayInput((chunk) => write(chunk) ?? undefined, tty ? detachKeys : undefined)] : [];
  let last = 0;
  let busy = 0;
  let finished = false;
  const receive: OutputReceiver = (stream, chunk) => {
    last = performance.now();
    const full = (stream === "stdout" ? out : err).write(chunk);
    if (!full) return undefined;
    busy++;
    return full.then(() => {
      busy--;
      last = performance.now();
    });
  };
  // Input does not wait.
  if (!stdin && stdio.followBriefly(child, receive)) return child.exited;
  const output = stdio.readAll(receive).then(() => {
    finished = true;
  });
  const code = await Promise.race([child.exited, ...left]);
  if (code === "detached") {
    raw?.restore();
    if (stdio.terminal) leaveTerminal(stdio.terminal);
    return code;
  }
  last = performance.now();
  while (!finished && (busy > 0 || performance.now() - last < LINGER)) await Promise.race([output, Bun.sleep(10)]);
  raw?.restore();
  return code;
}

// Somebody must have the terminal open for as long as the process does: its end would be a hangup.
function leaveTerminal({ fd }: OwnedFd): void {
  Bun.spawn(["/proc/self/exe", "drain"], { argv0: "berth-drain", cwd: "/", env: {}, detached: true, stdio: [fd, "ignore", "ignore"] }).unref();
}
