/** A container in the foreground: its output here, our input and signals there, its exit code ours. */

import type { OwnedFd } from "../../ffi/fd.ts";
import { once } from "../../ffi/once.ts";
import { signalNumber } from "../../ffi/signal.ts";
import { mark } from "../../ffi/trace.ts";
import { getWindowSize } from "../../ffi/tty.ts";
import type { AttachedContainer, ConnectionOptions } from "../engine/container-connection.ts";
import type { Engine } from "../engine/engine.ts";
import { signalProcess } from "../engine/signal-process.ts";
import { startContainer } from "../engine/start-container.ts";
import type { ContainerRecord } from "../store/containers.ts";
import { addContainerEvent } from "../store/events.ts";
import type { ProcessIdentity } from "../store/process-identity.ts";
import { CommandFailure } from "./errors.ts";
import { type Outcome, relayInput } from "./relay-input.ts";
import { OutputStream } from "./streams.ts";
import { followWindowSize, holdRawMode } from "./terminal.ts";
import { warn } from "./warn.ts";

export interface AttachOptions {
  sigProxy: boolean;
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
  /** Which leave it, where it has a terminal; see {@link detachKeysOf}. */
  detachKeys: Buffer | undefined;
}

export interface ForegroundOptions extends AttachOptions {
  /** See `StartOptions.monitor`. */
  monitor?: OwnedFd;
  /** Called once it runs. */
  started?(container: AttachedContainer): void;
}

const FORWARDED = ["SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGCONT", "SIGTSTP"] as const;
/** After so many of SIGINT and SIGTERM that the container ignored, docker's client gives up. */
const MAX_INTERRUPTS = 3;

/** Starts a container and stays with it to its end. Gives its exit code. */
export async function runInForeground(engine: Engine, record: ContainerRecord, options: ForegroundOptions): Promise<Outcome> {
  const rawMode = rawModeFor(record, options);
  const container = await startContainer(engine, record, {
    attach: options.stdout || options.stderr,
    stdin: options.stdin,
    warn,
    ...(options.monitor && { monitor: options.monitor }),
    ...outputTo(options, rawMode),
  });
  options.started?.(container);
  if (record.config.tty) followWindowSize(container.resize);
  return attend(engine, record, container, options, rawMode);
}

/** Joins a container that runs, to its end. */
export async function attachInForeground(engine: Engine, record: ContainerRecord, options: AttachOptions): Promise<Outcome> {
  const { attachContainer } = await import("../engine/attach-container.ts"); // `run` does without
  const rawMode = rawModeFor(record, options);
  const container = await attachContainer(engine, record, { ...options, ...outputTo(options, rawMode) });
  if (record.config.tty) {
    // Another size for a moment: what it shows is drawn anew.
    const size = getWindowSize(1) ?? getWindowSize(0);
    if (size) container.resize({ rows: size.rows + 1, columns: size.columns });
    followWindowSize(container.resize);
  }
  return attend(engine, record, container, options, rawMode);
}

type RawMode = () => ReturnType<typeof holdRawMode>;

// Begins once there is output, which a terminal in another mode would change, if not before.
function rawModeFor({ config: { tty } }: ContainerRecord, { stdin }: AttachOptions): RawMode | undefined {
  return tty && stdin ? once(holdRawMode) : undefined;
}

function outputTo({ stdout, stderr }: AttachOptions, rawMode: RawMode | undefined): ConnectionOptions {
  const out = new OutputStream(1);
  const err = new OutputStream(2);
  return {
    onOutput: (stream, chunk) => {
      rawMode?.();
      if (stream === "stdout") return stdout ? out.write(chunk) : undefined;
      return stderr ? err.write(chunk) : undefined;
    },
    onLost: (bytes) => console.error(`\rberth: ${bytes} bytes of output were not shown here in time; 'berth logs' has them\r`),
  };
}

async function attend(
  engine: Engine,
  record: ContainerRecord,
  container: AttachedContainer,
  options: AttachOptions,
  rawMode: RawMode | undefined,
): Promise<Outcome> {
  const { tty } = record.config;
  if (options.sigProxy) forwardSignals(container.process);
  const raw = rawMode?.();
  const left = options.stdin ? relayInput((chunk) => container.write(chunk), tty ? options.detachKeys : undefined) : undefined;
  const outcome = await Promise.race([container.exited, ...(left ? [left] : [])]);
  mark("wait for its end");
  raw?.restore();
  if (outcome === "detached") addContainerEvent(engine.db, record.id, "detach");
  if (outcome === undefined) throw new CommandFailure(`the monitor of container ${record.id} was killed`, 125);
  return outcome;
}

function forwardSignals(identity: ProcessIdentity): void {
  let interrupts = 0;
  for (const name of FORWARDED) {
    process.on(name, () => {
      if ((name === "SIGINT" || name === "SIGTERM") && ++interrupts > MAX_INTERRUPTS) {
        console.error(`berth: got ${MAX_INTERRUPTS} SIGTERM/SIGINTs that the container ignored, leaving it`);
        process.exit(1);
      }
      signalProcess(identity, signalNumber(name) as number);
    });
  }
}
