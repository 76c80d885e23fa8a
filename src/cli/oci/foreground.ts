/** A container or exec of the OCI runtime in the foreground: our own streams are its, or a terminal between. */
import { signalNumber } from "../../../ffi/signal.ts";
import { isTerminal } from "../../../ffi/tty.ts";
import type { RunningProcess, Stdio } from "../../runtime/spawn.ts";
import { ContainerStdio } from "../../runtime/stdio.ts";
import { attendProcess } from "../attend.ts";

/** Descriptors for the command: as runc does, our own. With a terminal init puts that in their place. */
export const OWN_STDIO: Stdio = [0, 1, 2];

const FORWARDED = ["SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2"] as const;

/** Waits for the end; gives the exit code. */
export async function attend(running: RunningProcess): Promise<number> {
  for (const name of FORWARDED) process.on(name, () => running.child.kill(signalNumber(name) ?? 0));
  if (!running.terminal) return running.child.exited;
  const stdio = new ContainerStdio({ terminal: true, stdin: true });
  stdio.started(running);
  const outcome = await attendProcess(stdio, running.child, { tty: true, stdin: isTerminal(0) });
  return outcome === "detached" ? 0 : outcome; // never: it has no keys for that
}
