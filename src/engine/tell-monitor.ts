/** Makes a container's monitor look at its record again. */
import { readFileSync } from "../../ffi/files.ts";
import { MONITOR_NAME } from "../monitor/environment.ts";
import { CONTAINER_CHANGED } from "../monitor/protocol.ts";
import type { ContainerRecord } from "../store/containers.ts";
import { isAlive } from "../store/process-identity.ts";

/** Nothing where its owner is no monitor: the command that just starts it again looks at the record by itself. */
export function tellMonitor({ owner }: ContainerRecord): void {
  if (!owner || !isAlive(owner)) return;
  try {
    if (!readFileSync(`/proc/${owner.pid}/cmdline`, "latin1").startsWith(MONITOR_NAME)) return;
    process.kill(owner.pid, CONTAINER_CHANGED);
  } catch {
    // gone by now
  }
}
