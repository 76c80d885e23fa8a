/**
 * Init: the process inside a new (or joined) PID namespace that builds the container around itself and becomes its command.
 * Its parent carries this out on a stub's behalf (ffi/stub.ts); or it is this executable, started again in the init role.
 */

import * as fd from "../../ffi/fd.ts";
import { writeFileSync } from "../../ffi/files.ts";
import { makeInRoot } from "../../ffi/in-root.ts";
import { type Call, callAll, hasCode, reasonOf } from "../../ffi/libc.ts";
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
import { resetSignals } from "../../ffi/signal.ts";
import { bringLoopbackUp } from "../../ffi/socket.ts";
import { endTrace, mark } from "../../ffi/trace.ts";
import {
  type CgroupFiles,
  Channel,
  type CreateRequest,
  type ExecRequest,
  type GoOn,
  type InitReport,
  type InitRequest,
  type NamedUser,
} from "./channel.ts";
import { DEFAULT_DEVICES } from "./default-devices.ts";
import { RuntimeFailure } from "./errors.ts";
import { DEFAULT_PATH, findCommand, prepareCommand } from "./process/command.ts";
import { applyRlimits } from "./process/limits.ts";
import { dropPrivileges } from "./process/privileges.ts";
import { openExec, openReaper } from "./process/programs.ts";
import { readContainerFile, resolveUser } from "./process/user.ts";
import { noteOwnControllers } from "./rootfs/cgroup-mounts.ts";
import { makeDeviceLinks, makeDevices } from "./rootfs/devices.ts";
import { isBind, isIdMapped, maskPaths, mountInRoot, protectPaths } from "./rootfs/mounts.ts";
import { PROPAGATION } from "./rootfs/options.ts";
import { detachFromHost, enterRoot } from "./rootfs/pivot.ts";
import { mountRoot, OverlayMount } from "./rootfs/root.ts";
import type { Seccomp } from "./seccomp/compile.ts";
import { type CompiledSeccomp, prepareSeccomp } from "./seccomp/install.ts";
import type { NamespaceType, Process, Spec, State } from "./spec.ts";

// Seldom needed.
const loadScheduling = () => require("./process/scheduling.ts") as typeof import("./process/scheduling.ts");
const loadHooks = () => require("./hooks.ts") as typeof import("./hooks.ts");
const loadAppArmor = () => require("./process/apparmor.ts") as typeof import("./process/apparmor.ts");
const loadTerminal = () => require("./process/terminal.ts") as typeof import("./process/terminal.ts");

/** CLONE_NEW* */
export const CLONE_FLAGS: Record<NamespaceType, number> = {
  pid: ns.CLONE_NEWPID,
  network: ns.CLONE_NEWNET,
  mount: ns.CLONE_NEWNS,
  ipc: ns.CLONE_NEWIPC,
  uts: ns.CLONE_NEWUTS,
  cgroup: ns.CLONE_NEWCGROUP,
  time: ns.CLONE_NEWTIME,
  user: ns.CLONE_NEWUSER,
};

/** Whoever started init. */
export interface InitParent {
  /**
   * Tells how far init is. Waits where the stage says so; gives the descriptors that come with the word to go on.
   *
   * @param meanwhile what is done while the parent does its part
   */
  report(report: InitReport, fds?: number[], meanwhile?: Meanwhile): fd.OwnedFd[];
  /** Init's end of the socket between them. */
  readonly channel: number;
}

/** One system call, and how it failed if it did. */
export interface Meanwhile {
  call: () => void;
  failure?: unknown;
}

/** What is left to do once all is set up. */
export interface LastSteps {
  /** Gives up what was needed until then. */
  prepare(): void;
  /** Becomes the command, by calls whose results nobody needs to know: a stub makes them alone. Returns only there. */
  become(): void;
}

/**
 * Runs the role; returns only by ending the process.
 *
 * @param channelFd the descriptor on which it talks to its parent
 */
export function runInit(channelFd: number): never {
  const channel = new Channel(new fd.OwnedFd(channelFd));
  try {
    // Nobody inside may look into this process or reach the host's executable through it (CVE-2019-5736).
    prctl(PR_SET_DUMPABLE, 0);
    const received = channel.receive<InitRequest>();
    const request = received?.message;
    if (!received || !request) process.exit(1); // the parent died first
    mark("wait for the request");
    const last = buildContainer(new DistantParent(channel), request, received.fds);
    resetSignals();
    channel.send({ stage: "ready" });
    if (request.type === "exec" || request.startFifo === undefined) waitForGo(channel);
    mark("wait for the record");
    last.prepare();
    endTrace();
    last.become();
  } catch (error) {
    const failure = error instanceof RuntimeFailure ? error : new RuntimeFailure(error instanceof Error ? error.message : String(error));
    channel.send({ stage: "failed", kind: failure.kind, message: failure.message });
  }
  process.exit(1);
}

/** At the other end of a channel. */
class DistantParent implements InitParent {
  readonly #channel: Channel;

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  get channel(): number {
    return this.#channel.fd;
  }

  report(report: InitReport, fds: number[] = [], meanwhile?: Meanwhile): fd.OwnedFd[] {
    this.#channel.send(report, fds);
    try {
      meanwhile?.call();
    } catch (error) {
      (meanwhile as Meanwhile).failure = error;
    }
    return waitsForGo(report) ? waitForGo(this.#channel) : [];
  }
}

/** Whether init waits for {@link GoOn} where it has told this. */
export const waitsForGo = ({ stage }: InitReport): boolean => stage === "namespaces" || stage === "mounted";

/**
 * Builds the container, or joins it, up to the last steps before the command.
 *
 * @param passed descriptors that came with the request
 * @param made namespaces that init is in by now
 * @throws {RuntimeFailure}
 */
export function buildContainer(parent: InitParent, request: InitRequest, passed: fd.OwnedFd[], made: readonly NamespaceType[] = []): LastSteps {
  umask(0);
  return request.type === "create" ? createContainer(parent, request, passed, made) : joinContainer(parent, request);
}

function createContainer(parent: InitParent, request: CreateRequest & CgroupFiles, passed: fd.OwnedFd[], made: readonly NamespaceType[]): LastSteps {
  const { spec } = request;
  setsid();
  const profile = openProfile(spec.process);
  if (!request.noNewKeyring) joinNewKeyring();
  const fifo = request.startFifo ? passed.shift() : undefined;
  enterNamespaces(spec, made);
  joinCgroup(openCgroupFiles(request));
  detachFromHost();
  const { root } = request;
  const overlay = root.type === "overlay" && !root.owners ? new OverlayMount(root, request.mountPoint) : undefined;
  const mounting: Meanwhile | undefined = overlay && { call: () => overlay.attempt() };
  mark("namespaces");
  const opened = parent.report({ stage: "namespaces" }, [], mounting);
  mark("network");
  overlay?.finish(mounting?.failure);
  // We are in the container's cgroup by now, so its namespace begins there.
  if (spec.linux.cgroupsPath) noteOwnControllers(spec.linux.cgroupsPath);
  if (spec.linux.namespaces.some((n) => n.type === "cgroup" && !n.path)) ns.unshare(ns.CLONE_NEWCGROUP);

  step("set the host name", () => {
    if (spec.hostname) sethostname(spec.hostname);
    if (spec.domainname) setdomainname(spec.domainname);
  });
  buildRoot(parent, request, opened);
  mark("devices, enter the root");
  applySysctls(spec.linux.sysctl ?? {});
  mark("sysctls");
  protect(spec.linux.readonlyPaths ?? []); // /proc/sys among them, so after the sysctls
  mark("protect paths");
  if (spec.process.terminal) {
    using master = loadTerminal().openTerminal(spec.process.consoleSize, true);
    parent.report({ stage: "terminal" }, [master.fd]);
  }
  return startCommand(parent, spec.process, { ...request, seccomp: spec.linux.seccomp, fifo, profile }, () => {
    if (spec.root.readonly) remountReadOnly();
    const { personality } = spec.linux;
    if (personality) step("set the personality", () => loadScheduling().setPersonality(personality));
  });
}

function joinContainer(parent: InitParent, request: ExecRequest & CgroupFiles): LastSteps {
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
    using master = loadTerminal().openTerminal(request.process.consoleSize, false);
    parent.report({ stage: "terminal" }, [master.fd]);
  }
  return startCommand(parent, request.process, { ...request, reap: false, profile }, () => joinCgroup(cgroup));
}

// What both kinds have in common: everything about the process itself.
function startCommand(
  { channel }: InitParent,
  process: Process,
  { namedUser, reap, seccomp, preserveFds = 0, fifo, ...request }: CommandOptions,
  lastWithRoot: () => void,
): LastSteps {
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

const openProfile = ({ apparmorProfile }: Process) => (apparmorProfile ? loadAppArmor().openProfileFile(apparmorProfile) : undefined);

// Blocks until `start` writes; a container that is deleted before is killed.
function waitForStart(fifo: fd.OwnedFd): void {
  step("wait for the start", () => {
    fd.poll([{ fd: fifo.fd, events: fd.POLLIN }], -1);
    fifo.close();
  });
}

// By their paths on the host, so before any other root is entered.
function openCgroupFiles({ cgroupFiles }: CgroupFiles): fd.OwnedFd[] {
  const calls = cgroupFiles.map((path): Call => ["openat", fd.AT_FDCWD, path, fd.O_WRONLY | fd.O_CLOEXEC]);
  return step("enter the cgroup", () => callAll(calls).map((file) => new fd.OwnedFd(file)));
}

function joinCgroup(files: fd.OwnedFd[]): void {
  step("enter the cgroup", () => callAll(files.map((file): Call => ["write", file.fd, "0", 1])));
  for (const file of files) file.close();
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

function enterNamespaces(spec: Spec, made: readonly NamespaceType[]): void {
  let fresh = 0;
  for (const { type, path } of spec.linux.namespaces) {
    if (made.includes(type)) continue;
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
  if (fresh !== 0) step("make namespaces", () => ns.unshare(fresh));
  if (made.includes("network") || fresh & ns.CLONE_NEWNET) bringLoopbackUp();
  if (fresh & ns.CLONE_NEWTIME) step("set time offsets", () => setTimeOffsets(spec.linux.timeOffsets ?? {}));
}

// For the children of this process, and for what it becomes at execve (Linux 6.2).
function setTimeOffsets(offsets: NonNullable<Spec["linux"]["timeOffsets"]>): void {
  const lines = Object.entries(offsets).map(([clock, { secs = 0, nanosecs = 0 }]) => `${clock} ${secs} ${nanosecs}`);
  if (lines.length > 0) writeFileSync("/proc/self/timens_offsets", lines.join("\n"));
}

function buildRoot(parent: InitParent, { spec, root, mountPoint, state, noPivot, hasOpenedBinds }: CreateRequest, passed: fd.OwnedFd[]): void {
  const { linux } = spec;
  const { rootfsPropagation = "" } = linux;
  const propagation = PROPAGATION[rootfsPropagation];
  if (rootfsPropagation !== "" && propagation === undefined) {
    throw new RuntimeFailure(`rootfsPropagation ${rootfsPropagation} is unknown: expected ${Object.keys(PROPAGATION).join(", ")}`);
  }
  // They come in the order of the mounts that have them; what a user namespace could not open, its parent has.
  const tree = root.owners ? passed.shift() : undefined;
  if (tree) attachRoot(tree);
  else if (root.type === "folder") mountRoot(root, mountPoint);
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
    parent.report({ stage: "mounted" });
    loadHooks().runHooks("createContainer", createContainer ?? [], state);
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
