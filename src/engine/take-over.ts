/** Gives a container whose monitor was killed another one. */
import { FrameType, type StartRequest, writeFrame } from "../monitor/protocol.ts";
import { type ContainerRecord, getContainer } from "../store/containers.ts";
import { isAlive } from "../store/process-identity.ts";
import type { Engine } from "./engine.ts";
import { launchMonitor } from "./launch-monitor.ts";
import { startRequest } from "./start-container.ts";

/** What a monitor may take to say that it is there, in milliseconds. */
const TIMEOUT = 2000;

const tried = new Set<string>();

/**
 * Launches a monitor for a container that runs without one, once a command, and waits
 * until it is there. Where another command was faster, the monitor finds that out.
 */
export function takeOver(engine: Engine, record: ContainerRecord): void {
  if (tried.has(record.id)) return;
  tried.add(record.id);
  let request: StartRequest;
  try {
    request = { ...startRequest(engine, record, { attach: false }), takesOver: true };
  } catch {
    return; // what it was started with is not there any more: it ends without a monitor
  }
  using monitor = launchMonitor({ job: "take-over" });
  writeFrame(monitor.fd, FrameType.start, request);
  const deadline = performance.now() + TIMEOUT;
  while (performance.now() < deadline) {
    const now = getContainer(engine.db, record.id);
    if (!now || (now.owner && isAlive(now.owner)) || !now.process || !isAlive(now.process)) return;
    Bun.sleepSync(2);
  }
}
