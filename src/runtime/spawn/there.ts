/** Init is this executable, started again: where it is to be in a user namespace, or who is inside could look into it. */
import type { Child } from "../../../ffi/child.ts";
import { AT_FDCWD, O_RDONLY, type OwnedFd, openat, readExactly, writeAll } from "../../../ffi/fd.ts";
import { readlinkSync } from "../../../ffi/files.ts";
import { hasCode } from "../../../ffi/libc.ts";
import { cloneTree, hasMountSetattr, MOUNT_ATTR_RDONLY, setMountAttributes } from "../../../ffi/mount.ts";
import { processStartTime } from "../../../ffi/process.ts";
import { startProgram } from "../../../ffi/program.ts";
import { kill } from "../../../ffi/signal.ts";
import { socketPair } from "../../../ffi/socket.ts";
import type { PidNamespace } from "../../../ffi/stub.ts";
import { mark, traceEnvironment } from "../../../ffi/trace.ts";
import { Channel } from "../channel.ts";
import { RuntimeFailure } from "../errors.ts";
import { usernsProgram, writeMappings } from "../id-mapping.ts";
import type { PendingProcess, Request, SpawnOptions } from "../spawn.ts";
import type { IdMapping } from "../spec.ts";
import { hasOtherUserNamespace, pidNamespaceOf } from "./namespaces.ts";
import { Answers, awaitCommand, cannotStart, nextReport, openFifo, sendWith, setOomScore } from "./parent.ts";

const SIGKILL = 9;
const FIRST_PRESERVED = 3;

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
      setMountAttributes(tree.fd, "", false, { set: MOUNT_ATTR_RDONLY });
      return tree;
    } catch (error) {
      if (!hasCode(error, "ENOSYS", "EINVAL", "ENOENT", "EPERM")) throw error;
    }
  }
  return undefined;
}
/** As `prepareProcess`. */
export function prepareThere(request: Request, options: SpawnOptions): PendingProcess {
  const { pid, child, channel } = startInit(request, options);
  mark("start init");
  const hasOpenedBinds = request.type === "create" && userNamespaceOf(request) !== undefined && hasMountSetattr();
  const answers = new Answers(request, options, channel, pid, hasOpenedBinds);
  const abandon = () => {
    channel.close();
    answers.terminal?.close();
    killQuietly(pid);
    child.kill(SIGKILL);
  };
  // Until it has executed, it shares this process's memory, too.
  let restoreOomScore = () => {};
  try {
    const cgroupFiles = options.onSpawned(pid);
    mark("cgroup");
    const fifo = request.type === "create" && request.startFifo !== undefined ? [openFifo(request.startFifo)] : [];
    const told = { ...request, ...(hasOpenedBinds && { hasOpenedBinds }), cgroupFiles };
    try {
      sendWith(channel, told, fifo);
    } catch (error) {
      if (hasCode(error, "EPIPE")) nextReport(channel); // throws what it said before it ended
      throw error;
    }
    restoreOomScore = setOomScore(pid, request);
    while (answers.next()) mark("wait for init");
  } catch (error) {
    abandon();
    throw error;
  }
  // Read before: a short command may be gone right after.
  const running = { pid, startTime: processStartTime(pid) ?? 0, child, terminal: answers.terminal };
  return {
    ...running,
    abandon,
    leave: () => channel.close(),
    release(meanwhile) {
      try {
        mark("record");
        channel.send({ go: true });
        meanwhile?.();
        awaitCommand(channel, request);
        restoreOomScore();
        return running;
      } catch (error) {
        abandon();
        throw error;
      }
    },
  };
}

function killQuietly(pid: number): void {
  try {
    kill(pid, SIGKILL);
  } catch (error) {
    if (!hasCode(error, "ESRCH")) throw error;
  }
}

/** An init that waits for its request: its process, and this one's child, which may be a step above it. */
interface StartedInit {
  pid: number;
  child: Child;
  channel: Channel;
}

function startInit(request: Request, { stdio, kept }: SpawnOptions): StartedInit {
  const [ours, theirs] = socketPair();
  // Descriptors that are handed on keep their numbers; the channel comes behind them.
  const preserved = Array.from({ length: request.preserveFds ?? 0 }, (_, i) => FIRST_PRESERVED + i);
  const descriptors = [...stdio, ...preserved, theirs.fd];
  const args = ["berth-init", "init", String(descriptors.length - 1)];
  const pidNamespace = pidNamespaceOf(request);
  const userNamespace = userNamespaceOf(request);
  try {
    using self = openReadOnlySelf() ?? openat(AT_FDCWD, SELF, O_RDONLY);
    const init = { self, args, descriptors, pidNamespace, ours, theirs, kept };
    const started = userNamespace ? startInUserNamespace(userNamespace, init) : childAlone(execute(self, init));
    return { ...started, channel: new Channel(ours) };
  } catch (error) {
    ours.close();
    throw error;
  } finally {
    theirs.close();
  }
}

const childAlone = (child: Child) => ({ pid: child.pid, child });

interface Init {
  /** This executable. */
  self: OwnedFd;
  args: string[];
  descriptors: number[];
  pidNamespace: PidNamespace;
  ours: OwnedFd;
  theirs: OwnedFd;
  kept: OwnedFd | undefined;
}

function execute(executable: OwnedFd, { self: _, kept: __, ...init }: Init, folder = "/"): Child {
  try {
    // Nothing of a user's or an image's environment runs inside our own process.
    return startProgram({ ...init, executable, environment: traceEnvironment(), folder });
  } catch (error) {
    throw cannotStart(error);
  }
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

function userNamespaceOf(request: Request): UserNamespace | undefined {
  if (!hasOtherUserNamespace(request)) return undefined;
  if (request.type === "exec") return { path: `/proc/${request.pid}/ns/user`, uids: [], gids: [], newPid: false, orphan: false, folder: "/" };
  const { namespaces, uidMappings = [], gidMappings = [] } = request.spec.linux;
  const user = namespaces.find((n) => n.type === "user");
  const newPid = namespaces.some((n) => n.type === "pid" && n.path === undefined);
  return { path: user?.path, uids: uidMappings, gids: gidMappings, newPid, orphan: request.startFifo !== undefined, folder: request.mountPoint };
}

function startInUserNamespace({ path, uids, gids, newPid, orphan, folder }: UserNamespace, init: Init): { pid: number; child: Child } {
  const { self, args, descriptors, kept } = init;
  using program = usernsProgram();
  const [fd, exe] = [descriptors.length, descriptors.length + 1].map(String) as [string, string];
  using namespace = path === undefined ? undefined : openat(AT_FDCWD, path, O_RDONLY);
  if (namespace && !newPid) {
    const join = { ...init, args: ["berth-userns", "join", fd, exe, ...args], descriptors: [...descriptors, namespace.fd, self.fd] };
    return childAlone(execute(program, join, folder));
  }
  const [ours, theirs] = socketPair();
  try {
    const keeping = newPid && !orphan ? kept : undefined;
    const flags = `-${newPid ? "p" : ""}${orphan ? "c" : ""}${namespace ? "u" : ""}${keeping ? "k" : ""}`;
    const more = [theirs, self, namespace, keeping].flatMap((file) => (file ? [file.fd] : []));
    const make = { ...init, args: ["berth-userns", "new", fd, exe, flags, ...args], descriptors: [...descriptors, ...more] };
    const child = execute(program, make, folder);
    theirs.close();
    if (readExactly(ours.fd, 1).length === 0) throw new RuntimeFailure("this kernel or its configuration allows no user namespaces");
    if (!namespace) writeMappings(child.pid, uids, gids);
    writeAll(ours.fd, Buffer.alloc(1));
    if (!newPid) return childAlone(child);
    const pid = readExactly(ours.fd, 4);
    if (pid.length < 4) throw new RuntimeFailure("cannot make a PID namespace inside the user namespace");
    return { pid: pid.readInt32LE(0), child };
  } finally {
    ours.close();
    theirs.close();
  }
}
