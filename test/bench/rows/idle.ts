/** Rows beside 100 idle containers: what lists and watches them, and what they cost meanwhile. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { keepFigure } from "../figure.ts";
import type { Row } from "../row.ts";
import { sh } from "../sh.ts";
import { type Engines, IMAGE } from "./engines.ts";

const CONTAINERS = 100;
const SECONDS = 10;
/** MB of its own that each may keep. */
const PRIVATE = 2;
/** What stays beside each container, or for all, by the beginning of its name in /proc/PID/comm. */
const KEEPERS: Record<string, string[]> = { berth: ["berth-monitor"], docker: ["dockerd", "containerd"], podman: ["conmon"] };

interface Kept {
  processes: number;
  /** Bytes that no other process shares. */
  memory: number;
  switches: number;
}

/** Of all processes with such names below this one's engines. */
function look(names: string[], isOwn: (pid: string) => boolean): Kept {
  const kept: Kept = { processes: 0, memory: 0, switches: 0 };
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const comm = readFileSync(`/proc/${pid}/comm`, "utf8");
      if (!names.some((name) => comm.startsWith(name)) || !isOwn(pid)) continue;
      kept.processes++;
      for (const [, kilobytes] of readFileSync(`/proc/${pid}/smaps_rollup`, "utf8").matchAll(/^Private_\w+: +(\d+)/gm))
        kept.memory += Number(kilobytes) * 1024;
      for (const task of readdirSync(`/proc/${pid}/task`))
        for (const [, count] of readFileSync(`/proc/${pid}/task/${task}/status`, "utf8").matchAll(/ctxt_switches:\s+(\d+)/g))
          kept.switches += Number(count);
    } catch {
      // It has ended meanwhile.
    }
  }
  return kept;
}

/** What stays in memory without and with containers, and how often it wakes. */
export async function measureIdle(engines: Engines, folder: string): Promise<void> {
  const ofFolder = (pid: string) =>
    readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(folder) ||
    readdirSync(`/proc/${pid}/fd`).some((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`).startsWith(folder));
  const lookAtAll = () => Object.fromEntries(Object.entries(KEEPERS).map(([tool, names]) => [tool, look(names, ofFolder)]));
  const keep = (title: string, unit: string, kept: Record<string, Kept>, figure: (kept: Kept, tool: string) => number, budget?: number) => {
    const results = Object.fromEntries(Object.entries(kept).map(([tool, what]) => [tool, figure(what, tool)]));
    keepFigure({ name: "idle", title, unit, results, ...(budget !== undefined && { budget }) }, folder);
  };
  const nothing = lookAtAll();
  keep("kept in memory where nothing runs", "MB", nothing, ({ memory }) => memory / 1e6, 0);
  for (const command of Object.values(
    engines.each(() => `for i in $(seq ${CONTAINERS}); do {} run -d --name idle$i --network none ${IMAGE} sleep 100000 >/dev/null || exit 1; done`),
  ))
    sh(command);
  await Bun.sleep(5000);
  const before = lookAtAll();
  await Bun.sleep(SECONDS * 1000);
  const after = lookAtAll();
  const of = `for ${CONTAINERS} idle containers`;
  keep(`processes ${of}`, "processes", after, ({ processes }) => processes);
  keep(
    `kept in memory ${of}, of each alone`,
    "MB",
    after,
    ({ memory }, tool) => (memory - (nothing[tool] as Kept).memory) / CONTAINERS / 1e6,
    PRIVATE,
  );
  keep(`wakeups ${of}`, "a second", after, ({ switches }, tool) => (switches - (before[tool] as Kept).switches) / SECONDS);
}

export function idleRows(engines: Engines): Row[] {
  const beside = `beside ${CONTAINERS} containers`;
  return [
    { name: "idle", title: `ps ${beside}`, commands: engines.each(() => "{} ps") },
    {
      name: "idle",
      title: `events of the last hour ${beside}`,
      commands: engines.each((tool) => `{} events --since 1h --until ${tool === "podman" ? "0s --stream=false" : "0s"}`),
    },
    { name: "idle", title: `stats --no-stream ${beside}`, commands: engines.each(() => "{} stats --no-stream"), runs: 3 },
    { name: "idle", title: `run --rm --network none ${beside}`, commands: engines.each(() => `{} run --rm --network none ${IMAGE} true`) },
  ];
}
