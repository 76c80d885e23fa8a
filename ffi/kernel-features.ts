/** Which of the newer system calls this kernel has, asked in ways that do nothing. */
import { release } from "./host.ts";
import { tryCall } from "./libc.ts";

const ENOSYS = 38;
const BAD_FD = -1;

/** With arguments that each of them refuses. */
const CALLS = {
  openat2: () => tryCall("openat2", BAD_FD, "", null, 0),
  close_range: () => tryCall("close_range", 2, 1, 0),
  pidfd_open: () => tryCall("pidfd_open", BAD_FD, 0),
  open_tree: () => tryCall("open_tree", BAD_FD, "", 0),
  fsopen: () => tryCall("fsopen", null, 0),
  mount_setattr: () => tryCall("mount_setattr", BAD_FD, "", 0, null, 0),
} as const;

/** Those that are missing, also where a seccomp filter answers ENOSYS for them. */
export function missingCalls(): string[] {
  return Object.entries(CALLS).flatMap(([name, call]) => (call() === -ENOSYS ? [name] : []));
}

/** Whether this kernel is of a version (`6.15`) or a later one. */
export function isKernelAtLeast(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [ownMajor = 0, ownMinor = 0] = release()
    .split(".")
    .map((part) => Number.parseInt(part, 10));
  return ownMajor > major || (ownMajor === major && ownMinor >= minor);
}
