/** The mounts of config.json, made inside the container's root before it becomes `/`. */

import * as fd from "../../../ffi/fd.ts";
import { chmodSync, lstatSync, readdirSync, statSync } from "../../../ffi/files.ts";
import { findAllInRoot, findInRoot, makeInRoot, openInRoot } from "../../../ffi/in-root.ts";
import { reasonOf } from "../../../ffi/libc.ts";
import * as m from "../../../ffi/mount.ts";
import { enterMountNamespace } from "../../../ffi/namespace.ts";
import { RuntimeFailure } from "../errors.ts";
import type { Mount } from "../spec.ts";
import { mountCgroups } from "./cgroup-mounts.ts";
import { type MountOptions, parseMountOptions } from "./options.ts";

// Seldom needed.
const loadCopy = () => require("../../../ffi/copy.ts") as typeof import("../../../ffi/copy.ts");

export const isBind = (mount: Mount): boolean => mount.type === "bind" || (parseMountOptions(mount.options ?? []).flags & m.MS_BIND) !== 0;

/**
 * Makes one mount.
 *
 * @param mapping the user namespace of an idmapped one
 * @param tree of a bind, where it was opened before; see {@link openBind}
 * @throws {RuntimeFailure} that names source and destination
 */
export function mountInRoot(root: number, mount: Mount, mapping?: fd.OwnedFd, tree?: fd.OwnedFd): void {
  const options = parseMountOptions(mount.options ?? []);
  try {
    if (mount.type === "cgroup" || mount.type === "cgroup2") {
      mountCgroups(root, mount.destination, options.flags & ~m.MS_REC);
      finish(root, mount.destination, options);
    } else if (isBind(mount)) bind(root, mount, options, mapping, tree);
    else if (mapping) throw new RuntimeFailure(`cannot mount ${mount.type} at ${mount.destination}: only binds can have id mappings`);
    else mountFileSystem(root, mount, options);
  } catch (error) {
    if (error instanceof RuntimeFailure) throw error;
    const what = mount.type === "bind" || !mount.type ? mount.source : mount.type;
    throw new RuntimeFailure(`cannot mount ${what} at ${mount.destination}: ${reasonOf(error)}`, "setup", { cause: error });
  }
}

function mountFileSystem(root: number, mount: Mount, options: MountOptions): void {
  const type = mount.type ?? "none";
  const own = type === "proc" || type === "sysfs" ? openOwn(root, mount.destination) : undefined;
  // A tmpfs over a folder is as open as that, unless it is told otherwise; runc has it so.
  const isAsBelow = type === "tmpfs" && !/(^|,)mode=/.test(options.data);
  const there = isAsBelow ? findInRoot(root, mount.destination, fd.O_PATH) : own;
  using target = there ?? makeInRoot(root, mount.destination, { last: "directory", mode: 0o755 });
  // The next start finds it as open as the first.
  if (isAsBelow && !there) chmodSync(target.path, 0o1777);
  const mode = isAsBelow && `mode=${(fd.statat(target.fd, "").mode & 0o7777).toString(8)}`;
  const data = [mode, options.data].filter(Boolean).join(",");
  const source = mount.source ?? type;
  if (type === "tmpfs" && options.copyUp) {
    m.mount(source, target.path, type, options.flags & ~m.MS_RDONLY, data);
    using mounted = openInRoot(root, mount.destination, fd.O_RDONLY | fd.O_DIRECTORY);
    using below = fd.openat(fd.AT_FDCWD, target.path, fd.O_RDONLY | fd.O_DIRECTORY);
    loadCopy().copyTree(below.fd, mounted.fd);
    if (options.flags & m.MS_RDONLY) m.mount(null, mounted.path, null, options.flags | m.MS_REMOUNT | m.MS_BIND);
  } else {
    m.mount(source, target.path, type, options.flags, data);
  }
  finish(root, mount.destination, options);
}

// The kernel's own files are only what they seem where nothing redirected the mount
// (CVE-2019-19921): an image with a link at /proc or /sys is refused, as runc does.
function openOwn(root: number, destination: string): fd.OwnedFd | undefined {
  const target = findInRoot(root, destination, fd.O_PATH | fd.O_NOFOLLOW);
  if (target && fd.fileTypeAt(target.fd, "") === fd.S_IFLNK) {
    target.close();
    throw new RuntimeFailure(`the image has a symbolic link at ${destination}, where a file system of the kernel must be mounted`);
  }
  return target;
}

// Propagation and recursive attributes, on the mount as it is now on top.
function finish(root: number, destination: string, options: MountOptions): void {
  const { recursive } = options;
  if (options.propagation.length === 0 && !recursive.set && !recursive.clear) return;
  using mounted = openInRoot(root, destination, fd.O_PATH);
  for (const flag of options.propagation) m.mount(null, mounted.path, null, flag);
  if (recursive.set || recursive.clear) m.setMountAttributes(mounted.fd, "", true, recursive);
}

const ATTRIBUTES: [number, number][] = [
  [m.MS_RDONLY, m.MOUNT_ATTR_RDONLY],
  [m.MS_NOSUID, m.MOUNT_ATTR_NOSUID],
  [m.MS_NODEV, m.MOUNT_ATTR_NODEV],
  [m.MS_NOEXEC, m.MOUNT_ATTR_NOEXEC],
  [m.MS_NODIRATIME, m.MOUNT_ATTR_NODIRATIME],
  [m.MS_NOSYMFOLLOW, m.MOUNT_ATTR_NOSYMFOLLOW],
];

function bind(root: number, mount: Mount, options: MountOptions, mapping: fd.OwnedFd | undefined, tree: fd.OwnedFd | undefined): void {
  const source = mount.source ?? "";
  const isFolder = tree ? fd.fileTypeAt(tree.fd, "") === fd.S_IFDIR : showsFolder(mount);
  using target = makeInRoot(root, mount.destination, isFolder ? { last: "directory", mode: 0o755 } : { last: "file", mode: 0o644 });
  const targetIsFolder = fd.fileTypeAt(target.fd, "") === fd.S_IFDIR;
  if (isFolder !== targetIsFolder) {
    const kind = (folder: boolean) => (folder ? "a directory" : "a file");
    throw new RuntimeFailure(
      `cannot mount ${source} at ${mount.destination}: ${source} is ${kind(isFolder)}, ${mount.destination} is ${kind(targetIsFolder)}`,
    );
  }
  if (options.copyUp && isFolder) {
    using volume = tree ? fd.openat(tree.fd, ".", fd.O_RDONLY | fd.O_DIRECTORY) : fd.openat(fd.AT_FDCWD, source, fd.O_RDONLY | fd.O_DIRECTORY);
    fillVolume(root, volume, mount.destination);
  }
  if (tree) {
    m.attachTree(tree.fd, target.fd);
    tree.close();
  } else bindOnto(mount, root, target, options, mapping);
}

function showsFolder({ source = "", subpath }: Mount): boolean {
  if (subpath === undefined) return statSync(source).isDirectory();
  using below = openSubpath(source, subpath);
  return fd.fileTypeAt(below.fd, "") === fd.S_IFDIR;
}

// Who fills a volume may have put links there.
function openSubpath(source: string, subpath: string): fd.OwnedFd {
  using folder = fd.openat(fd.AT_FDCWD, source, fd.O_PATH | fd.O_DIRECTORY);
  return openInRoot(folder.fd, subpath, fd.O_PATH);
}

/** `/proc/PID/root/…`: a path as another process sees it. */
const OTHERS_PATH = /^(\/proc\/\d+)\/root(\/.*)$/;

// A mount of another mount namespace can only be cloned from inside of it.
function cloneTreeOf({ source = "", subpath }: Mount, recursive: boolean): fd.OwnedFd {
  if (subpath !== undefined) {
    using folder = openSubpath(source, subpath);
    return m.cloneTree(folder.fd, "", recursive);
  }
  const [, process, path] = OTHERS_PATH.exec(source) ?? [];
  if (process === undefined || path === undefined) return m.cloneTree(fd.AT_FDCWD, source, recursive);
  using own = fd.openat(fd.AT_FDCWD, "/proc/self/ns/mnt", fd.O_RDONLY);
  using theirs = fd.openat(fd.AT_FDCWD, `${process}/ns/mnt`, fd.O_RDONLY);
  enterMountNamespace(theirs.fd);
  try {
    using root = fd.openat(fd.AT_FDCWD, "/", fd.O_PATH);
    using inside = openInRoot(root.fd, path, fd.O_PATH);
    return m.cloneTree(inside.fd, "", recursive);
  } finally {
    enterMountNamespace(own.fd);
  }
}

/**
 * Opens what a bind shows, with its attributes and owners, mounted nowhere yet.
 *
 * @param mapping the user namespace of an idmapped one
 * @throws {RuntimeFailure} that names source and destination
 */
export function openBind(mount: Mount, mapping: fd.OwnedFd | undefined): fd.OwnedFd {
  const { source, destination } = mount;
  try {
    return openBindTree(mount, parseMountOptions(mount.options ?? []), mapping);
  } catch (error) {
    throw new RuntimeFailure(`cannot mount ${source} at ${destination}: ${reasonOf(error)}`, "setup", { cause: error });
  }
}

function openBindTree(mount: Mount, options: MountOptions, mapping: fd.OwnedFd | undefined): fd.OwnedFd {
  const flags = options.flags & ~(m.MS_BIND | m.MS_REC);
  const tree = cloneTreeOf(mount, (options.flags & m.MS_REC) !== 0);
  try {
    let set = ATTRIBUTES.reduce((bits, [flag, attribute]) => (flags & flag ? bits | attribute : bits), 0);
    let clear = 0;
    if (flags & (m.MS_NOATIME | m.MS_STRICTATIME | m.MS_RELATIME)) {
      clear |= m.MOUNT_ATTR__ATIME;
      set |= flags & m.MS_NOATIME ? m.MOUNT_ATTR_NOATIME : flags & m.MS_STRICTATIME ? m.MOUNT_ATTR_STRICTATIME : 0;
    }
    if (set || clear) m.setMountAttributes(tree.fd, "", false, { set, clear });
    if (mapping) m.setMountAttributes(tree.fd, "", options.recursiveMapping, { set: m.MOUNT_ATTR_IDMAP, userNamespace: mapping.fd });
    // The source may be a peer of the host's mounts; ours is not unless asked for.
    const propagation = options.propagation.length > 0 ? options.propagation : [m.MS_PRIVATE | m.MS_REC];
    for (const flag of propagation) m.setMountAttributes(tree.fd, "", (flag & m.MS_REC) !== 0, { propagation: flag & ~m.MS_REC });
    if (options.recursive.set || options.recursive.clear) m.setMountAttributes(tree.fd, "", true, options.recursive);
    return tree;
  } catch (error) {
    tree.close();
    throw error;
  }
}

function bindOnto(mount: Mount, root: number, target: fd.OwnedFd, options: MountOptions, mapping: fd.OwnedFd | undefined): void {
  const { source = "", destination } = mount;
  if (m.hasMountSetattr()) {
    using tree = openBindTree(mount, options, mapping);
    m.attachTree(tree.fd, target.fd);
    return;
  }
  if (mapping) throw new RuntimeFailure(`cannot mount ${source} at ${destination}: idmapped mounts need Linux 5.12`);
  const flags = options.flags & ~(m.MS_BIND | m.MS_REC);
  using below = mount.subpath === undefined ? undefined : openSubpath(source, mount.subpath);
  m.mount(below?.path ?? source, target.path, null, options.flags | m.MS_BIND);
  using mounted = openInRoot(root, destination, fd.O_PATH);
  if (options.propagation.length === 0) m.mount(null, mounted.path, null, m.MS_PRIVATE | m.MS_REC);
  if (flags !== 0) m.mount(null, mounted.path, null, flags | m.MS_BIND | m.MS_REMOUNT);
  finish(root, destination, options);
}

// Only an empty volume is filled; what is in it already belongs to somebody.
function fillVolume(root: number, volume: fd.OwnedFd, destination: string): void {
  if (readdirSync(volume.path).length > 0) return;
  using from = openInRoot(root, destination, fd.O_RDONLY | fd.O_DIRECTORY);
  loadCopy().copyTree(from.fd, volume.fd);
}

/** Hides paths of the kernel's file systems: files behind /dev/null, folders behind an empty one. */
export function maskPaths(root: number, paths: string[]): void {
  let isNullChecked = false;
  for (const opened of findAllInRoot(root, paths, fd.O_PATH)) {
    if (!opened) continue;
    using target = opened;
    if (fd.fileTypeAt(target.fd, "") === fd.S_IFDIR) {
      m.mount("tmpfs", target.path, "tmpfs", m.MS_RDONLY | m.MS_NOSUID | m.MS_NODEV | m.MS_NOEXEC, "size=0k");
    } else {
      if (!isNullChecked) assertNullDevice();
      isNullChecked = true;
      m.mount("/dev/null", target.path, null, m.MS_BIND);
    }
  }
}

// The host's, but a host can be broken too (CVE-2025-31133 took an image's for it).
function assertNullDevice(): void {
  const status = lstatSync("/dev/null");
  if (!status.isCharacterDevice() || status.rdevMajor !== 1 || status.rdevMinor !== 3)
    throw new RuntimeFailure("/dev/null of this host is not the null device");
}

/** Makes paths of the kernel's file systems read-only. */
export function protectPaths(root: number, paths: string[]): void {
  for (const path of paths) {
    const [opened] = findAllInRoot(root, [path], fd.O_PATH);
    if (!opened) continue;
    using target = opened;
    if (m.hasMountSetattr()) {
      using tree = m.cloneTree(target.fd, "", true);
      m.setMountAttributes(tree.fd, "", false, { set: m.MOUNT_ATTR_RDONLY });
      m.attachTree(tree.fd, target.fd);
      continue;
    }
    m.mount(target.path, target.path, null, m.MS_BIND | m.MS_REC);
    using mounted = openInRoot(root, path, fd.O_PATH);
    m.mount(null, mounted.path, null, m.MS_BIND | m.MS_REC | m.MS_REMOUNT | m.MS_RDONLY | m.MS_NOSUID | m.MS_NODEV | m.MS_NOEXEC);
  }
}
