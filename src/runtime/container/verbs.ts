/** What is done to a container that is there: `start`, `kill`, `delete`, `pause`, `resume`, `update`. */

import { AT_FDCWD, O_NONBLOCK, O_WRONLY, openat, writeAll } from "../../../ffi/fd.ts";
import { unlinkSync } from "../../../ffi/files.ts";
import { hasCode } from "../../../ffi/libc.ts";
import { ProcessHandle } from "../../../ffi/process-handle.ts";
import { kill } from "../../../ffi/signal.ts";
import { RuntimeFailure } from "../errors.ts";
import { runHooks } from "../hooks.ts";
import type { Hook, Resources, State } from "../spec.ts";
import {
  type ContainerState,
  cgroupOf,
  fifoPath,
  hookState,
  isAlive,
  readState,
  removeState,
  type Status,
  statusOf,
  writeState,
} from "./state-file.ts";

const SIGKILL = 9;
const DELETE_TIMEOUT = 10_000; // milliseconds for a killed process to be gone

type Warn = (message: string) => void;

/** Lets the command of a created container go. */
export function startContainer(root: string, id: string, warn: Warn): void {
  const state = readState(root, id);
  const status = statusOf(root, state);
  if (status === "stopped") throw new RuntimeFailure("cannot start a container that has stopped");
  if (status !== "created") throw new RuntimeFailure("cannot start an already running container");
  const fifo = fifoPath(root, id);
  try {
    using writer = openat(AT_FDCWD, fifo, O_WRONLY | O_NONBLOCK);
    writeAll(writer.fd, Buffer.from("0"));
  } catch (error) {
    if (hasCode(error, "ENXIO", "ENOENT")) throw new RuntimeFailure("cannot start a container that has stopped");
    throw error;
  }
  unlinkSync(fifo);
  runHooksWarning("poststart", state.spec.hooks?.poststart ?? [], hookState(state, "running"), warn);
}

// Of these two kinds a failure changes nothing: the container runs, or is gone (runtime.md, "Lifecycle").
function runHooksWarning(kind: string, hooks: Hook[], state: State, warn: Warn): void {
  for (const hook of hooks) {
    try {
      runHooks(kind, [hook], state);
    } catch (error) {
      warn(error instanceof Error ? error.message : String(error));
    }
  }
}

/** What follows the start of a container that never waited. */
export function afterStart(state: ContainerState, warn: Warn): void {
  runHooksWarning("poststart", state.spec.hooks?.poststart ?? [], hookState(state, "running"), warn);
}

function signal(state: ContainerState, number: number): void {
  try {
    using process = ProcessHandle.open(state.pid);
    if (isAlive(state)) process.signal(number);
  } catch (error) {
    if (!hasCode(error, "ESRCH", "EINVAL")) throw error;
  }
}

/** Sends a signal to the first process, or to all. */
export function killContainer(root: string, id: string, number: number, all: boolean): void {
  const state = readState(root, id);
  const cgroup = cgroupOf(state);
  if (all) {
    for (const pid of cgroup?.pids() ?? []) {
      try {
        kill(pid, number);
      } catch (error) {
        if (!hasCode(error, "ESRCH")) throw error;
      }
    }
    return;
  }
  const status = statusOf(root, state);
  if (status === "stopped") throw new RuntimeFailure("container not running");
  signal(state, number);
  // A frozen process of v1 dies only once it is let go.
  if (number === SIGKILL && status === "paused") cgroup?.freeze(false);
}

/** Takes a stopped container away; with `force` any, and no error where there is none. */
export function deleteContainer(root: string, id: string, force: boolean, warn: Warn): void {
  let state: ContainerState;
  try {
    state = readState(root, id);
  } catch (error) {
    if (!force || !(error instanceof RuntimeFailure) || !error.message.includes("does not exist")) throw error;
    removeState(root, id);
    return;
  }
  const status = statusOf(root, state);
  if (status !== "stopped" && status !== "created" && !force) {
    throw new RuntimeFailure(`cannot delete container ${id} that is not stopped: ${status}`);
  }
  const cgroup = cgroupOf(state);
  if (status !== "stopped") {
    signal(state, SIGKILL);
    if (status === "paused") cgroup?.freeze(false);
    awaitEnd(state);
  }
  // What shared another PID namespace is still there.
  cgroup?.kill();
  cgroup?.remove();
  removeState(root, id);
  runHooksWarning("poststop", state.spec.hooks?.poststop ?? [], { ...hookState(state, "stopped"), pid: 0 }, warn);
}

function awaitEnd(state: ContainerState): void {
  try {
    using process = ProcessHandle.open(state.pid);
    if (isAlive(state) && !process.wait(DELETE_TIMEOUT)) {
      throw new RuntimeFailure(`process ${state.pid} of container ${state.id} did not end within ${DELETE_TIMEOUT / 1000} seconds of SIGKILL`);
    }
  } catch (error) {
    if (!hasCode(error, "ESRCH", "EINVAL")) throw error;
  }
}

/** Freezes or thaws a running container. */
export function freezeContainer(root: string, id: string, on: boolean): void {
  const state = readState(root, id);
  const status = statusOf(root, state);
  const allowed: Status[] = on ? ["running", "created"] : ["paused"];
  if (!allowed.includes(status)) throw new RuntimeFailure(on ? `container not running: it is ${status}` : `container not paused: it is ${status}`);
  const cgroup = cgroupOf(state);
  if (!cgroup) throw new RuntimeFailure("cannot pause: the container has no cgroup");
  cgroup.freeze(on);
}

/** Changes limits of a container that is not stopped. */
export function updateContainer(root: string, id: string, resources: Resources): void {
  const state = readState(root, id);
  if (statusOf(root, state) === "stopped") throw new RuntimeFailure("container not running");
  const cgroup = cgroupOf(state);
  if (!cgroup) throw new RuntimeFailure("cannot update: the container has no cgroup");
  cgroup.create(resources, true);
  cgroup.apply(resources);
  const { spec } = state;
  const old = spec.linux.resources ?? {};
  const merged: Resources = { ...old, ...resources, memory: { ...old.memory, ...resources.memory }, cpu: { ...old.cpu, ...resources.cpu } };
  writeState(root, { ...state, spec: { ...spec, linux: { ...spec.linux, resources: merged } } });
}
