/** Where this host's cgroup hierarchies are mounted. */
import { onAdopted } from "../../../ffi/adopted.ts";
import { readFileSync } from "../../../ffi/files.ts";

/** One mount of cgroupfs. */
export interface CgroupMount {
  /** Where it is mounted. */
  path: string;
  /** Which cgroup of the hierarchy stands there; `/` but in some containers. */
  root: string;
}

/** What a host has: v1 hierarchies by controller, v2, or both (hybrid). */
export interface Hierarchies {
  v1: Map<string, CgroupMount>;
  v2: (CgroupMount & { controllers: string[] }) | undefined;
}

const unescapeField = (field: string) => field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));

/** Reads the hierarchies out of mountinfo text (proc_pid_mountinfo(5)); `controllersOf` reads a v2 mount's cgroup.controllers. */
export function parseHierarchies(mountinfo: string, controllersOf: (path: string) => string[]): Hierarchies {
  const result: Hierarchies = { v1: new Map(), v2: undefined };
  for (const line of mountinfo.split("\n")) {
    const separator = line.indexOf(" - cgroup");
    if (separator < 0) continue;
    const fields = line.slice(0, separator).split(" ");
    const [type, , options] = line.slice(separator + 3).split(" ");
    const mount = { root: unescapeField(fields[3] ?? "/"), path: unescapeField(fields[4] ?? "") };
    if (type === "cgroup2") {
      // The first one wins: later mounts are binds of the same hierarchy.
      result.v2 ??= { ...mount, controllers: controllersOf(mount.path) };
    } else if (type === "cgroup") {
      for (const option of (options ?? "").split(",")) {
        if (["rw", "ro", "xattr", "clone_children", "noprefix"].includes(option) || option.startsWith("release_agent=")) continue;
        if (!result.v1.has(option)) result.v1.set(option, mount);
      }
    }
  }
  return result;
}

let found: Hierarchies | undefined;
onAdopted(() => {
  found = undefined;
});

/** The hierarchies of this host, read once a process. */
export function findHierarchies(): Hierarchies {
  found ??= parseHierarchies(readFileSync("/proc/self/mountinfo", "utf8"), (path) => {
    try {
      return readFileSync(`${path}/cgroup.controllers`, "utf8").trim().split(" ").filter(Boolean);
    } catch {
      return [];
    }
  });
  return found;
}

/** `v2` where limits are v2's, `v1` where v1 has them, `none` where the host has neither. */
export function cgroupMode(hierarchies: Hierarchies = findHierarchies()): "v1" | "v2" | "none" {
  const { v1, v2 } = hierarchies;
  if (v1.has("memory") || v1.has("pids") || v1.has("cpu")) return "v1";
  if (v2) return "v2";
  return v1.size > 0 ? "v1" : "none";
}
