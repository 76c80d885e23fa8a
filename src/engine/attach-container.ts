/** `attach`: joins those who see a running container's output and type its input. */

import { type OwnedFd, POLLIN, poll } from "../../ffi/fd.ts";
import { mkdirSync, rmSync } from "../../ffi/files.ts";
import { join } from "../../ffi/path.ts";
import { ProcessHandle } from "../../ffi/process-handle.ts";
import { accept, listenUnix } from "../../ffi/socket.ts";
import { type Attach, FrameType } from "../monitor/protocol.ts";
import type { ContainerRecord } from "../store/containers.ts";
import { addContainerEvent } from "../store/events.ts";
import { type AttachedContainer, attached, type ConnectionOptions, connectToMonitor } from "./container-connection.ts";
import type { Engine } from "./engine.ts";
import { EngineError } from "./errors.ts";
import { randomId } from "./random-id.ts";
import { tellMonitor } from "./tell-monitor.ts";

/** What a monitor may take to call back, in milliseconds. */
const CALLBACK_TIMEOUT = 10_000;

/** Attaches to a container that runs. Throws {@link EngineError} where it does not, or its monitor does not answer. */
export async function attachContainer(engine: Engine, record: ContainerRecord, options: Attach & ConnectionOptions): Promise<AttachedContainer> {
  if (record.status === "paused") throw new EngineError("You cannot attach to a paused container, unpause it first");
  if (record.status !== "running" || !record.process) throw new EngineError("You cannot attach to a stopped container, start it first");
  const connection = await connectToMonitor(callMonitor(engine, record), options);
  void connection.socket.sendJson(FrameType.attach, { stdout: options.stdout, stderr: options.stderr } satisfies Attach);
  addContainerEvent(engine.db, record.id, "attach");
  return attached(connection, await connection.started);
}

// A monitor has no open door for as long as nobody wants in: whoever does opens one and asks it to come.
function callMonitor(engine: Engine, record: ContainerRecord): OwnedFd {
  const { owner, id } = record;
  if (!owner) throw new EngineError(`container ${id} has no monitor`);
  mkdirSync(engine.layout.callbacks, { recursive: true, mode: 0o700 });
  const path = join(engine.layout.callbacks, `${id}.${randomId().slice(0, 12)}`);
  using listener = listenUnix(path);
  try {
    using monitor = ProcessHandle.open(owner.pid);
    tellMonitor(record);
    const [called] = poll(
      [listener.fd, ...monitor.descriptors].map((fd) => ({ fd, events: POLLIN })),
      CALLBACK_TIMEOUT,
    );
    if (!called) throw new EngineError(`the monitor of container ${id} does not answer: it is stopped, or the container is just ending`);
    return accept(listener.fd);
  } finally {
    rmSync(path, { force: true });
  }
}
