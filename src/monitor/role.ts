/** The monitor role: one process for each running container. */
import { AT_FDCWD, O_NONBLOCK, O_WRONLY, OwnedFd, openat, POLLIN, poll } from "../../ffi/fd.ts";
import { writeFileSync } from "../../ffi/files.ts";
import { exitNow } from "../../ffi/process.ts";
import { mark } from "../../ffi/trace.ts";
import { startEarly } from "../runtime/spawn/here.ts";
import { ROOTLESS_ALIVE } from "../store/layout.ts";
import { MONITOR_NAME } from "./environment.ts";
import { collectGarbage, Monitor } from "./monitor.ts";
import { prepareAhead } from "./prepare-ahead.ts";
import { CONTAINER_CHANGED, parseFrame, readFrame, type StartRequest } from "./protocol.ts";

/** The descriptor on which a monitor talks to whoever started it. */
const MONITOR_CONNECTION_FD = 3;

/**
 * Runs the role, and ends with its container.
 *
 * @param takesOver whether that runs already
 */
export async function runMonitor(takesOver: boolean): Promise<never> {
  await serveOne(takesOver);
  exitNow(0);
}

/** Waits for one {@link StartRequest}, and for the end of its container. */
export async function serveOne(takesOver: boolean): Promise<void> {
  writeFileSync("/proc/self/comm", MONITOR_NAME); // else `ps` and `pgrep` know it as exe
  // What is sent to a terminal's or service's whole group is for the container's own stop signal to answer.
  for (const signal of ["SIGHUP", "SIGINT", "SIGTERM", "SIGQUIT"] as const) process.on(signal, () => {});
  // A user's namespace stays as long as somebody has this open.
  const alive = process.env[ROOTLESS_ALIVE];
  if (alive !== undefined) openat(AT_FDCWD, alive, O_WRONLY | O_NONBLOCK);
  let monitor: Monitor | undefined;
  process.on(CONTAINER_CHANGED, () => void monitor?.changed());
  // While whoever started it makes the container.
  if (!takesOver) startEarly();
  const connection = new OwnedFd(MONITOR_CONNECTION_FD);
  const isAsked = () => poll([{ fd: connection.fd, events: POLLIN }], 0)[0] === true;
  const store = await prepareAhead(isAsked);
  const frame = readFrame(connection.fd);
  if (!frame) exitNow(0); // the command line was killed before it could say what it wanted
  mark("wait for the request");
  const request = parseFrame<StartRequest>(frame.payload);
  // What is in the background may live for long; what loading left behind, a start would leave its own beside.
  if (!request.attach) collectGarbage();
  monitor = new Monitor(request, connection, store);
  await monitor.run();
}
