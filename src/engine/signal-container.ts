/** Signals to a container's first process: `kill`, `stop`, and waiting for its end. */
import { signalNumber } from "../../ffi/signal.ts";
import { openCgroup } from "../runtime/cgroup/open.ts";
import { type ContainerRecord, getContainer, isRestarting, requestStop } from "../store/containers.ts";
import { addContainerEvent } from "../store/events.ts";
import { containerCgroup } from "../store/layout.ts";
import type { ProcessIdentity } from "../store/process-identity.ts";
import type { Engine } from "./engine.ts";
import { EngineError } from "./errors.ts";
import { reconcile } from "./reconcile.ts";
import { resolveContainer } from "./resolve-container.ts";
import { awaitProcess, signalProcess } from "./signal-process.ts";
import { tellMonitor, wakeMonitor } from "./tell-monitor.ts";

const SIGKILL = 9;
/** Docker's, in seconds. */
const DEFAULT_STOP_TIMEOUT = 10;

/** A signal's number. Throws {@link EngineError} on what is none. */
export function parseSignal(text: string): number {
  const number = signalNumber(text);
  if (number === undefined) throw new EngineError(`Invalid signal: ${text}: expected a name such as SIGTERM or a number from 1 to 64`);
  return number;
}

// What stands still takes no signal before it goes on (on v1 not even SIGKILL), for whatever reason it does.
function thaw(record: ContainerRecord): void {
  const cgroup = openCgroup(containerCgroup(record));
  if (!cgroup || cgroup.paths.length === 0 || (record.status !== "paused" && !cgroup.isFrozen())) return;
  try {
    cgroup.freeze(false);
  } catch (error) {
    if (cgroup.isFrozen()) throw error; // else the cgroup went with the container meanwhile
  }
}

// Another command may make it stand still right after the signal.
function awaitKilled(record: ContainerRecord, process: ProcessIdentity): boolean {
  for (let waited = 0; waited < KILL_TIMEOUT; waited += THAW_INTERVAL) {
    if (awaitProcess(process, THAW_INTERVAL)) return true;
    thaw(record);
  }
  return false;
}

// Told first: what is sent may end it, and its record with it.
function send(engine: Engine, { id }: ContainerRecord, process: ProcessIdentity, signal: number): void {
  addContainerEvent(engine.db, id, "kill", { signal: String(signal) });
  signalProcess(process, signal);
}

/** Before a container is ended, if there is one: its monitor gets up meanwhile. */
export function expectEnd(engine: Engine, text: string): void {
  try {
    wakeMonitor(resolveContainer(engine, text));
  } catch (error) {
    if (!(error instanceof EngineError)) throw error; // whoever ends it tells
  }
}

/** `kill`: sends a signal to a running container. */
export function killContainer(engine: Engine, text: string, signal: number): void {
  const record = resolveContainer(engine, text);
  if ((record.status !== "running" && record.status !== "paused") || !record.process) {
    throw new EngineError(`Cannot kill container: ${text}: Container ${record.id} is not running`);
  }
  if (signal === SIGKILL) wakeMonitor(record);
  if (signal === SIGKILL || signal === signalNumber(record.config.stopSignal)) requestStop(engine.db, record.id);
  send(engine, record, record.process, signal);
  if (signal !== SIGKILL) return;
  thaw(record);
  awaitKilled(record, record.process);
  settle(engine, record, SETTLE_TIMEOUT);
}

// The kernel may take a while to free a killed process's memory; beyond this something is wrong with the machine.
const KILL_TIMEOUT = 30_000;
const THAW_INTERVAL = 500;
/** What a monitor may take to write down a container's end and to clean up. */
export const SETTLE_TIMEOUT = 10_000;

export interface StopOptions {
  /** Seconds before SIGKILL; -1 for never; undefined for the container's own. */
  timeout: number | undefined;
  /** Instead of the container's own stop signal. */
  signal: string | undefined;
}

/**
 * `stop`: the container's stop signal, then SIGKILL.
 *
 * @throws {EngineError} where there is no such container or signal
 */
export function stopContainer(engine: Engine, text: string, options: StopOptions): void {
  const signal = options.signal === undefined ? undefined : parseSignal(options.signal);
  const record = resolveContainer(engine, text);
  wakeMonitor(record);
  requestStop(engine.db, record.id);
  if (isRestarting(record)) tellMonitor(record);
  if ((record.status !== "running" && record.status !== "paused") || !record.process) return;
  const seconds = options.timeout ?? record.config.stopTimeout ?? DEFAULT_STOP_TIMEOUT;
  if (seconds !== 0) {
    const number = signal ?? parseSignal(record.config.stopSignal);
    send(engine, record, record.process, number);
    thaw(record);
  }
  if (seconds !== 0 && awaitProcess(record.process, seconds < 0 ? -1 : seconds * 1000)) settle(engine, record, SETTLE_TIMEOUT);
  else killAndSettle(engine, record, record.process);
  addContainerEvent(engine.db, record.id, "stop");
}

/** Kills a running container and waits until its record says so. */
export function killAndSettle(engine: Engine, record: ContainerRecord, process: ProcessIdentity): void {
  send(engine, record, process, SIGKILL);
  thaw(record);
  if (!awaitKilled(record, process))
    throw new EngineError(`container ${record.id}: process ${process.pid} did not end within ${KILL_TIMEOUT / 1000} seconds of SIGKILL`);
  settle(engine, record, SETTLE_TIMEOUT);
}

/**
 * Blocks until the process of a running container has ended and its record says so.
 * Where no monitor is left to write that, this does.
 *
 * @param timeout milliseconds after the process's end that the monitor gets
 */
export function settle(engine: Engine, record: ContainerRecord, timeout: number): void {
  if (record.process) awaitProcess(record.process, -1);
  const deadline = performance.now() + timeout;
  for (;;) {
    const now = getContainer(engine.db, record.id);
    const current = now && reconcile(engine, now);
    if (!current || (current.status !== "running" && current.status !== "paused" && current.status !== "removing")) return;
    if (current.startedAt !== record.startedAt || performance.now() > deadline) return;
    // A monitor that still serves a slow reader lives on after it wrote the end down.
    if (!current.owner || awaitProcess(current.owner, 1)) Bun.sleepSync(1);
  }
}
