/** How commands reach a container's monitor. */
import { type OwnedFd, POLLIN, poll } from "../../ffi/fd.ts";
import { mkdirSync, rmSync } from "../../ffi/files.ts";
import { hasCode } from "../../ffi/libc.ts";
import { ProcessHandle } from "../../ffi/process-handle.ts";
import { accept, listenUnix } from "../../ffi/socket.ts";
import { type Purpose, visitorSocket } from "../monitor/visitors.ts";
import type { ContainerRecord } from "../store/containers.ts";
import type { Engine } from "./engine.ts";
import { EngineError } from "./errors.ts";
import { randomId } from "./random-id.ts";
import { tellMonitor } from "./tell-monitor.ts";

/** What a monitor may take to call back, in milliseconds. */
const CALLBACK_TIMEOUT = 10_000;

/**
 * A monitor has no open door for as long as nobody wants in: whoever does opens one and asks it to come.
 *
 * @returns the connection
 * @throws {EngineError} where it does not come
 */
export function callMonitor(engine: Engine, { owner, id }: ContainerRecord, purpose: Purpose): OwnedFd {
  const noAnswer = `the monitor of container ${id} does not answer: it is stopped, or the container is just ending`;
  if (!owner) throw new EngineError(`container ${id} has no monitor`);
  mkdirSync(engine.layout.callbacks, { recursive: true, mode: 0o700 });
  const path = visitorSocket(engine.layout.callbacks, id, purpose, randomId().slice(0, 12));
  using listener = listenUnix(path);
  try {
    using monitor = ProcessHandle.open(owner.pid);
    tellMonitor({ owner });
    const [called] = poll(
      [listener.fd, ...monitor.descriptors].map((fd) => ({ fd, events: POLLIN })),
      CALLBACK_TIMEOUT,
    );
    if (!called) throw new EngineError(noAnswer);
    return accept(listener.fd);
  } catch (error) {
    throw hasCode(error, "ESRCH") ? new EngineError(noAnswer) : error;
  } finally {
    rmSync(path, { force: true });
  }
}

/**
 * Its monitor keeps a container's name server, and the files that tell its addresses: who asks for a name after this finds it.
 *
 * @returns why not, in words
 */
export function tellOfNetworks(engine: Engine, container: ContainerRecord): string[] {
  if (!container.process) return []; // a start finds them as they are
  try {
    using connection = callMonitor(engine, container, "networks");
    if (poll([{ fd: connection.fd, events: POLLIN }], CALLBACK_TIMEOUT)[0]) return [];
    throw new EngineError(`the monitor of container ${container.id} was called, and does not finish`);
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    return [`names and addresses in the container are those of before: ${error.message}`];
  }
}
