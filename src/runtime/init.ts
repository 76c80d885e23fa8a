/**
 * The init role: this executable, started again by its parent inside a new (or
 * joined) PID namespace. It builds the container around itself and becomes its command.
 */

import * as fd from "../../ffi/fd.ts";
import { writeFileSync } from "../../ffi/files.ts";
import { makeInRoot } from "../../ffi/in-root.ts";
import { hasCode, reasonOf } from "../../ffi/libc.ts";
import { attachTree, MS_BIND, MS_RDONLY, MS_REMOUNT, mount } from "../../ffi/mount.ts";
import * as ns from "../../ffi/namespace.ts";
import {
  chroot,
  fchdir,
  joinNewKeyring,
  PR_SET_DUMPABLE,
  prctl,
  processStartTime,
  setdomainname,
  sethostname,
  setsid,
  umask,
} from "../../ffi/process.ts";
import { bringLoopbackUp } from "../../ffi/socket.ts";
import { mark } from "../../ffi/trace.ts";
import {
  type CgroupFiles,
  Channel,
  type CreateRequest,
  EARLY_NAMESPACES,
  type ExecRequest,
  type GoOn,
  type InitRequest,
  type NamedUser,
} from "./channel.ts";
import { RuntimeFailure } from "./errors.ts";
import { runHooks } from "./hooks.ts";
import { openProfileFile, requestProfile } from "./process/apparmor.ts";
import { becomeCommand, DEFAULT_PATH, findCommand } from "./process/command.ts";
import { applyRlimits } from "./process/limits.ts";
import { dropPrivileges } from "./process/privileges.ts";
import { openExec, openReaper } from "./process/programs.ts";
import { setIoPriority, setPersonality, setScheduler } from "./process/scheduling.ts";
import { openTerminal } from "./process/terminal.ts";
import { readContainerFile, resolveUser } from "./process/user.ts";
import { noteOwnControllers } from "./rootfs/cgroup-mounts.ts";
import { DEFAULT_DEVICES, makeDeviceLinks, makeDevices } from "./rootfs/devices.ts";
import { isBind, isIdMapped, maskPaths, mountInRoot, protectPaths } from "./rootfs/mounts.ts";
import { PROPAGATION } from "./rootfs/options.ts";
import { detachFromHost, enterRoot } from "./rootfs/pivot.ts";
import { mountRoot } from "./rootfs/root.ts";
import type { Seccomp } from "./seccomp/compile.ts";
import { type CompiledSeccomp, prepareSeccomp } from "./seccomp/install.ts";
import type { NamespaceType, Process, Spec, State } from "./spec.ts";

const CLONE_FLAGS: Record<NamespaceType, number> = {
  pid: ns.CLONE_NEWPID,
  network: ns.CLONE_NEWNET,
  mount: ns.CLONE_NEWNS,
  ipc: ns.CLONE_NEWIPC,
  uts: ns.CLONE_NEWUTS,
  cgroup: ns.CLONE_NEWCGROUP,
  time: ns.CLONE_NEWTIME,
  user: ns.CLONE_NEWUSER,
};

/**
 * Runs the role; returns only by ending the process.
 *
 * @param channelFd the descriptor on which it talks to its parent
 * @param isEarly whether it was started before its request was there, and makes what nearly all of them ask for
 */
export function runInit(channelFd: number, isEarly: boolean): never {
  const channel = new Channel(new fd.OwnedFd(channelFd));
  try {
    // Nobody inside may look into this process or reach the host's executable through it (CVE-2019-5736).
    prctl(PR_SET_DUMPABLE, 0);
    umask(0);
    if (isEarly) makeNamespaces(flagsOf(EARLY_NAMESPACES));
    mark("early namespaces");
    const received = channel.receive<InitRequest>();
    const request = received?.message;
    if (!received || !request) process.exit(1); // the parent died first
    mark("wait for the request");
    if (isEarly) takeStdio(received.fds);
    if (request.type === "create") createContainer(channel, request, received.fds, isEarly);
    else joinContainer(channel, request);
  } catch (error) {
    const failure = error instanceof RuntimeFailure ? error : new RuntimeFailure(error instanceof Error ? error.message : String(error));
    channel.send({ stage: "failed", kind: failure.kind, message: failure.message });
  }
  process.exit(1);
}

// Started before anybody knew them.
function takeStdio(passed: fd.OwnedFd[]): void {
  for (const [number, file] of passed.splice(0, 3).entries()) {
    fd.dup2(file.fd, number);
    file.close();
  }
}

function createContainer(channel: Channel, request: CreateRequest & CgroupFiles, passed: fd.OwnedFd[], isEarly: boolean): never {
  const { spec } = request;
  setsid();
  const profile = openProfile(spec.process);
  if (!request.noNewKeyring) joinNewKeyring();
  const fifo = request.startFifo ? passed.shift() : undefined;
  enterNamespaces(spec, isEarly ? EARLY_NAMESPACES : []);
  joinCgroup(openCgroupFiles(request));
  mark("namespaces");
  channel.send({ stage: "namespaces" });
  const opened = waitForGo(channel);
  mark("wait for the network");
  // We are in the container's cgroup by now, so its namespace begins there.
  if (spec.linux.cgroupsPath) noteOwnControllers(spec.linux.cgroupsPath);
  if (spec.linux.namespaces.some((n) => n.type === "cgroup" && !n.path)) ns.unshare(ns.CLONE_NEWCGROUP);

  step("set the host name", () => {
    if (spec.hostname) sethostname(spec.hostname);
    if (spec.domainname) setdomainname(spec.domainname);
  });
  buildRoot(channel, request, opened);
  mark("devices, enter the root");
  applySysctls(spec.linux.sysctl ?? {});
  mark("sysctls");
  protect(spec.linux.readonlyPaths ?? []); // /proc/sys among them, so after the sysctls
  mark("protect paths");
  if (spec.process.terminal) {
    using master = openTerminal(spec.process.consoleSize, true);
    channel.send({ stage: "terminal" }, [master.fd]);
  }
  return startCommand(channel, spec.process, { ...request, seccomp: spec.linux.seccomp, fifo, profile }, () => {
    if (spec.root.readonly) remountReadOnly();
    if (spec.linux.personality)
      step("set the personality", () => setPersonality(spec.linux.personality as NonNullable<Spec["linux"]["personality"]>));
  });
}

function joinContainer(channel: Channel, request: ExecRequest & CgroupFiles): never {
  setsid();
  const profile = openProfile(request.process);
  const cgroup = openCgroupFiles(request);
  const { pid } = request;
  const open = (name: string) => fd.openat(fd.AT_FDCWD, `/proc/${pid}/${name}`, fd.O_RDONLY);
  try {
    using root = fd.openat(fd.AT_FDCWD, `/proc/${pid}/root`, fd.O_PATH | fd.O_DIRECTORY);
    const types = { "ns/ipc": ns.CLONE_NEWIPC, "ns/uts": ns.CLONE_NEWUTS, "ns/net": ns.CLONE_NEWNET, "ns/cgroup": ns.CLONE_NEWCGROUP };
    const opened = Object.entries(types).map(([name, type]) => ({ file: open(name), type }));
    using mountNamespace = open("ns/mnt");
    // The number may have been another process's all along, had the first one ended meanwhile.
    if (processStartTime(pid) !== request.startTime) throw new RuntimeFailure("the container is not running");
    for (const { file, type } of opened) {
      ns.setns(file.fd, type);
      file.close();
    }
    ns.enterMountNamespace(mountNamespace.fd);
    mark("namespaces");
    fchdir(root.fd);
    chroot(".");
  } catch (error) {
    if (hasCode(error, "ENOENT", "ESRCH")) throw new RuntimeFailure("the container is not running");
    throw error;
  }
  if (request.process.terminal) {
    using master = openTerminal(request.process.consoleSize, false);
    channel.send({ stage: "terminal" }, [master.fd]);
  }
  return startCommand(channel, request.process, { ...request, reap: false, profile }, () => joinCgroup(cgroup));
}

// What both kinds have in common: everything about the process itself.
function startCommand(
  channel: Channel,
  process: Process,
  { namedUser, reap, seccomp, preserveFds = 0, ...request }: CommandOptions,
  lastWithRoot: () => void,
): never {
  const user = namedUser && resolveUser(namedUser, readContainerFile("/etc/passwd"), readContainerFile("/etc/group"));
  const identity: Process = user ? { ...process, user: { ...process.user, ...user } } : process;
  const env = completeEnvironment(process, user?.home ?? homeOf(process));
  applyRlimits(process.rlimits ?? []);
  enterWorkingFolder(process.cwd);
  lastWithRoot();
  mark("user, limits, folder");
  const filter = seccomp && prepareSeccomp(seccomp);
  mark("filter");
  // Whoever creates now and starts later is to hear of a missing command now.
  if (request.fifo) findCommand(process.args, env);
  if (process.scheduler) setScheduler(process.scheduler);
  if (process.ioPriority) setIoPriority(process.ioPriority);
  channel.send({ stage: "ready" });
  if (request.fifo) waitForStart(request.fifo);
  else waitForGo(channel);
  mark("wait for the record");
  if (request.state) runHooks("startContainer", request.spec?.hooks?.startContainer ?? [], { ...request.state, status: "created" });
  const program = reap ? openReaper() : openExec();
  umask(process.user.umask ?? 0o022);
  if (request.profile) requestProfile(request.profile, process.apparmorProfile ?? "");
  dropPrivileges(identity, filter);
  mark("drop privileges");
  return becomeCommand(process.args, env, { program, isReaper: reap, channel: channel.fd, keep: preserveFds });
}

interface CommandOptions {
  namedUser: NamedUser | undefined;
  reap: boolean;
  seccomp?: Seccomp | CompiledSeccomp | undefined;
  preserveFds?: number;
  spec?: Spec;
  state?: State;
  /** Opened for reading. */
  fifo?: fd.OwnedFd | undefined;
  /** Where an AppArmor profile is asked for. */
  profile?: fd.OwnedFd | undefined;
}

const openProfile = ({ apparmorProfile }: Process) => (apparmorProfile ? openProfileFile(apparmorProfile) : undefined);

// Blocks until `start` writes; a container that is deleted before is killed.
function waitForStart(fifo: fd.OwnedFd): void {
  step("wait for the start", () => {
    fd.poll([{ fd: fifo.fd, events: fd.POLLIN }], -1);
    fifo.close();
  });
}

// By their paths on the host, so before any other root is entered.
function openCgroupFiles({ cgroupFiles }: CgroupFiles): fd.OwnedFd[] {
  return step("enter the cgroup", () => cgroupFiles.map((path) => fd.openat(fd.AT_FDCWD, path, fd.O_WRONLY)));
}

function joinCgroup(files: fd.OwnedFd[]): void {
  step("enter the cgroup", () => {
    for (const file of files) {
      fd.writeAll(file.fd, Buffer.from("0"));
      file.close();
    }
  });
}

// Gives the descriptors that come with the word.
function waitForGo(channel: Channel): fd.OwnedFd[] {
  // The end of the stream: the parent was killed, and nobody wants this container any more.
  return channel.receive<GoOn>()?.fds ?? process.exit(1);
}

function step<T>(what: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (error instanceof RuntimeFailure) throw error;
    throw new RuntimeFailure(`cannot ${what}: ${reasonOf(error)}`, "setup", { cause: error });
  }
}

const flagsOf = (types: readonly NamespaceType[]) => types.reduce((flags, type) => flags | CLONE_FLAGS[type], 0);

function makeNamespaces(flags: number): void {
  step("make namespaces", () => ns.unshare(flags));
  if (flags & ns.CLONE_NEWNET) bringLoopbackUp();
}

function enterNamespaces(spec: Spec, done: readonly NamespaceType[]): void {
  let fresh = 0;
  for (const { type, path } of spec.linux.namespaces) {
    if (done.includes(type)) continue;
    // The parent did PID and user before it started us; cgroup comes once we are in the group.
    if (type === "pid" || type === "user" || (type === "cgroup" && !path)) continue;
    if (path === undefined) fresh |= CLONE_FLAGS[type];
    else {
      step(`join ${type} namespace ${path}`, () => {
        using file = fd.openat(fd.AT_FDCWD, path, fd.O_RDONLY);
        if (type === "mount") ns.enterMountNamespace(file.fd);
        else ns.setns(file.fd, CLONE_FLAGS[type]);
      });
    }
  }
  if (fresh !== 0) makeNamespaces(fresh);
  if (fresh & ns.CLONE_NEWTIME) step("set time offsets", () => setTimeOffsets(spec.linux.timeOffsets ?? {}));
}

// For the children of this process, and for what it becomes at execve (Linux 6.2).
function setTimeOffsets(offsets: NonNullable<Spec["linux"]["timeOffsets"]>): void {
  const lines = Object.entries(offsets).map(([clock, { secs = 0, nanosecs = 0 }]) => `${clock} ${secs} ${nanosecs}`);
  if (lines.length > 0) writeFileSync("/proc/self/timens_offsets", lines.join("\n"));
}

function buildRoot(channel: Channel, { spec, root, mountPoint, state, noPivot, hasOpenedBinds }: CreateRequest, passed: fd.OwnedFd[]): void {
  const { linux } = spec;
  const { rootfsPropagation = "" } = linux;
  const propagation = PROPAGATION[rootfsPropagation];
  if (rootfsPropagation !== "" && propagation === undefined) {
    throw new RuntimeFailure(`rootfsPropagation ${rootfsPropagation} is unknown: expected ${Object.keys(PROPAGATION).join(", ")}`);
  }
  detachFromHost();
  // They come in the order of the mounts that have them; what a user namespace could not open, its parent has.
  const tree = root.owners ? passed.shift() : undefined;
  if (tree) attachRoot(tree);
  else mountRoot(root, mountPoint);
  using folder = tree ?? fd.openat(fd.AT_FDCWD, mountPoint, fd.O_PATH | fd.O_DIRECTORY);
  mark("mount the root");
  for (const entry of spec.mounts) {
    if (hasOpenedBinds && isBind(entry)) mountInRoot(folder.fd, entry, undefined, passed.shift());
    else mountInRoot(folder.fd, entry, isIdMapped(entry) ? passed.shift() : undefined);
    mark(`mount ${entry.destination}`);
  }
  makeDevices(folder.fd, [...DEFAULT_DEVICES, ...(linux.devices ?? [])]);
  makeDeviceLinks(folder.fd);
  step("mask paths", () => maskPaths(folder.fd, linux.maskedPaths ?? []));
  const { prestart, createRuntime, createContainer } = spec.hooks ?? {};
  if (state && (prestart || createRuntime || createContainer)) {
    channel.send({ stage: "mounted" });
    waitForGo(channel);
    runHooks("createContainer", createContainer ?? [], state);
  }
  step("enter the root", () => enterRoot(folder, mountPoint, noPivot === true));
  if (propagation !== undefined) mount(null, "/", null, propagation);
}

// On the mount point, in which we started: its path may lead through folders that are not ours in a user namespace.
function attachRoot(tree: fd.OwnedFd): void {
  step("mount the root", () => {
    using target = fd.openat(fd.AT_FDCWD, ".", fd.O_PATH);
    attachTree(tree.fd, target.fd);
  });
}

function applySysctls(sysctls: Record<string, string>): void {
  for (const [key, value] of Object.entries(sysctls)) {
    const path = `/proc/sys/${key.replaceAll(".", "/")}`;
    step(`set sysctl ${key}=${value}`, () => {
      using file = fd.openat(fd.AT_FDCWD, path, fd.O_WRONLY | fd.O_NOFOLLOW);
      if (fd.fileSystemType(file.fd) !== fd.PROC_SUPER_MAGIC) throw new RuntimeFailure(`${path} is not the kernel's`);
      fd.writeAll(file.fd, Buffer.from(value));
    });
  }
}

function protect(paths: string[]): void {
  using root = fd.openat(fd.AT_FDCWD, "/", fd.O_PATH | fd.O_DIRECTORY);
  step("protect paths", () => protectPaths(root.fd, paths));
}

function remountReadOnly(): void {
  step("make the root read-only", () => mount(null, "/", null, MS_REMOUNT | MS_BIND | MS_RDONLY));
}

function enterWorkingFolder(cwd: string): void {
  try {
    using root = fd.openat(fd.AT_FDCWD, "/", fd.O_PATH | fd.O_DIRECTORY);
    using folder = makeInRoot(root.fd, cwd, { last: "directory", mode: 0o755 });
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
