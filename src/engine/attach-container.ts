/** `attach`: joins those who see a running container's output and type its input. */
import { type Attach, FrameType } from "../monitor/protocol.ts";
import type { ContainerRecord } from "../store/containers.ts";
import { addContainerEvent } from "../store/events.ts";
import { callMonitor } from "./call-monitor.ts";
import { type AttachedContainer, attached, type ConnectionOptions, connectToMonitor } from "./container-connection.ts";
import type { Engine } from "./engine.ts";
import { EngineError } from "./errors.ts";

/** Attaches to a container that runs. Throws {@link EngineError} where it does not, or its monitor does not answer. */
export async function attachContainer(engine: Engine, record: ContainerRecord, options: Attach & ConnectionOptions): Promise<AttachedContainer> {
  if (record.status === "paused") throw new EngineError("You cannot attach to a paused container, unpause it first");
  if (record.status !== "running" || !record.process) throw new EngineError("You cannot attach to a stopped container, start it first");
  const connection = await connectToMonitor(callMonitor(engine, record, "attach"), options);
  void connection.socket.sendJson(FrameType.attach, { stdout: options.stdout, stderr: options.stderr } satisfies Attach);
  addContainerEvent(engine.db, record.id, "attach");
  return attached(connection, await connection.started);
}
