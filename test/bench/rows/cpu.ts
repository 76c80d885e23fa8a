/** What a container costs all processes that have to do with it: also daemons, monitors, and the kernel's own. */
import { cpuTime, keepFigure } from "../figure.ts";
import { sh } from "../sh.ts";
import { type Engines, IMAGE } from "./engines.ts";

const TURNS = 4;
const RUNS = 10; // in each turn
/** Seconds in which what is done behind a command's back is done, and in which a machine without commands is looked at. */
const AFTER = 1;

/** Milliseconds of processor time of one `run --rm`. */
export function measureCpu(engines: Engines, folder: string): void {
  if (Number.isNaN(cpuTime())) {
    console.log("processor time: nobody counts it here");
    return;
  }
  const commands = Object.entries(engines.each(() => `{} run --rm ${IMAGE} true`));
  const seconds: Record<string, number> = {};
  for (const [, command] of commands) sh(command);
  for (let turn = 0; turn < TURNS; turn++)
    for (const [tool, command] of commands) seconds[tool] = (seconds[tool] ?? 0) + spent(`for i in $(seq ${RUNS}); do ${command}; done`);
  const results = Object.fromEntries(Object.entries(seconds).map(([tool, sum]) => [tool, (sum * 1000) / (TURNS * RUNS)]));
  keepFigure({ name: "cpu", title: "processor time of one run --rm, the default network, all processes", unit: "ms", budget: 50, results }, folder);
}

// Seconds of processor time that are a script's; the machine has its own meanwhile.
function spent(script: string): number {
  const idleFrom = cpuTime();
  sh(`sleep ${AFTER}`);
  const from = cpuTime();
  const start = performance.now();
  sh(`${script}; sleep ${AFTER}`);
  const seconds = (performance.now() - start) / 1000;
  return cpuTime() - from - ((from - idleFrom) / AFTER) * seconds;
}
