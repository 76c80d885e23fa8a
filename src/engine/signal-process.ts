/** Signals to a process that a record names, and its end. */
import { hasCode } from "../../ffi/libc.ts";
import { ProcessHandle } from "../../ffi/process-handle.ts";
import { isAlive, type ProcessIdentity } from "../store/process-identity.ts";

// The process itself or none: a number that was given to another process since is not signalled.
function withProcess<T>(identity: ProcessIdentity, gone: T, action: (process: ProcessHandle) => T): T {
  try {
    using process = ProcessHandle.open(identity.pid);
    if (!isAlive(identity)) return gone;
    return action(process);
  } catch (error) {
    if (hasCode(error, "ESRCH", "EINVAL")) return gone;
    throw error;
  }
}

/** Sends a signal to a process. */
export function signalProcess(identity: ProcessIdentity, signal: number): void {
  withProcess(identity, undefined, (process) => process.signal(signal));
}

/** Blocks until a process ended; false where it did not within `timeout` milliseconds (-1: waits for ever). */
export function awaitProcess(identity: ProcessIdentity, timeout: number): boolean {
  return withProcess(identity, true, (process) => process.wait(timeout));
}
