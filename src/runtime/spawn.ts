/** The parent's side of init: starts it, answers it, learns whether the command runs. */

import type { Subprocess } from "bun";
import { inUserNamespace } from "../../ffi/credentials.ts";
import { AT_FDCWD, O_NONBLOCK, O_RDONLY, type OwnedFd, openat, readExactly, writeAll } from "../../ffi/fd.ts";
import { readlinkSync, writeFileSync } from "../../ffi/files.ts";
import { hasCode, reasonOf } from "../../ffi/libc.ts";
import { cloneTree, hasMountSetattr, MOUNT_ATTR_RDONLY, setMountAttributes } from "../../ffi/mount.ts";
import { CLONE_NEWPID, setns, unshare } from "../../ffi/namespace.ts";
import { processStartTime } from "../../ffi/process.ts";
import { hasPidfds } from "../../ffi/process-handle.ts";
import { kill, signalNumber } from "../../ffi/signal.ts";
import { socketPair } from "../../ffi/socket.ts";
import { mark, traceEnvironment } from "../../ffi/trace.ts";
import { Channel, type CreateRequest, EARLY_NAMESPACES, type ExecRequest, type InitReport } from "./channel.ts";
import { RuntimeFailure } from "./errors.ts";
import { openIdMapping, usernsProgram, writeMappings } from "./id-mapping.ts";
import { execFailure } from "./process/command.ts";
import { openExec } from "./process/programs.ts";
import { openIdMappedRoot } from "./rootfs/idmapped-root.ts";
import { isBind, isIdMapped, openBind } from "./rootfs/mounts.ts";
import type { IdMapping, NamespaceType } from "./spec.ts";

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

/** The exit code as a shell has it: 128 and the signal's number for a command that was killed. */
export function endCode(child: Subprocess, code: number): number {
  return child.signalCode ? 128 + (signalNumber(String(child.signalCode)) ?? 0) : code;
}

// This executable, whatever its path was or became.
const SELF = "/proc/self/exe";

/**
 * This executable as nobody can write it: what can look into init reaches its /proc/PID/exe,
 * and with it the mount that it was started from (CVE-2019-5736). Undefined before Linux
 * 5.12, and where it lies in a mount of others.
 */
function openReadOnlySelf(): OwnedFd | undefined {
  for (const path of [SELF, readlinkSync(SELF)]) {
    try {
      const tree = cloneTree(AT_FDCWD, path, false);
      setMountAttributes(tree.fd, "", false, { set: MOUNT_ATTR_RDONLY, clear: 0 });
      return tree;
    } catch (error) {
      if (!hasCode(error, "ENOSYS", "EINVAL", "ENOENT", "EPERM")) throw error;
    }
  }
  return undefined;
}
const FIRST_PRESERVED = 3;

/** Starts init for a request and takes it to the point right before the command. */
export function prepareProcess(request: CreateRequest | ExecRequest, options: SpawnOptions): PendingProcess {
  const ready = takeEarlyInit(request);
  const { pid, child, channel } = ready ?? startInit(request, options.stdio);
  mark("start init");
  let terminal: OwnedFd | undefined;
  const abandon = () => {
    channel.close();
    terminal?.close();
    killQuietly(pid);
    child.kill("SIGKILL");
  };
  try {
    const cgroupFiles = options.onSpawned(pid);
    mark("cgroup");
    // What init could not open as another user: it belongs to root on the host.
    const fifo = request.type === "create" && request.startFifo !== undefined ? [openat(AT_FDCWD, request.startFifo, O_RDONLY | O_NONBLOCK)] : [];
    const hasOpenedBinds = request.type === "create" && userNamespaceOf(request) !== undefined && hasMountSetattr();
    const told = { ...request, ...(hasOpenedBinds && { hasOpenedBinds }), cgroupFiles };
    try {
      sendWith(channel, told, fifo, ready ? options.stdio : []);
    } catch (error) {
      if (hasCode(error, "EPIPE")) nextReport(channel); // throws what it said before it ended
      throw error;
    }
    setOomScore(pid, request);
    for (;;) {
      const report = nextReport(channel);
      mark("wait for init");
      if (report.stage === "namespaces") {
        options.onNamespaces?.(pid);
        // Files of its own that it mounts are there by now.
        sendWith(channel, { go: true }, request.type === "create" ? openForInit(request, pid, hasOpenedBinds) : []);
        mark("network");
      } else if (report.stage === "mounted") {
        options.onMounted?.(pid);
        channel.send({ go: true });
      } else if (report.stage === "terminal") {
        terminal = report.fds[0];
      } else {
        options.onReady(pid);
        mark("limits");
        break;
      }
    }
  } catch (error) {
    abandon();
    throw error;
  }
  // Read before: a short command may be gone right after.
  const startTime = processStartTime(pid) ?? 0;
  return {
    pid,
    startTime,
    abandon,
    terminal,
    leave: () => channel.close(),
    release: () => release(channel, { pid, child, terminal, startTime }, argsOf(request), abandon),
  };
}

// What is lent stays open here.
function sendWith(channel: Channel, message: Parameters<Channel["send"]>[0], passed: OwnedFd[], lent: readonly number[] = []): void {
  channel.send(message, [...lent, ...passed.map(({ fd }) => fd)]);
  for (const fd of passed) fd.close();
}

const hostId = (mappings: IdMapping[] = []) => mappings.find(({ containerID }) => containerID === 0)?.hostID ?? 0;

// In the order in which init asks for them: the root, then for each mount its mapping or, where that is opened here, what it shows.
function openForInit({ spec, root, mountPoint }: CreateRequest, pid: number, opensBinds: boolean): OwnedFd[] {
  using own = opensBinds ? openat(AT_FDCWD, `/proc/${pid}/ns/user`, O_RDONLY) : undefined;
  const { uidMappings, gidMappings } = spec.linux;
  const opened = own && root.owners ? [openIdMappedRoot(root, mountPoint, own, { uid: hostId(uidMappings), gid: hostId(gidMappings) })] : [];
  for (const mount of spec.mounts) {
    const isOwn = own && Bun.deepEquals([mount.uidMappings, mount.gidMappings], [uidMappings, gidMappings]);
    const mapping = !isIdMapped(mount) ? undefined : isOwn ? own : openIdMapping(mount.uidMappings ?? [], mount.gidMappings ?? []);
    if (opensBinds && isBind(mount)) {
      opened.push(openBind(mount, mapping));
      if (mapping !== own) mapping?.close();
    } else if (mapping) opened.push(mapping);
  }
  return opened;
}

const argsOf = (request: CreateRequest | ExecRequest) => (request.type === "create" ? request.spec.process : request.process).args;

function release(channel: Channel, running: RunningProcess, args: string[], abandon: () => void): RunningProcess {
  try {
    mark("record");
    channel.send({ go: true });
    const report = channel.receive<InitReport>();
    mark("wait for execve");
    if (report) throw report.message.stage === "exec" ? execFailure(args, report.message.errno) : failureOf(report.message);
    channel.close();
    return running;
  } catch (error) {
    abandon();
    throw error;
  }
}

// By its number: init is not dumpable, so its own files in /proc are not its to write.
function setOomScore(pid: number, request: CreateRequest | ExecRequest): void {
  const { oomScoreAdj } = request.type === "create" ? request.spec.process : request.process;
  if (oomScoreAdj === undefined) return;
  try {
    writeFileSync(`/proc/${pid}/oom_score_adj`, String(oomScoreAdj));
  } catch (error) {
    throw new RuntimeFailure(`cannot set oom_score_adj to ${oomScoreAdj}: ${reasonOf(error)}`);
  }
}

function killQuietly(pid: number): void {
  try {
    kill(pid, 9);
  } catch (error) {
    if (!hasCode(error, "ESRCH")) throw error;
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

/** An init that waits for its request. */
interface StartedInit extends Spawned {
  channel: Channel;
}

let early: StartedInit | undefined;

/**
 * Starts an init in a new PID namespace before its request is there: it starts up while its parent does. A request that
 * needs another kind of init gets one. Of an ordinary user's processes none can do so, see {@link leavePidNamespace}.
 */
export function startInitEarly(): void {
  if (inUserNamespace()) return;
  try {
    early = startEarly();
  } catch {} // whoever asks for one is told why there can be none
}

function startEarly(): StartedInit {
  const [ours, theirs] = socketPair();
  using self = openReadOnlySelf();
  const child = forPidNamespace("", () =>
    spawnProgram(self?.path ?? SELF, ["berth-init", "init", "3", "early"], ["ignore", "ignore", "ignore", theirs.fd]),
  );
  theirs.close();
  return { pid: child.pid, child, channel: new Channel(ours) };
}

function takeEarlyInit(request: CreateRequest | ExecRequest): StartedInit | undefined {
  const ready = early;
  early = undefined;
  if (!ready) return undefined;
  const isNew = (type: NamespaceType) =>
    request.type === "create" && request.spec.linux.namespaces.some((n) => n.type === type && n.path === undefined);
  if (["pid" as const, ...EARLY_NAMESPACES].every(isNew) && !userNamespaceOf(request) && !request.preserveFds) return ready;
  ready.channel.close(); // it ends
  return undefined;
}

function startInit(request: CreateRequest | ExecRequest, stdio: Stdio): StartedInit {
  const [ours, theirs] = socketPair();
  // Descriptors that are handed on keep their numbers; the channel comes behind them.
  const preserved = Array.from({ length: request.preserveFds ?? 0 }, (_, i) => FIRST_PRESERVED + i);
  const spawned = spawnInit(request, [...stdio, ...preserved, theirs.fd]);
  theirs.close();
  return { ...spawned, channel: new Channel(ours) };
}

/** Init, started: its process, and Bun's child, which may be a step above it. */
interface Spawned {
  pid: number;
  child: Subprocess;
}

function spawnInit(request: CreateRequest | ExecRequest, stdio: number[]): Spawned {
  const args = ["berth-init", "init", String(stdio.length - 1)];
  const pidNamespace = pidNamespaceOf(request);
  const userNamespace = userNamespaceOf(request);
  if (userNamespace) return spawnInUserNamespace(userNamespace, pidNamespace, args, stdio);
  using self = openReadOnlySelf();
  const child = forPidNamespace(pidNamespace, () => spawnProgram(self?.path ?? SELF, args, stdio));
  return { pid: child.pid, child };
}

/**
 * Starts a child in a PID namespace: undefined for our own, empty for a new one, else that of a path.
 *
 * Nothing else is done meanwhile: where this thread's children have another PID namespace than it has itself, it can start
 * no threads (clone(2): EINVAL), and the collector and the compilers, which start some when they see fit, abort the process.
 */
function forPidNamespace(path: string | undefined, start: () => Subprocess): Subprocess {
  if (path === undefined) return start();
  startWaiter();
  using own = openat(AT_FDCWD, "/proc/self/ns/pid", O_RDONLY);
  using theirs = path === "" ? undefined : openat(AT_FDCWD, path, O_RDONLY);
  if (theirs) setns(theirs.fd, CLONE_NEWPID);
  else unshare(CLONE_NEWPID);
  try {
    return start();
  } finally {
    leavePidNamespace(own);
  }
}

let hasWaiter = false;

// Before Linux 5.3 Bun waits for its children in a thread, which it starts with the first of them.
function startWaiter(): void {
  if (hasWaiter || hasPidfds()) return;
  hasWaiter = true;
  using program = openExec();
  Bun.spawn([program.path], { stdio: ["ignore", "ignore", "ignore"], env: {} });
}

// Else every later child of this process lands there, or fails once its init is gone.
function leavePidNamespace(own: OwnedFd): void {
  try {
    setns(own.fd, CLONE_NEWPID);
  } catch (error) {
    if (!(hasCode(error, "EPERM") && inUserNamespace())) throw error; // a user's command or monitor: this child is its last
  }
}

function spawnProgram(program: string, [argv0 = "", ...args]: string[], stdio: (number | "ignore")[], folder = "/"): Subprocess {
  return Bun.spawn([program, ...args], {
    argv0,
    cwd: folder,
    env: traceEnvironment(), // nothing of a user's or an image's environment runs inside our own process
    stdio: stdio as [number, number, number, ...number[]],
  });
}

interface UserNamespace {
  /** To be joined; else a new one. */
  path: string | undefined;
  uids: IdMapping[];
  gids: IdMapping[];
  /** A PID namespace must belong to it, or its /proc could not be mounted. */
  newPid: boolean;
  /** Whether init is to outlive this process. */
  orphan: boolean;
  /** Where init starts. */
  folder: string;
}

function userNamespaceOf(request: CreateRequest | ExecRequest): UserNamespace | undefined {
  if (request.type === "exec") {
    const path = `/proc/${request.pid}/ns/user`;
    return readlinkSync(path) === readlinkSync("/proc/self/ns/user")
      ? undefined
      : { path, uids: [], gids: [], newPid: false, orphan: false, folder: "/" };
  }
  const { namespaces, uidMappings = [], gidMappings = [] } = request.spec.linux;
  const user = namespaces.find((n) => n.type === "user");
  if (!user) return undefined;
  const newPid = namespaces.some((n) => n.type === "pid" && n.path === undefined);
  return { path: user.path, uids: uidMappings, gids: gidMappings, newPid, orphan: request.startFifo !== undefined, folder: request.mountPoint };
}

function spawnInUserNamespace(
  { path, uids, gids, newPid, orphan, folder }: UserNamespace,
  pidNamespace: string | undefined,
  args: string[],
  stdio: number[],
): Spawned {
  using program = usernsProgram();
  using readOnly = openReadOnlySelf();
  using self = openat(AT_FDCWD, readOnly?.path ?? SELF, O_RDONLY);
  if (path !== undefined) {
    using namespace = openat(AT_FDCWD, path, O_RDONLY);
    const [fd, exe] = [stdio.length, stdio.length + 1].map(String) as [string, string];
    const join = ["berth-userns", "join", fd, exe, ...args];
    const child = forPidNamespace(pidNamespace, () => spawnProgram(program.path, join, [...stdio, namespace.fd, self.fd], folder));
    return { pid: child.pid, child };
  }
  const [ours, theirs] = socketPair();
  try {
    const [sync, exe] = [stdio.length, stdio.length + 1].map(String) as [string, string];
    const flags = `-${newPid ? "p" : ""}${orphan ? "c" : ""}`;
    const make = ["berth-userns", "new", sync, exe, flags, ...args];
    const child = forPidNamespace(pidNamespace, () => spawnProgram(program.path, make, [...stdio, theirs.fd, self.fd], folder));
    theirs.close();
    if (readExactly(ours.fd, 1).length === 0) throw new RuntimeFailure("this kernel or its configuration allows no user namespaces");
    writeMappings(child.pid, uids, gids);
    writeAll(ours.fd, Buffer.alloc(1));
    if (!newPid) return { pid: child.pid, child };
    const pid = readExactly(ours.fd, 4);
    if (pid.length < 4) throw new RuntimeFailure("cannot make a PID namespace inside the user namespace");
    return { pid: pid.readInt32LE(0), child };
  } finally {
    ours.close();
    theirs.close();
  }
}

// undefined: our own; empty: a new one; else the one to join.
function pidNamespaceOf(request: CreateRequest | ExecRequest): string | undefined {
  if (request.type === "exec") return `/proc/${request.pid}/ns/pid`;
  const { namespaces } = request.spec.linux;
  const namespace = namespaces.find((n) => n.type === "pid");
  // A new user namespace comes first, see {@link UserNamespace}.
  if (namespace && namespace.path === undefined && namespaces.some((n) => n.type === "user" && n.path === undefined)) return undefined;
  return namespace && (namespace.path ?? "");
}
