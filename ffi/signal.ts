/** Signals: names and numbers, and what a program expects of them at its start. */
import { call, tryCall } from "./libc.ts";

/** From 1 on (asm/signal.h). */
const IN_ORDER =
  "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS".split(
    " ",
  );
const NUMBERS: Record<string, number> = {
  ...Object.fromEntries(IN_ORDER.map((name, i) => [`SIG${name}`, i + 1])),
  SIGIOT: 6,
  SIGCLD: 17,
  SIGPOLL: 29,
};
/** All that have a name: `SIGKILL`. */
export const SIGNAL_NAMES: readonly string[] = Object.keys(NUMBERS);
const SIGRTMIN = 34; // as glibc counts: 32 and 33 are its own
const SIGRTMAX = 64;

/**
 * The number of a signal written as docker takes it: `KILL`, `SIGKILL`, `sigkill`, `9`, `RTMIN+3`.
 *
 * @returns undefined where there is no such signal
 */
export function signalNumber(text: string): number | undefined {
  if (/^\d+$/.test(text)) {
    const n = Number(text);
    return n >= 1 && n <= SIGRTMAX ? n : undefined;
  }
  const name = text.toUpperCase().replace(/^(SIG)?/, "SIG");
  const realtime = /^SIGRT(MIN|MAX)(?:([+-])(\d+))?$/.exec(name);
  if (realtime) {
    const offset = Number(`${realtime[2] ?? "+"}${realtime[3] ?? 0}`);
    const n = (realtime[1] === "MIN" ? SIGRTMIN : SIGRTMAX) + offset;
    return n >= SIGRTMIN && n <= SIGRTMAX ? n : undefined;
  }
  return NUMBERS[name];
}

const SIG_IGN = 1n;

/**
 * Puts ignored signals back to their default, as a program expects after execve(2): it
 * resets handlers by itself, but ignoring is inherited, and Bun ignores SIGPIPE and
 * SIGXFSZ. Handlers stay: the collector suspends threads with one.
 */
export function resetSignals(): void {
  const ignored = new BigUint64Array(4); // struct sigaction of the kernel: handler, flags, restorer, mask
  const defaults = new BigUint64Array(4);
  for (let n = 1; n <= SIGRTMAX; n++) {
    if (tryCall("rt_sigaction", n, null, ignored, 8) === 0 && ignored[0] === SIG_IGN) tryCall("rt_sigaction", n, defaults, null, 8);
  }
}

/** Blocks some signals on this thread: what comes of them waits. */
export function blockSignals(names: readonly string[]): void {
  const mask = names.reduce((sum, name) => sum | (1n << BigInt((NUMBERS[name] as number) - 1)), 0n);
  call("rt_sigprocmask", 0 /* SIG_BLOCK */, new BigUint64Array([mask]), null, 8);
}

/** Blocks no signal any more. */
export function unblockSignals(): void {
  call("rt_sigprocmask", 2 /* SIG_SETMASK */, new BigUint64Array([0n]), null, 8);
}

/** kill(2). */
export function kill(pid: number, signal: number): void {
  call("kill", pid, signal);
}
