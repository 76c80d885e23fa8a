/** The end of a container that another monitor started: not our child, so nobody tells us. */
import { exitCodeOf } from "../../ffi/child.ts";
import type { OwnedFd } from "../../ffi/fd.ts";
import { readFileSync } from "../../ffi/files.ts";
import { hasCode } from "../../ffi/libc.ts";
import { processStartTime } from "../../ffi/process.ts";
import { ProcessHandle } from "../../ffi/process-handle.ts";

/** Milliseconds between looks: Bun's event loop cannot wait for a pidfd. */
const LOOK_INTERVAL = 250;
/** As docker has it for what died while nobody looked. */
const UNKNOWN = 255;
/** Milliseconds that the parent gets to take the exit status, after which the pidfd tells it. */
const REAPED_WITHIN = 1000;

export interface OrphanEnd {
  exitCode: number;
  /** Why the code is not known. */
  error: string;
}

/**
 * Resolves when a process has ended that is not our child.
 *
 * @param pidfd of it, where another program of this process had one, which may be all that still knows how it ended
 */
export async function awaitOrphan(pid: number, startTime: number, pidfd?: OwnedFd): Promise<OrphanEnd> {
  const unknown = { exitCode: UNKNOWN, error: "its monitor was killed, and this kernel tells nobody else how it ended" };
  try {
    using process = pidfd ? ProcessHandle.of(pidfd) : ProcessHandle.open(pid);
    while (processStartTime(pid) === startTime) await Bun.sleep(LOOK_INTERVAL);
    const deadline = performance.now() + REAPED_WITHIN;
    do {
      const status = process.exitStatus() ?? zombieStatus(pid, startTime);
      if (status !== undefined) return { exitCode: exitCodeOf(status), error: "" };
      await Bun.sleep(10);
    } while (performance.now() < deadline);
    return unknown;
  } catch (error) {
    if (!hasCode(error, "ESRCH", "EINVAL")) throw error;
    return unknown;
  }
}

// A zombie still tells it: the last field of /proc/PID/stat (proc(5), exit_code).
function zombieStatus(pid: number, startTime: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = stat
      .slice(stat.lastIndexOf(")") + 2)
      .trimEnd()
      .split(" ");
    return fields[0] === "Z" && Number(fields[19]) === startTime ? Number(fields[49]) : undefined;
  } catch {
    return undefined;
  }
}
