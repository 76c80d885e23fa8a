/** Namespaces: unshare(2), setns(2). */
import { AT_FDCWD, O_RDONLY, openat } from "./fd.ts";
import { call, hasCode } from "./libc.ts";

/** linux/sched.h */
export const CLONE_NEWTIME = 0x80;
export const CLONE_FS = 0x200;
export const CLONE_NEWNS = 0x20000;
export const CLONE_NEWCGROUP = 0x2000000;
export const CLONE_NEWUTS = 0x4000000;
export const CLONE_NEWIPC = 0x8000000;
export const CLONE_NEWUSER = 0x10000000;
export const CLONE_NEWPID = 0x20000000;
export const CLONE_NEWNET = 0x40000000;

/** Leaves namespaces of the calling thread; a new PID namespace begins with the next child. */
export function unshare(flags: number): void {
  call("unshare", flags);
}

/** Enters a namespace (by /proc/PID/ns/X) or, with a pidfd, several at once (Linux 5.8). */
export function setns(fd: number, type: number): void {
  call("setns", fd, type);
}

/**
 * Enters a mount namespace, its root and working folder with it.
 *
 * setns(2) refuses that with EINVAL while other threads share this one's root and
 * working folder, and a thread that Bun starts meanwhile does.
 */
export function enterMountNamespace(fd: number): void {
  for (let attempt = 0; ; attempt++) {
    unshare(CLONE_FS);
    try {
      setns(fd, CLONE_NEWNS);
      return;
    } catch (error) {
      if (!hasCode(error, "EINVAL") || attempt === 100) throw error;
    }
  }
}

/** Calls back, and afterwards goes back to the mount namespace and the working folder of before, whatever was entered or made meanwhile. */
export async function keepingMounts<T>(action: () => T | Promise<T>): Promise<T> {
  using mounts = openat(AT_FDCWD, "/proc/self/ns/mnt", O_RDONLY);
  using folder = openat(AT_FDCWD, ".", O_RDONLY);
  try {
    return await action();
  } finally {
    enterMountNamespace(mounts.fd);
    call("fchdir", folder.fd);
  }
}

/** Calls back in the network namespace of a process, on this thread. */
export function inNetworkOf<T>(pid: number, action: () => T): T {
  using own = openat(AT_FDCWD, "/proc/self/ns/net", O_RDONLY);
  using other = openat(AT_FDCWD, `/proc/${pid}/ns/net`, O_RDONLY);
  setns(other.fd, CLONE_NEWNET);
  try {
    return action();
  } finally {
    setns(own.fd, CLONE_NEWNET);
  }
}
