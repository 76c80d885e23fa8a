/** A container in the foreground: its output here, our input and signals there, its exit code ours. */
import { constants } from "node:os";
import type { OwnedFd } from "../../ffi/fd.ts";
import { isTerminal } from "../../ffi/tty.ts";
import type { Engine } from "../engine/engine.ts";
import { signalProcess } from "../engine/signal-container.ts";
import { type StartedContainer, startContainer } from "../engine/start-container.ts";
import { type ContainerRecord, getContainer } from "../store/containers.ts";
import type { ProcessIdentity } from "../store/process-identity.ts";
import { CommandFailure } from "./errors.ts";
import { OutputStream, readInput } from "./streams.ts";
import { followWindowSize, holdRawMode } from "./terminal.ts";
import { warn } from "./warn.ts";

export interface ForegroundOptions {
  sigProxy: boolean;
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
  /** See `StartOptions.monitor`. */
  monitor?: OwnedFd;
  /** Called once it runs. */
  started?(container: StartedContainer): void;
}

const FORWARDED = ["SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGCONT", "SIGTSTP"] as const;
/** After so many of SIGINT and SIGTERM that the container ignored, docker's client gives up. */
const MAX_INTERRUPTS = 3;

/** Throws where a terminal was asked for and standard input is none. */
export function requireTerminal(tty: boolean, stdin: boolean): void {
  if (tty && stdin && !isTerminal(0)) throw new CommandFailure("the input device is not a TTY", 1);
}

/** Starts a container and stays with it to its end. Gives its exit code. */
export async function runInForeground(engine: Engine, record: ContainerRecord, options: ForegroundOptions): Promise<number> {
  const { tty } = record.config;
  const out = new OutputStream(1);
  const err = new OutputStream(2);
  const container = await startContainer(engine, record, {
    attach: options.stdout || options.stderr,
    stdin: options.stdin,
    warn,
    ...(options.monitor && { monitor: options.monitor }),
    onOutput: (stream, chunk) => {
      if (stream === "stdout") return options.stdout ? out.write(chunk) : undefined;
      return options.stderr ? err.write(chunk) : undefined;
    },
  });
  options.started?.(container);
  const identity = getContainer(engine.db, record.id)?.process;
  if (options.sigProxy && identity) forwardSignals(identity);
  const raw = tty && options.stdin ? holdRawMode() : undefined;
  if (tty) followWindowSize(container.resize);
  if (options.stdin) {
    void readInput((chunk) => (chunk.length > 0 ? container.write(chunk) : undefined)).then(() => container.write(new Uint8Array()));
  }
  const exitCode = await container.exited;
  raw?.restore();
  if (exitCode === undefined) throw new CommandFailure(`the monitor of container ${record.id} was killed`, 125);
  return exitCode;
}

function forwardSignals(identity: ProcessIdentity): void {
  let interrupts = 0;
  for (const name of FORWARDED) {
    process.on(name, () => {
      if ((name === "SIGINT" || name === "SIGTERM") && ++interrupts > MAX_INTERRUPTS) {
        console.error(`berth: got ${MAX_INTERRUPTS} SIGTERM/SIGINTs that the container ignored, leaving it`);
        process.exit(1);
      }
      signalProcess(identity, constants.signals[name]);
    });
  }
}
