/** The monitor role: one process for each running container. */
import { OwnedFd, POLLIN, poll } from "../../ffi/fd.ts";
import { writeFileSync } from "../../ffi/files.ts";
import { exitNow } from "../../ffi/process.ts";
import { mark } from "../../ffi/trace.ts";
import { startEarly } from "../runtime/spawn/here.ts";
import { CHANGED, MONITOR_NAME, RESUMED } from "./environment.ts";
import { Monitor } from "./monitor.ts";
import { loadResting, prepareAhead } from "./prepare-ahead.ts";
import { CONTAINER_CHANGED, NOT_FOR_MONITORS, parseFrame, readFrame, type StartRequest } from "./protocol.ts";
import { keepNamespace } from "./user-namespace.ts";

/** The descriptor on which a monitor talks to whoever started it. */
const MONITOR_CONNECTION_FD = 3;

/**
 * Runs the role, and ends with its container.
 *
 * @param job what it is for, where it does not start one
 */
export async function runMonitor(job: "take-over" | typeof RESUMED | typeof CHANGED | undefined): Promise<never> {
  if (job === RESUMED || job === CHANGED) await goOn(job === CHANGED);
  else await serveOne(job === "take-over");
  exitNow(0);
}

// From its rest to the end of its container.
async function goOn(isChanged: boolean): Promise<void> {
  const { takeUp } = await loadResting();
  const { state, held } = takeUp();
  let monitor: Monitor | undefined;
  prepareProcess(() => monitor);
  monitor = new Monitor(state.request, undefined, undefined, held);
  await monitor.goOn(state, held, isChanged);
}

function prepareProcess(monitor: () => Monitor | undefined): void {
  writeFileSync("/proc/self/comm", MONITOR_NAME); // else `ps` and `pgrep` know it as exe
  for (const signal of NOT_FOR_MONITORS) process.on(signal, () => {});
  process.on(CONTAINER_CHANGED, () => void monitor()?.changed());
}

/** Waits for one {@link StartRequest}, and for the end of its container. */
export async function serveOne(takesOver: boolean): Promise<void> {
  let monitor: Monitor | undefined;
  prepareProcess(() => monitor);
  keepNamespace();
  // While whoever started it makes the container.
  if (!takesOver) startEarly();
  const connection = new OwnedFd(MONITOR_CONNECTION_FD);
  const isAsked = () => poll([{ fd: connection.fd, events: POLLIN }], 0)[0] === true;
  const store = await prepareAhead(isAsked);
  const frame = readFrame(connection.fd);
  if (!frame) exitNow(0); // the command line was killed before it could say what it wanted
  mark("wait for the request");
  monitor = new Monitor(parseFrame<StartRequest>(frame.payload), connection, store);
  await monitor.run();
}
