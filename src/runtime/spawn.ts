/** The parent's side of init: starts it, answers it, learns whether the command runs. */
import type { Subprocess } from "bun";
import { AT_FDCWD, O_RDONLY, type OwnedFd, openat } from "../../ffi/fd.ts";
import { CLONE_NEWPID, setns, unshare } from "../../ffi/namespace.ts";
import { processStartTime } from "../../ffi/process.ts";
import { socketPair } from "../../ffi/socket.ts";
import { Channel, type CreateRequest, type ExecRequest, type InitReport } from "./channel.ts";
import { RuntimeFailure } from "./errors.ts";
import { openIdMapping } from "./id-mapping.ts";
import { isIdMapped } from "./rootfs/mounts.ts";

/** Descriptors for the command's 0, 1 and 2; with a terminal, init replaces them. */
export type Stdio = [input: number, output: number, error: number];

export interface SpawnOptions {
  stdio: Stdio;
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
  child: Subprocess;
  /** The terminal's master, where one was asked for. */
  terminal: OwnedFd | undefined;
}

/** Init with everything set up, waiting for the word to become the command. */
export interface PendingProcess {
  pid: number;
  /** See `processStartTime`. */
  startTime: number;
  terminal: OwnedFd | undefined;
  /** Lets it go. Throws {@link RuntimeFailure} where the command cannot be executed. */
  release(): RunningProcess;
  /** Leaves it waiting on its fifo; see `startFifo`. */
  leave(): void;
  /** Ends it. */
  abandon(): void;
}

// This executable, whatever its path was or became; the child resolves the link for itself.
const SELF = "/proc/self/exe";
const FIRST_PRESERVED = 3;

/** Starts init for a request and takes it to the point right before the command. */
export function prepareProcess(request: CreateRequest | ExecRequest, options: SpawnOptions): PendingProcess {
  const [ours, theirs] = socketPair();
  // Descriptors that are handed on keep their numbers; the channel comes behind them.
  const preserved = Array.from({ length: request.preserveFds ?? 0 }, (_, i) => FIRST_PRESERVED + i);
  const child = spawnInit(request, [...options.stdio, ...preserved, theirs.fd]);
  theirs.close();
  const channel = new Channel(ours);
  const { pid } = child;
  let terminal: OwnedFd | undefined;
  const abandon = () => {
    channel.close();
    terminal?.close();
    child.kill("SIGKILL");
  };
  try {
    const cgroupFiles = options.onSpawned(pid);
    const mappings =
      request.type === "create" ? request.spec.mounts.filter(isIdMapped).map((m) => openIdMapping(m.uidMappings ?? [], m.gidMappings ?? [])) : [];
    channel.send(
      { ...request, cgroupFiles },
      mappings.map((mapping) => mapping.fd),
    );
    for (const mapping of mappings) mapping.close();
    for (;;) {
      const report = nextReport(channel);
      if (report.stage === "namespaces") {
        options.onNamespaces?.(pid);
        channel.send({ go: true });
      } else if (report.stage === "mounted") {
        options.onMounted?.(pid);
        channel.send({ go: true });
      } else if (report.stage === "terminal") {
        terminal = report.fds[0];
      } else {
        options.onReady(pid);
        break;
      }
    }
  } catch (error) {
    abandon();
    throw error;
  }
  // Read before: a short command may be gone right after.
  const startTime = processStartTime(pid) ?? 0;
  return { pid, startTime, abandon, terminal, leave: () => channel.close(), release: () => release(channel, child, terminal, startTime, abandon) };
}

function release(channel: Channel, child: Subprocess, terminal: OwnedFd | undefined, startTime: number, abandon: () => void): RunningProcess {
  const { pid } = child;
  try {
    channel.send({ go: true });
    const report = channel.receive<InitReport>();
    if (report) throw failureOf(report.message);
    channel.close();
    return { pid, startTime, child, terminal };
  } catch (error) {
    abandon();
    throw error;
  }
}

function nextReport(channel: Channel): Exclude<InitReport, { stage: "failed" }> & { fds: OwnedFd[] } {
  const received = channel.receive<InitReport>();
  if (!received) throw new RuntimeFailure("the container's init was killed before it could start the command");
  const { message, fds } = received;
  if (message.stage === "failed") throw failureOf(message);
  return { ...message, fds };
}

function failureOf(report: InitReport): RuntimeFailure {
  return report.stage === "failed" ? new RuntimeFailure(report.message, report.kind) : new RuntimeFailure(`unexpected report ${report.stage}`);
}

function spawnInit(request: CreateRequest | ExecRequest, stdio: number[]): Subprocess {
  const spawn = () =>
    Bun.spawn([SELF, "init", String(stdio.length - 1)], {
      argv0: "berth-init",
      cwd: "/",
      env: {}, // nothing of a user's or an image's environment runs inside our own process
      stdio: stdio as [number, number, number, number],
    });
  const path = pidNamespaceOf(request);
  if (path === undefined) return spawn();
  using own = openat(AT_FDCWD, "/proc/self/ns/pid", O_RDONLY);
  if (path === "") unshare(CLONE_NEWPID);
  else {
    using theirs = openat(AT_FDCWD, path, O_RDONLY);
    setns(theirs.fd, CLONE_NEWPID);
  }
  try {
    return spawn();
  } finally {
    // Else every later child of this process lands there, or fails once its init is gone.
    setns(own.fd, CLONE_NEWPID);
  }
}

// undefined: our own; empty: a new one; else the one to join.
function pidNamespaceOf(request: CreateRequest | ExecRequest): string | undefined {
  if (request.type === "exec") return `/proc/${request.pid}/ns/pid`;
  const namespace = request.spec.linux.namespaces.find((n) => n.type === "pid");
  return namespace && (namespace.path ?? "");
}
