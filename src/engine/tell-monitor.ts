/** Makes a container's monitor look at its record again. */
import { readFileSync } from "../../ffi/files.ts";
import { MONITOR_NAME, RESTING } from "../monitor/environment.ts";
import { CONTAINER_CHANGED, WAKE } from "../monitor/protocol.ts";
import type { ContainerRecord } from "../store/containers.ts";
import { isAlive, type ProcessIdentity } from "../store/process-identity.ts";

/** Looks, a millisecond apart, at a process that is just becoming another program and has no words. */
const LOOKS = 50;

function isCalled(owner: ProcessIdentity, ...words: string[]): boolean {
  for (let look = 0; look < LOOKS && isAlive(owner); look++) {
    const text = readFileSync(`/proc/${owner.pid}/cmdline`, "latin1");
    if (text !== "") return text.startsWith(words.join("\0"));
    Bun.sleepSync(1);
  }
  return false;
}

/**
 * Wakes a monitor that rests (src/monitor/resting.ts): its container is about to end. Nothing where it does not; the signal is
 * one that nobody minds.
 */
export function wakeMonitor({ owner }: ContainerRecord): void {
  try {
    if (owner && isCalled(owner, MONITOR_NAME, "monitor", RESTING)) process.kill(owner.pid, WAKE);
  } catch {} // gone by now
}

/** Nothing where its owner is no monitor: the command that just starts it again looks at the record by itself. */
export function tellMonitor({ owner }: Pick<ContainerRecord, "owner">): void {
  try {
    if (owner && isCalled(owner, MONITOR_NAME)) process.kill(owner.pid, CONTAINER_CHANGED);
  } catch {
    // gone by now
  }
}
