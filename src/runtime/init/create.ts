/** Init of a container: namespaces, mounts, devices. */
import * as fd from "../../../ffi/fd.ts";
import { writeFileSync } from "../../../ffi/files.ts";
import { attachTree, MS_BIND, MS_RDONLY, MS_REMOUNT, mount } from "../../../ffi/mount.ts";
import * as ns from "../../../ffi/namespace.ts";
import { joinNewKeyring, setdomainname, sethostname, setsid, umask } from "../../../ffi/process.ts";
import { bringLoopbackUp } from "../../../ffi/socket.ts";
import { mark } from "../../../ffi/trace.ts";
import type { CreateRequest } from "../channel.ts";
import { DEFAULT_DEVICES } from "../default-devices.ts";
import { RuntimeFailure } from "../errors.ts";
import { noteOwnControllers } from "../rootfs/cgroup-mounts.ts";
import { makeDeviceLinks, makeDevices } from "../rootfs/devices.ts";
import { isBind, maskPaths, mountInRoot, protectPaths } from "../rootfs/mounts.ts";
import { PROPAGATION } from "../rootfs/options.ts";
import { detachFromHost, enterRoot } from "../rootfs/pivot.ts";
import { mountRoot, OverlayMount } from "../rootfs/root.ts";
import { isIdMapped, type NamespaceType, type Spec } from "../spec.ts";
import { joinCgroup, loadHooks, loadScheduling, loadTerminal, openCgroupFiles, openProfile, startCommand, step } from "./command.ts";
import { type Builder, CLONE_FLAGS, type InitParent, type Meanwhile } from "./parent.ts";

/** See {@link Builder}. */
export const buildContainer: Builder<CreateRequest> = (parent, request, passed, made) => {
  umask(0);
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
  return startCommand(parent, spec.process, { ...request, makesFolder: true, seccomp: spec.linux.seccomp, fifo, profile }, () => {
    if (spec.root.readonly) remountReadOnly();
    const { personality } = spec.linux;
    if (personality) step("set the personality", () => loadScheduling().setPersonality(personality));
  });
};

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
