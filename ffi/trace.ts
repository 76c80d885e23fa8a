/**
 * Where the time of a command goes: with BERTH_TRACE=FILE each of its processes appends spans in Chrome's trace format
 * (chrome://tracing, Perfetto), all on one clock. Times are microseconds since 1970.
 */
import { writeAll } from "./fd.ts";
import { openSync, writeFileSync } from "./files.ts";
import { hasCode, reasonOf } from "./libc.ts";

const VARIABLE = "BERTH_TRACE";

interface Trace {
  fd: number;
  events: object[];
  /** Of the process, unique among all of a trace: in its own PID namespace init is number 1. */
  pid: number;
  last: number;
}

let trace: Trace | undefined;

const now = () => (performance.timeOrigin + performance.now()) * 1000;

/**
 * Begins where the process did. The file is opened now: init will have another root.
 *
 * @param startedAt in milliseconds since 1970
 */
export function startTrace(startedAt: number, role: string): void {
  const path = process.env[VARIABLE];
  if (!path) return;
  const start = startedAt * 1000;
  const pid = (Math.round(start) % 1e5) * 1e4 + (process.pid % 1e4);
  try {
    trace = { fd: openTrace(path), events: [{ name: "process_name", ph: "M", pid, tid: 0, args: { name: role } }], pid, last: start };
  } catch (error) {
    console.error(`WARNING: nothing is traced: ${VARIABLE}=${path}: ${reasonOf(error)}`);
  }
  mark("start up");
}

// The list has no end: readers of the format want none, and processes come and go.
function openTrace(path: string): number {
  try {
    writeFileSync(path, "[\n", { flag: "wx" });
  } catch (error) {
    if (!hasCode(error, "EEXIST")) throw error;
  }
  return openSync(path, "a");
}

/** Ends what was done since the last mark, or since the process started, by its name. Costs nothing where nothing is traced. */
export function mark(name: string): void {
  if (trace === undefined) return;
  const end = now();
  trace.events.push({ name, ph: "X", ts: trace.last, dur: end - trace.last, pid: trace.pid, tid: 0 });
  trace.last = end;
}

/** Writes what was marked: right before the process ends, or becomes another program. */
export function endTrace(): void {
  if (trace === undefined) return;
  const { fd, events } = trace;
  trace = undefined;
  try {
    writeAll(fd, Buffer.from(events.map((event) => `${JSON.stringify(event)},\n`).join("")));
  } catch {} // a full disk: the command ends as it would
}

/** What a process of ours needs in its environment to be part of the trace. */
export const traceEnvironment = (): Record<string, string> => {
  const path = process.env[VARIABLE];
  return path ? { [VARIABLE]: path } : {};
};
