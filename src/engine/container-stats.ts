/** `stats`: what a container uses. */

import { totalmem } from "node:os";
import { readFileSync } from "../../ffi/files.ts";
import { openCgroup } from "../runtime/cgroup/open.ts";
import type { Bandwidth } from "../store/container-config.ts";
import type { ContainerRecord } from "../store/containers.ts";
import { containerCgroup } from "../store/layout.ts";

/** Bytes, and nanoseconds of CPU; counters since its start. All zero for a container that does not run. */
export interface ContainerStats {
  cpu: number;
  memory: number;
  /** The host's memory where there is no limit. */
  memoryLimit: number;
  pids: number;
  read: number;
  written: number;
  received: number;
  sent: number;
  bandwidth: Bandwidth | undefined;
  /** When it was read, in milliseconds of the monotonic clock. */
  at: number;
}

export function readContainerStats({ id, process, config }: ContainerRecord): ContainerStats {
  const cgroup = process && openCgroup(containerCgroup({ id, config }));
  const usage = cgroup?.usage();
  const hasOwnNetwork = process && config.network !== "host" && !config.network.startsWith("container:");
  return {
    cpu: usage?.cpu ?? 0,
    memory: usage?.memory ?? 0,
    memoryLimit: usage ? Math.min(usage.memoryLimit, totalmem()) : 0,
    pids: usage?.pids ?? 0,
    read: usage?.read ?? 0,
    written: usage?.written ?? 0,
    ...(hasOwnNetwork ? readTraffic(process.pid) : { received: 0, sent: 0 }),
    bandwidth: config.networking?.bandwidth,
    at: performance.now(),
  };
}

// proc_pid_net(5): columns of what was received, then of what was sent, bytes first.
function readTraffic(pid: number): { received: number; sent: number } {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/net/dev`, "utf8");
  } catch {
    return { received: 0, sent: 0 }; // gone by now
  }
  const links = text.split("\n").flatMap((line) => {
    const [, name, counters = ""] = /^\s*([^:]+):\s*(.*)$/.exec(line) ?? [];
    return name === undefined || name === "lo" ? [] : [counters.split(/\s+/).map(Number)];
  });
  const sum = (column: number) => links.reduce((total, counters) => total + (counters[column] ?? 0), 0);
  return { received: sum(0), sent: sum(8) };
}
