/** Starting a container's monitor, before there is anything for it to do. */
import { AT_FDCWD, O_RDONLY, O_RDWR, type OwnedFd, openat } from "../../ffi/fd.ts";
import { startProgram } from "../../ffi/program.ts";
import { socketPair } from "../../ffi/socket.ts";
import { traceEnvironment } from "../../ffi/trace.ts";
import { MONITOR_ENVIRONMENT, MONITOR_NAME } from "../monitor/environment.ts";
import { ROOTLESS_ALIVE, ROOTLESS_UID } from "../store/layout.ts";

function snapshotEnvironment(): Record<string, string> {
  const { BERTH_SNAPSHOT } = process.env;
  return BERTH_SNAPSHOT === undefined ? {} : { BERTH_SNAPSHOT };
}

// What a monitor needs to start the container again, and its helper programs.
function rootlessEnvironment(): Record<string, string> {
  const { [ROOTLESS_ALIVE]: alive, [ROOTLESS_UID]: uid, PATH = "" } = process.env;
  return alive === undefined || uid === undefined ? {} : { [ROOTLESS_ALIVE]: alive, [ROOTLESS_UID]: uid, PATH };
}

/**
 * Launches a monitor, which waits on the connection given back for what it is to do, and
 * ends with it. It takes a while to start up: whoever knows early that there will be a
 * container launches it before making that.
 */
export function launchMonitor({ job }: { job?: "take-over" } = {}): OwnedFd {
  const [ours, theirs] = socketPair();
  using executable = openat(AT_FDCWD, "/proc/self/exe", O_RDONLY);
  using nothing = openat(AT_FDCWD, "/dev/null", O_RDWR);
  startProgram({
    executable,
    args: [MONITOR_NAME, "monitor", ...(job === undefined ? [] : [job])],
    environment: { ...MONITOR_ENVIRONMENT, ...rootlessEnvironment(), ...traceEnvironment(), ...snapshotEnvironment() },
    descriptors: [nothing.fd, nothing.fd, nothing.fd, theirs.fd],
    newSession: true,
    ours,
    theirs,
  });
  theirs.close();
  return ours;
}
