/** What init does for a container's own command and for one more alike: everything about the process itself. */
import * as fd from "../../../ffi/fd.ts";
import { makeInRoot, openInRoot } from "../../../ffi/in-root.ts";
import { type Call, callAll, hasCode, reasonOf } from "../../../ffi/libc.ts";
import { fchdir, umask } from "../../../ffi/process.ts";
import { mark } from "../../../ffi/trace.ts";
import type { CgroupFiles, NamedUser } from "../channel.ts";
import { RuntimeFailure } from "../errors.ts";
import { DEFAULT_PATH, findCommand, prepareCommand } from "../process/command.ts";
import { applyRlimits } from "../process/limits.ts";
import { dropPrivileges } from "../process/privileges.ts";
import { openExec, openReaper } from "../process/programs.ts";
import { readContainerFile, resolveUser } from "../process/user.ts";
import type { Seccomp } from "../seccomp/compile.ts";
import { type CompiledSeccomp, prepareSeccomp } from "../seccomp/install.ts";
import type { Process, Spec, State } from "../spec.ts";
import type { InitParent, LastSteps } from "./parent.ts";

// Seldom needed.
export const loadScheduling = () => require("../process/scheduling.ts") as typeof import("../process/scheduling.ts");
export const loadHooks = () => require("../hooks.ts") as typeof import("../hooks.ts");
const loadAppArmor = () => require("../process/apparmor.ts") as typeof import("../process/apparmor.ts");
export const loadTerminal = () => require("../process/terminal.ts") as typeof import("../process/terminal.ts");

/** Everything about the process itself; `lastWithRoot` is called when nothing more is opened by name. */
export function startCommand(
  { channel }: InitParent,
  process: Process,
  { namedUser, reap, makesFolder, seccomp, preserveFds = 0, fifo, ...request }: CommandOptions,
  lastWithRoot: () => void,
): LastSteps {
  const user = namedUser && resolveUser(namedUser, readContainerFile("/etc/passwd"), readContainerFile("/etc/group"));
  const identity: Process = user ? { ...process, user: { ...process.user, ...user } } : process;
  const env = completeEnvironment(process, user?.home ?? homeOf(process));
  applyRlimits(process.rlimits ?? []);
  enterWorkingFolder(process.cwd, makesFolder);
  lastWithRoot();
  mark("user, limits, folder");
  const filter = seccomp && prepareSeccomp(seccomp);
  mark("filter");
  // Whoever creates now and starts later is to hear of a missing command now.
  if (fifo) findCommand(process.args, env);
  if (process.scheduler) loadScheduling().setScheduler(process.scheduler);
  if (process.ioPriority) loadScheduling().setIoPriority(process.ioPriority);
  const hooks = request.spec?.hooks?.startContainer ?? [];
  let lastSteps: (() => void)[] = [];
  return {
    prepare() {
      if (fifo && hooks.length > 0) waitForStart(fifo);
      if (request.state && hooks.length > 0) loadHooks().runHooks("startContainer", hooks, { ...request.state, status: "created" });
      const program = reap ? openReaper() : openExec();
      umask(process.user.umask ?? 0o022);
      if (request.profile) loadAppArmor().requestProfile(request.profile, process.apparmorProfile ?? "");
      const limitPrivileges = dropPrivileges(identity, filter);
      lastSteps = [limitPrivileges, prepareCommand(process.args, env, { program, isReaper: reap, channel, keep: preserveFds })];
      mark("drop privileges");
    },
    become() {
      if (fifo && hooks.length === 0) waitForStart(fifo);
      for (const step of lastSteps) step();
    },
  };
}

export interface CommandOptions {
  namedUser: NamedUser | undefined;
  reap: boolean;
  /** Whether a working directory that is missing is made. */
  makesFolder: boolean;
  seccomp?: Seccomp | CompiledSeccomp | undefined;
  preserveFds?: number;
  spec?: Spec;
  state?: State;
  /** Opened for reading. */
  fifo?: fd.OwnedFd | undefined;
  /** Where an AppArmor profile is asked for. */
  profile?: fd.OwnedFd | undefined;
}

export const openProfile = ({ apparmorProfile }: Process) => (apparmorProfile ? loadAppArmor().openProfileFile(apparmorProfile) : undefined);

// Blocks until `start` writes; a container that is deleted before is killed.
function waitForStart(fifo: fd.OwnedFd): void {
  step("wait for the start", () => {
    fd.poll([{ fd: fifo.fd, events: fd.POLLIN }], -1);
    fifo.close();
  });
}

/** By their paths on the host, so before any other root is entered. */
export function openCgroupFiles({ cgroupFiles }: CgroupFiles): fd.OwnedFd[] {
  const calls = cgroupFiles.map((path): Call => ["openat", fd.AT_FDCWD, path, fd.O_WRONLY | fd.O_CLOEXEC]);
  return step("enter the cgroup", () => callAll(calls).map((file) => new fd.OwnedFd(file)));
}

export function joinCgroup(files: fd.OwnedFd[]): void {
  step("enter the cgroup", () => callAll(files.map((file): Call => ["write", file.fd, "0", 1])));
  for (const file of files) file.close();
}

export function step<T>(what: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (error instanceof RuntimeFailure) throw error;
    throw new RuntimeFailure(`cannot ${what}: ${reasonOf(error)}`, "setup", { cause: error });
  }
}

function enterWorkingFolder(cwd: string, makesIt: boolean): void {
  try {
    using root = fd.openat(fd.AT_FDCWD, "/", fd.O_PATH | fd.O_DIRECTORY);
    using folder = makesIt ? makeInRoot(root.fd, cwd, { last: "directory", mode: 0o755 }) : openInRoot(root.fd, cwd, fd.O_PATH);
    fchdir(folder.fd);
  } catch (error) {
    if (hasCode(error, "ENOTDIR")) throw new RuntimeFailure(`working directory "${cwd}" is not a directory`);
    throw new RuntimeFailure(`cannot enter working directory "${cwd}": ${reasonOf(error)}`, "setup", { cause: error });
  }
}

function homeOf(process: Process): string {
  return resolveUser({ user: String(process.user.uid), groups: [] }, readContainerFile("/etc/passwd"), "").home;
}

// The runtime's own share of the environment, as runc adds it.
function completeEnvironment(process: Process, home: string): string[] {
  const has = (name: string) => process.env.some((v) => v.startsWith(`${name}=`));
  const env = [...process.env];
  if (!has("PATH")) env.unshift(`PATH=${DEFAULT_PATH}`);
  if (!has("HOME")) env.push(`HOME=${home}`);
  return env;
}
