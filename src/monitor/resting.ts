/**
 * Monitors of containers that neither write nor end. Such a one becomes its own loader, which waits (`rest` in ffi/loader.c)
 * without Bun: a few pages of memory instead of megabytes. It stays the same process, so the container's parent and the owner
 * of its record; what has to be known later stands in a file in memory. When the container writes or ends, or a command wants
 * something, it becomes a monitor again.
 */

import { alarmAfter } from "../../ffi/alarm.ts";
import { silencePipes } from "../../ffi/arrivals.ts";
import { closeOnExecFrom, dup2, OwnedFd, position, readExactly, writeAll } from "../../ffi/fd.ts";
import { readdirSync, readFileSync, readlinkSync } from "../../ffi/files.ts";
import { call, SyscallError, tryCall } from "../../ffi/libc.ts";
import { execve } from "../../ffi/process.ts";
import type { HeldStdio } from "../runtime/stdio.ts";
import type { HeldNetwork } from "./container-network.ts";
import {
  BEHIND_RESTING_DESCRIPTORS,
  FIRST_BOUND_DESCRIPTOR,
  FIRST_LISTENING_DESCRIPTOR,
  FIRST_RESTING_DESCRIPTOR,
  MONITOR_NAME,
  RESTING,
} from "./environment.ts";
import type { Rhythm } from "./health.ts";
import type { HeldLog } from "./log/container-log.ts";
import type { StartRequest } from "./protocol.ts";
import { keepNamespace } from "./user-namespace.ts";

/** Descriptors of one that rests. `rest` in ffi/loader.c waits for some of them, and closes all below when it goes on. */
const STATE = FIRST_RESTING_DESCRIPTOR;
const [STDOUT, STDERR, END, MOUNTS, ALARM, INPUT] = [STATE + 1, STATE + 2, STATE + 3, STATE + 4, STATE + 5, STATE + 6];
const [LOG_SOCKET, USER_NETWORK, ALIVE] = [STATE + 7, STATE + 8, STATE + 9];
const MAX_LISTENING = FIRST_BOUND_DESCRIPTOR - FIRST_LISTENING_DESCRIPTOR;
const MAX_BOUND = BEHIND_RESTING_DESCRIPTORS - FIRST_BOUND_DESCRIPTOR;

export interface RestingState {
  request: StartRequest;
  pid: number;
  startTime: number;
  /** Ours, which ends with it; undefined where another monitor was its parent. */
  child: number | undefined;
  /** Milliseconds of quiet before it rested. */
  patience: number;
  /** Milliseconds since 1970. */
  since: number;
  /** Lines of its log, see {@link HeldLog}. */
  begun: HeldLog["begun"];
  network: HeldNetwork["state"] | undefined;
  /** Of its health's probes. */
  rhythm: Rhythm | undefined;
}

/** What a monitor holds besides. */
export interface Held extends HeldStdio {
  /** The container's mount namespace. */
  mounts: OwnedFd | undefined;
  /** See `startUserNetwork`. */
  userNetwork: OwnedFd | undefined;
  logSocket: OwnedFd | undefined;
  /** After a rest, where it is not our child: a pidfd of it. */
  end?: OwnedFd | undefined;
  /** Of its network, see {@link HeldNetwork}. */
  listening: OwnedFd[];
  bound: OwnedFd[];
}

/** What of a request is of use once the container runs. */
export function lasting(request: StartRequest): StartRequest {
  const { process, linux } = request.spec;
  const seccomp = request.health && linux.seccomp; // its probes have that, too
  const spec = { process: { terminal: process.terminal }, linux: { cgroupsPath: linux.cgroupsPath, seccomp } } as StartRequest["spec"];
  return { ...request, spec, attach: false };
}

/**
 * Becomes one that rests, with OF_MONITORS blocked (protocol.ts). Returns where it cannot: before Linux 5.3, or with few
 * descriptors.
 *
 * @param store path of a store that stays open, if it is: its locks are this process's, and tell others that it is in use
 */
export function becomeResting(state: RestingState, held: Held, store: string | undefined): void {
  const { stdout, stderr, mounts, input, logSocket, userNetwork, listening, bound } = held;
  if (listening.length > MAX_LISTENING || bound.length > MAX_BOUND) return;
  const toList = () => readdirSync("/proc/self/fd").map(Number);
  let undo = () => {};
  const copies: number[] = [];
  const keep = (first: number, files: (OwnedFd | undefined)[]) => {
    for (const [i, file] of files.entries()) {
      if (!file) continue;
      dup2(file.fd, first + i);
      if (file.fd !== first + i) copies.push(first + i);
    }
  };
  try {
    using end = new OwnedFd(call("pidfd_open", state.child ?? state.pid, 0));
    using alarm = state.rhythm && alarmAfter(state.rhythm.due - Date.now());
    using alive = keepNamespace();
    using memory = new OwnedFd(call("memfd_create", "berth-resting", 0));
    writeAll(memory.fd, Buffer.from(JSON.stringify(state)));
    const environment = readFileSync("/proc/self/environ", "latin1").split("\0").filter(Boolean);
    closeOnExecFrom(3, toList);
    keep(FIRST_RESTING_DESCRIPTOR, [memory, stdout, stderr, end, mounts, alarm, input, logSocket, userNetwork, alive]);
    keep(FIRST_LISTENING_DESCRIPTOR, listening);
    keep(FIRST_BOUND_DESCRIPTOR, bound);
    // Under their own numbers: whoever closes one of several for a file has no lock on it any more (fcntl(2)).
    if (store !== undefined) for (const fd of openFiles(store)) dup2(fd, fd);
    undo = silencePipes();
    execve("/proc/self/exe", [MONITOR_NAME, "monitor", RESTING], environment);
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    for (const number of copies) tryCall("close", number);
    closeOnExecFrom(3, toList);
    undo();
  }
}

// Of a database and its index: locks are theirs.
function openFiles(path: string): number[] {
  return readdirSync("/proc/self/fd")
    .map(Number)
    .filter((fd) => {
      try {
        return [path, `${path}-shm`].includes(readlinkSync(`/proc/self/fd/${fd}`));
      } catch {
        return false; // that of the listing
      }
    });
}

/** What one that rested left behind, of which the descriptors are the caller's. */
export function takeUp(): { state: RestingState; held: Held } {
  using memory = new OwnedFd(STATE);
  const size = position(memory.fd);
  call("lseek", memory.fd, 0, 0);
  const state = JSON.parse(readExactly(memory.fd, size).toString()) as RestingState;
  const owned = (fd: number) => {
    try {
      call("fcntl", fd, 2 /* F_SETFD */, 1 /* FD_CLOEXEC */);
      return new OwnedFd(fd);
    } catch {
      return undefined; // it had none
    }
  };
  owned(ALARM)?.close();
  owned(ALIVE); // stays open
  const end = owned(END);
  if (state.child !== undefined) end?.close();
  const allFrom = (first: number, behind: number): OwnedFd[] => {
    const file = first < behind ? owned(first) : undefined;
    return file ? [file, ...allFrom(first + 1, behind)] : [];
  };
  return {
    state,
    held: {
      stdout: owned(STDOUT),
      stderr: owned(STDERR),
      input: owned(INPUT),
      mounts: owned(MOUNTS),
      userNetwork: owned(USER_NETWORK),
      logSocket: owned(LOG_SOCKET),
      end: state.child === undefined ? end : undefined,
      listening: allFrom(FIRST_LISTENING_DESCRIPTOR, FIRST_BOUND_DESCRIPTOR),
      bound: allFrom(FIRST_BOUND_DESCRIPTOR, BEHIND_RESTING_DESCRIPTORS),
    },
  };
}
