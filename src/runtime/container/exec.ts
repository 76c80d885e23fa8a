/** `exec`: one more process in a running container. */
import { hasUserNamespace, joinCgroup } from "../cgroup/enter.ts";
import { RuntimeFailure } from "../errors.ts";
import { joinContainer } from "../init/join.ts";
import { type PendingProcess, prepareProcess, type Stdio } from "../spawn.ts";
import type { Process } from "../spec.ts";
import { sendTerminal, writePidFile } from "./create.ts";
import { cgroupOf, readState, statusOf } from "./state-file.ts";

export interface ExecOptions {
  root: string;
  id: string;
  process: Process;
  pidFile: string | undefined;
  consoleSocket: string | undefined;
  preserveFds: number;
  stdio: Stdio;
}

/** Takes the process to right before its command. Throws {@link RuntimeFailure}. */
export function prepareExec(options: ExecOptions): PendingProcess {
  const state = readState(options.root, options.id);
  const status = statusOf(options.root, state);
  if (status === "stopped") throw new RuntimeFailure("cannot exec in a stopped container");
  if (status === "paused") throw new RuntimeFailure("cannot exec in a paused container");
  const cgroup = cgroupOf(state);
  const pending = prepareProcess(
    joinContainer,
    {
      type: "exec",
      process: options.process,
      namedUser: undefined,
      preserveFds: options.preserveFds,
      seccomp: state.spec.linux.seccomp,
      pid: state.pid,
      startTime: state.startTime,
    },
    {
      stdio: options.stdio,
      onSpawned: (pid) => joinCgroup(cgroup, hasUserNamespace(state.spec), pid),
      onReady: () => {},
    },
  );
  try {
    if (pending.terminal && options.consoleSocket !== undefined) sendTerminal(options.consoleSocket, pending.terminal);
    if (options.pidFile !== undefined) writePidFile(options.pidFile, pending.pid);
  } catch (error) {
    pending.abandon();
    throw error;
  }
  return pending;
}
