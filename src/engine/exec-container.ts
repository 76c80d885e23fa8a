/** `exec`: one more process in a running container, our own child. */
import { joinCgroup } from "../runtime/cgroup/enter.ts";
import { openCgroup } from "../runtime/cgroup/open.ts";
import { RuntimeFailure } from "../runtime/errors.ts";
import { joinContainer } from "../runtime/init/join.ts";
import { prepareProcess, type RunningProcess, type Stdio } from "../runtime/spawn.ts";
import { addContainerEvent } from "../store/events.ts";
import { containerCgroup } from "../store/layout.ts";
import { isAlive } from "../store/process-identity.ts";
import type { Engine } from "./engine.ts";
import { EngineError, StartError } from "./errors.ts";
import { linkVariables } from "./link-variables.ts";
import { absoluteIn, buildProcess, hasUserNamespace } from "./process-spec.ts";
import { randomId } from "./random-id.ts";
import { notRunning, resolveRunning } from "./resolve-container.ts";
import { compiledSeccomp } from "./seccomp/compiled.ts";

export interface ExecOptions {
  args: string[];
  env: string[];
  tty: boolean;
  user: string | undefined;
  workingDir: string | undefined;
  privileged: boolean;
  consoleSize: { height: number; width: number } | undefined;
  stdio: Stdio;
}

/** A command in a container; whoever waits for it tells how it ended. */
export interface ExecProcess extends RunningProcess {
  ended(exitCode: number): void;
}

/**
 * Starts a command in a running container.
 *
 * @throws {EngineError} where the container does not run
 * @throws {StartError} where the command does not start
 */
export function execInContainer(engine: Engine, text: string, options: ExecOptions): ExecProcess {
  const record = resolveRunning(engine, text);
  if (record.status === "paused") throw new EngineError(`Container ${text} is paused, unpause the container before exec`);
  const { config } = record;
  const process = {
    ...buildProcess(
      { ...config, tty: options.tty, privileged: options.privileged || config.privileged },
      options.args,
      linkVariables(engine, record),
    ),
    cwd: absoluteIn(config.workingDir, options.workingDir ?? config.workingDir),
  };
  process.env = [...process.env, ...options.env];
  if (options.consoleSize) process.consoleSize = options.consoleSize;
  const execID = randomId();
  const command = options.args.join(" ");
  try {
    const running = prepareProcess(
      joinContainer,
      {
        type: "exec",
        ...compiledSeccomp(engine.layout, { ...config, privileged: options.privileged || config.privileged }, process.capabilities?.bounding ?? []),
        process,
        namedUser: { user: options.user ?? config.user, groups: config.groupAdd },
        pid: record.process.pid,
        startTime: record.process.startTime,
      },
      {
        stdio: options.stdio,
        onSpawned(pid) {
          // Init starts up meanwhile.
          addContainerEvent(engine.db, record.id, [`exec_create: ${command}`, `exec_start: ${command}`], { execID });
          return joinCgroup(openCgroup(containerCgroup(record)), hasUserNamespace(config), pid);
        },
        onReady: () => {},
      },
    ).release();
    const ended = (exitCode: number) => addContainerEvent(engine.db, record.id, "exec_die", { execID, exitCode: String(exitCode) });
    return { ...running, ended };
  } catch (error) {
    if (!(error instanceof RuntimeFailure)) throw error;
    // Its PID namespace takes nobody any more: clone(2) says ENOMEM.
    if (!isAlive(record.process)) throw notRunning(record.id);
    throw new StartError(error.message, error.kind);
  }
}
