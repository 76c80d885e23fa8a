/** Starting a container's first process, or one more: up to the point right before its command, and from there on. */

import type { Child } from "../../ffi/child.ts";
import { inUserNamespace } from "../../ffi/credentials.ts";
import type { OwnedFd } from "../../ffi/fd.ts";
import { readFileSync } from "../../ffi/files.ts";
import type { CreateRequest, ExecRequest } from "./channel.ts";
import type { Builder } from "./init/parent.ts";
import { capabilityBits } from "./process/privileges.ts";
import { discardEarly, prepareHere } from "./spawn/here.ts";
import { hasOtherUserNamespace } from "./spawn/namespaces.ts";

/** Descriptors for the command's 0, 1 and 2; with a terminal, init replaces them. */
export type Stdio = [input: number, output: number, error: number];

export interface SpawnOptions {
  stdio: Stdio;
  /** Stays open until the container's end, where that has a user and a PID namespace of its own. */
  kept?: OwnedFd | undefined;
  /** Called while init still starts up: puts it into its cgroup, see `Cgroup.join`. */
  onSpawned(pid: number): string[];
  /** Called while init waits with its namespaces made: the network. */
  onNamespaces?(pid: number): void;
  /** Called while init waits with its mounts made, where the configuration has hooks for that. */
  onMounted?(pid: number): void;
  /** Called right before the command starts: limits, so that they are not spent on init. */
  onReady(pid: number): void;
}

/** A command that runs. */
export interface RunningProcess {
  pid: number;
  /** See `processStartTime`. */
  startTime: number;
  child: Child;
  /** The terminal's master, where one was asked for. */
  terminal: OwnedFd | undefined;
}

/** Init with everything set up, waiting for the word to become the command. */
export interface PendingProcess {
  pid: number;
  /** See `processStartTime`. */
  startTime: number;
  terminal: OwnedFd | undefined;
  /** Lets it go, and calls back meanwhile. Throws {@link RuntimeFailure} where the command cannot be executed. */
  release(meanwhile?: () => void): RunningProcess;
  /** Leaves it waiting on its fifo; see `startFifo`. */
  leave(): void;
  /** Ends it. */
  abandon(): void;
}

export type Request = CreateRequest | ExecRequest;

/**
 * Takes init to the point right before the command.
 *
 * @param build of `init/create.ts` or `init/join.ts`: most processes need one of them, and load no other
 */
export function prepareProcess<R extends Request>(build: Builder<R>, request: R, options: SpawnOptions): PendingProcess {
  if (canBuildHere(request)) return prepareHere(build, request, options);
  discardEarly();
  return startedAgain().prepareThere(request, options);
}

// Seldom needed.
const startedAgain = () => require("./spawn/there.ts") as typeof import("./spawn/there.ts");

/**
 * Whether init can be a stub, which shares this process's memory: nobody may look into it who could not look in here, and
 * nothing may run inside before the command does.
 */
function canBuildHere(request: Request): boolean {
  if (inUserNamespace() || hasOtherUserNamespace(request) || request.preserveFds) return false;
  if (request.type === "exec") return !mayTrace(request.pid);
  const { hooks, linux } = request.spec;
  if (hooks?.createContainer || hooks?.startContainer) return false;
  // Others' PID namespaces: who is there is not known.
  return !linux.namespaces.some(({ type, path }) => type === "pid" && path !== undefined);
}

// Whether a container's processes may have what it takes to look into other users' processes.
function mayTrace(pid: number): boolean {
  try {
    const [, bounding = "0"] = /^CapBnd:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1")) ?? [];
    return (BigInt(`0x${bounding}`) & capabilityBits(["CAP_SYS_PTRACE"])) !== 0n;
  } catch {
    return true; // it has ended
  }
}
