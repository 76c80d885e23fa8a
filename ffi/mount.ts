/** Mounts: mount(2), umount2(2), pivot_root(2) and the mount API of Linux 5.2 and later. */
import { OwnedFd } from "./fd.ts";
import { call, cString, hasCode, tryCall } from "./libc.ts";

/** linux/mount.h */
export const MS_RDONLY = 1;
export const MS_NOSUID = 2;
export const MS_NODEV = 4;
export const MS_NOEXEC = 8;
export const MS_SYNCHRONOUS = 16;
export const MS_REMOUNT = 32;
export const MS_MANDLOCK = 64;
export const MS_DIRSYNC = 128;
export const MS_NOSYMFOLLOW = 256;
export const MS_NOATIME = 1024;
export const MS_NODIRATIME = 2048;
export const MS_BIND = 4096;
export const MS_MOVE = 8192;
export const MS_REC = 16384;
export const MS_SILENT = 32768;
export const MS_UNBINDABLE = 1 << 17;
export const MS_PRIVATE = 1 << 18;
export const MS_SLAVE = 1 << 19;
export const MS_SHARED = 1 << 20;
export const MS_RELATIME = 1 << 21;
export const MS_I_VERSION = 1 << 23;
export const MS_STRICTATIME = 1 << 24;
export const MS_LAZYTIME = 1 << 25;
export const MNT_DETACH = 2;

/** What mount(2) takes of a file system's own options: one page. */
export const MOUNT_DATA_MAX = 4095;

export function mount(source: string | null, target: string, type: string | null, flags: number, data: string | null = null): void {
  call("mount", source, target, type, flags, data);
}

export function umount(target: string, flags = 0): void {
  call("umount2", target, flags);
}

export function pivotRoot(newRoot: string, putOld: string): void {
  call("pivot_root", newRoot, putOld);
}

const OPEN_TREE_CLONE = 1;
const AT_RECURSIVE = 0x8000;
const AT_EMPTY_PATH = 0x1000;
const OPEN_TREE_CLOEXEC = 0o2000000;
const empty = cString("");

/** open_tree(2) with OPEN_TREE_CLONE: a detached bind of a file or tree. Linux 5.2. */
export function cloneTree(dir: number, path: string, recursive: boolean): OwnedFd {
  const flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);
  return new OwnedFd(call("open_tree", dir, path === "" ? empty : path, flags));
}

/** move_mount(2): puts a detached mount onto the file a descriptor stands for. */
export function attachTree(tree: number, target: number): void {
  const MOVE_MOUNT_F_EMPTY_PATH = 4;
  const MOVE_MOUNT_T_EMPTY_PATH = 0x40;
  call("move_mount", tree, empty, target, empty, MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

/** linux/mount.h: attributes of mount_setattr(2). */
export const MOUNT_ATTR_RDONLY = 0x1;
export const MOUNT_ATTR_NOSUID = 0x2;
export const MOUNT_ATTR_NODEV = 0x4;
export const MOUNT_ATTR_NOEXEC = 0x8;
export const MOUNT_ATTR__ATIME = 0x70;
export const MOUNT_ATTR_NOATIME = 0x10;
export const MOUNT_ATTR_STRICTATIME = 0x20;
export const MOUNT_ATTR_NODIRATIME = 0x80;
export const MOUNT_ATTR_IDMAP = 0x100000;
export const MOUNT_ATTR_NOSYMFOLLOW = 0x200000;

/** What {@link setMountAttributes} changes: bits to set, bits to clear, propagation (MS_PRIVATE and so on), an id-mapping user namespace. */
export interface MountAttributes {
  set?: number;
  clear?: number;
  propagation?: number;
  userNamespace?: number;
}

/** mount_setattr(2) on a mount and, if asked, all below it. Linux 5.12. */
export function setMountAttributes(dir: number, path: string, recursive: boolean, attributes: MountAttributes): void {
  const { set = 0, clear = 0, propagation = 0, userNamespace = 0 } = attributes;
  const struct = new Uint32Array([set, 0, clear, 0, propagation, 0, userNamespace, 0]); // struct mount_attr
  const flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);
  call("mount_setattr", dir, path === "" ? empty : path, flags, struct, struct.byteLength);
}

/** Whether the kernel has the file-descriptor based mount API (Linux 5.2; 5.12 for mount_setattr). */
export function hasMountSetattr(): boolean {
  const ENOSYS = 38;
  mountSetattrWorks ??= tryCall("mount_setattr", -1, empty, 0, null, 0) !== -ENOSYS;
  return mountSetattrWorks;
}

let mountSetattrWorks: boolean | undefined;

const FSOPEN_CLOEXEC = 1;
const FSMOUNT_CLOEXEC = 1;
const FSCONFIG_SET_FLAG = 0;
const FSCONFIG_SET_STRING = 1;
const FSCONFIG_CMD_CREATE = 6;

/** fsmount(2): a file system's root that is mounted nowhere; it goes with its last descriptor. Linux 5.2. */
export function mountNowhere(type: string): OwnedFd {
  using context = new OwnedFd(call("fsopen", type, FSOPEN_CLOEXEC));
  call("fsconfig", context.fd, FSCONFIG_CMD_CREATE, null, null, 0);
  return new OwnedFd(call("fsmount", context.fd, FSMOUNT_CLOEXEC, 0));
}

/**
 * Whether a file system can be made with these options, empty for those without a value: it is, and let go of again,
 * without being mounted anywhere (fsopen(2), fsconfig(2); Linux 5.2, without them true).
 */
export function canMount(type: string, options: Record<string, string>): boolean {
  try {
    using context = new OwnedFd(call("fsopen", type, FSOPEN_CLOEXEC));
    for (const [key, value] of Object.entries(options))
      call("fsconfig", context.fd, value === "" ? FSCONFIG_SET_FLAG : FSCONFIG_SET_STRING, key, value === "" ? null : value, 0);
    call("fsconfig", context.fd, FSCONFIG_CMD_CREATE, null, null, 0);
    return true;
  } catch (error) {
    // Other errors, such as no memory, are for the real mount to tell.
    return !hasCode(error, "ENODEV", "EINVAL", "EOPNOTSUPP");
  }
}
