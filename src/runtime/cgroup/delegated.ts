/**
 * A part of the cgroup v2 tree that an ordinary user was given (cgroups(7), "Delegation"):
 * where his own processes are, if he may write there.
 */
import { accessSync, mkdirSync, readFileSync, W_OK } from "../../../ffi/files.ts";
import { join } from "../../../ffi/path.ts";
import { readPids, writeControl } from "./files.ts";
import { cgroupMode, findHierarchies } from "./hierarchy.ts";

/** Where what is not a container's is kept: a cgroup with cgroups below it may hold no processes. */
const SUPERVISORS = "berth.supervisors";

/**
 * Path of the cgroup below which a user's containers can have theirs; the processes in it
 * leave it for one beside them. Undefined where nothing was delegated.
 */
export function enterDelegated(): string | undefined {
  const { v2 } = findHierarchies();
  if (cgroupMode() !== "v2" || !v2) return undefined;
  const own = /^0::(.*)$/m.exec(readFileSync("/proc/self/cgroup", "utf8"))?.[1] ?? "/";
  const parent = own.endsWith(`/${SUPERVISORS}`) ? own.slice(0, -SUPERVISORS.length - 1) : own;
  const folder = join(v2.path, parent);
  try {
    accessSync(join(folder, "cgroup.procs"), W_OK);
    emptyCgroup(folder);
    return parent;
  } catch {
    return undefined; // the host's
  }
}

/** Moves the processes of a cgroup below it, a shell among them, too: one that stays would keep limits from all others below. */
export function emptyCgroup(folder: string): void {
  mkdirSync(join(folder, SUPERVISORS), { recursive: true });
  for (const pid of readPids(folder)) move(pid, join(folder, SUPERVISORS));
}

function move(pid: number, folder: string): void {
  try {
    writeControl(join(folder, "cgroup.procs"), String(pid));
  } catch {
    // gone, or another user's; then the kernel says which limit cannot be had
  }
}
