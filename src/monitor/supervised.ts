/** A container's process, as its monitor has it. */
import type { Child } from "../../ffi/child.ts";
import { AT_FDCWD, O_RDONLY, type OwnedFd, openat } from "../../ffi/fd.ts";
import { processStartTime } from "../../ffi/process.ts";
import type { Brief } from "./output.ts";

/** However it came to this monitor. */
export interface Supervised {
  pid: number;
  startTime: number;
  /** Where it was started here, by somebody who waits for its end and writes it no input: the connection to whom. */
  brief?: Brief;
  /** The child of this process that ends with it: most often itself. */
  child?: number;
  /** How it ended; the error is why that is not known. */
  ended: Promise<{ exitCode: number; error: string }>;
}

export interface Ending {
  hasEnded(): boolean;
  ended: Supervised["ended"];
}

/** Of one that this process started, or whose subreaper it is. */
export const endOfChild = (child: Child): Ending => ({
  hasEnded: () => child.hasEnded(),
  ended: child.exited.then((exitCode) => ({ exitCode, error: "" })),
});

/** Of one whose monitor was killed. */
export function endOfOrphan(pid: number, startTime: number, pidfd?: OwnedFd): Ending {
  const { awaitOrphan } = require("./orphan.ts") as typeof import("./orphan.ts");
  return { hasEnded: () => processStartTime(pid) !== startTime, ended: awaitOrphan(pid, startTime, pidfd) };
}

/**
 * A process's mount namespace. Its last process would free all mounts before anybody hears that it ended: a millisecond, for
 * which nobody waits where somebody else lets go of the namespace.
 */
export function holdMounts(pid: number): OwnedFd | undefined {
  try {
    return openat(AT_FDCWD, `/proc/${pid}/ns/mnt`, O_RDONLY);
  } catch {
    return undefined; // it takes a little longer
  }
}
