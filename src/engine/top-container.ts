/** `top`: what runs in a container, as the host sees it. */

import { readFileSync } from "../../ffi/files.ts";
import { findProgram } from "../../ffi/host.ts";
import { openCgroup } from "../runtime/cgroup/open.ts";
import { addContainerEvent } from "../store/events.ts";
import { containerCgroup } from "../store/layout.ts";
import type { Engine } from "./engine.ts";
import { EngineError } from "./errors.ts";
import { resolveRunning } from "./resolve-container.ts";

export interface Listing {
  titles: string[];
  /** The last column is the rest of the line. */
  rows: string[][];
}

const TICKS = 100; // USER_HZ, of all architectures there are

/**
 * @param options for the host's ps(1); without them it is not needed
 * @throws {EngineError} where the container does not run, or ps refuses the options
 */
export function topContainer(engine: Engine, text: string, options: string[]): Listing {
  const record = resolveRunning(engine, text);
  addContainerEvent(engine.db, record.id, "top");
  const inside = openCgroup(containerCgroup(record))?.pids() ?? [];
  const pids = inside.length > 0 ? inside : [record.process.pid];
  return options.length > 0
    ? askPs(options, pids)
    : {
        titles: TITLES,
        rows: pids
          .sort((a, b) => a - b)
          .map(describe)
          .filter((row) => row !== undefined),
      };
}

// As docker has it: all processes, those of others left out.
function askPs(options: string[], pids: number[]): Listing {
  const program = findProgram("ps");
  if (program === null) throw new EngineError("options need ps, which this host has not: without options berth finds the processes itself");
  const { stdout, stderr, exitCode } = Bun.spawnSync([program, ...options], { env: { ...process.env, LC_ALL: "C" } });
  if (exitCode !== 0) throw new EngineError(`ps: ${stderr.toString().trim().split("\n")[0]}`);
  const [head = "", ...lines] = stdout.toString().trimEnd().split("\n");
  const titles = head.trim().split(/\s+/);
  const column = titles.indexOf("PID");
  if (column < 0) throw new EngineError("Couldn't find PID field in ps output");
  const split = (line: string) => {
    const fields = line.trim().split(/\s+/);
    return [...fields.slice(0, titles.length - 1), fields.slice(titles.length - 1).join(" ")];
  };
  return { titles, rows: lines.map(split).filter((fields) => pids.includes(Number(fields[column]))) };
}

const TITLES = ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"];

// As `ps -ef` shows it.
function describe(pid: number): string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The name may hold anything, a parenthesis too.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const field = (n: number) => Number(fields[n - 3]); // counted as in proc_pid_stat(5)
    const cpu = Math.floor((field(14) + field(15)) / TICKS);
    const uptime = Number(readFileSync("/proc/uptime", "latin1").split(" ")[0]);
    const age = uptime - field(22) / TICKS;
    const started = new Date(Date.now() - age * 1000);
    const command = readFileSync(`/proc/${pid}/cmdline`).toString().replaceAll("\0", " ").trim();
    const uid = /^Uid:\t(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1] ?? "";
    const pad = (n: number) => String(n).padStart(2, "0");
    return [
      userName(uid),
      String(pid),
      String(field(4)),
      String(age > 0 ? Math.min(99, Math.floor((100 * cpu) / age)) : 0),
      age < 86_400 ? `${pad(started.getHours())}:${pad(started.getMinutes())}` : started.toDateString().slice(4, 10).replace(" ", ""),
      terminalName(field(7)),
      `${pad(Math.floor(cpu / 3600))}:${pad(Math.floor(cpu / 60) % 60)}:${pad(cpu % 60)}`,
      command || `[${stat.slice(stat.indexOf("(") + 1, stat.lastIndexOf(")"))}]`,
    ];
  } catch {
    return undefined; // gone meanwhile
  }
}

function userName(uid: string): string {
  try {
    const users = readFileSync("/etc/passwd", "utf8").split("\n");
    return users.map((line) => line.split(":")).find((fields) => fields[2] === uid)?.[0] ?? uid;
  } catch {
    return uid;
  }
}

// Of a device number as in proc_pid_stat(5), field 7; Unix98 terminals are 136 to 143.
function terminalName(device: number): string {
  const [major, minor] = [(device >> 8) & 0xfff, (device & 0xff) | ((device >> 12) & 0xfff00)];
  return major >= 136 && major < 144 ? `pts/${minor + (major - 136) * 256}` : "?";
}
