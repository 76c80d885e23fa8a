/** Children that this process made by itself, without Bun: how they end, from wait4(2). */
import { call, tryCall } from "./libc.ts";

const WNOHANG = 1;
/** Milliseconds. What it is there for is to keep the process for as long as it has such children: the signal says when one has ended. */
const LOOK_INTERVAL = 3_600_000;

const living = new Map<number, (status: number) => void>();
let timer: Timer | undefined;

// Each by its number: those that Bun started are Bun's to wait for.
function reap(): void {
  const status = new Int32Array(1);
  for (const [pid, ended] of living) {
    if (tryCall("wait4", pid, status, WNOHANG, null) !== pid) continue;
    living.delete(pid);
    ended(status[0] as number);
  }
  if (living.size > 0) return;
  clearInterval(timer);
  timer = undefined;
}

let isListening = false;

/** To be called before the first one is made: it may end at once. */
export function listenForEnds(): void {
  if (isListening) return;
  isListening = true;
  process.on("SIGCHLD", reap);
}

/** The exit code as a shell has it, of a wait status (wait(2)): 128 and the signal's number for a process that was killed. */
export function exitCodeOf(status: number): number {
  const signal = status & 0x7f;
  return signal === 0 ? (status >> 8) & 0xff : 128 + signal;
}

export class Child {
  /** Resolves with its exit code, see {@link exitCodeOf}. */
  readonly exited: Promise<number>;

  constructor(readonly pid: number) {
    this.exited = new Promise((resolve) => {
      living.set(pid, (status) => resolve(exitCodeOf(status)));
    });
    timer ??= setInterval(reap, LOOK_INTERVAL);
  }

  /** Looks now. Who waits for {@link exited} is told, too. */
  hasEnded(): boolean {
    reap();
    return !living.has(this.pid);
  }

  /** Nothing where it has ended. */
  kill(signal: number): void {
    // Its number is nobody else's before it was waited for.
    if (living.has(this.pid)) call("kill", this.pid, signal);
  }
}
