/** Makes a container's monitor look at its record again. */
import { CONTAINER_CHANGED } from "../monitor/protocol.ts";
import type { ContainerRecord } from "../store/containers.ts";
import { isAlive } from "../store/process-identity.ts";

/** The owner must be a monitor: of a container that runs, or that is to be started again. */
export function tellMonitor({ owner }: ContainerRecord): void {
  if (!owner || !isAlive(owner)) return;
  try {
    process.kill(owner.pid, CONTAINER_CHANGED);
  } catch {
    // gone by now
  }
}
