/** Taking a container's processes into its cgroup. */
import type { Spec } from "../spec.ts";
import { type Cgroup, CgroupError, requestedLimits } from "./cgroup.ts";
import { openCgroup } from "./open.ts";

/** A process's cgroup, and the files into which it writes "0" to be in it, see {@link Cgroup.join}. */
export interface Entered {
  /** None where it cannot be had and nothing was to be limited. */
  cgroup: Cgroup | undefined;
  files: string[];
}

/**
 * Makes the cgroup at `path` and takes a container's first process in.
 *
 * @param all see {@link Cgroup.create}
 * @throws {CgroupError} where it fails and limits were asked for
 */
export function enterCgroup(path: string, spec: Spec, pid: number, all = false): Entered {
  const resources = spec.linux.resources ?? {};
  const limits = requestedLimits(resources);
  const cgroup = openCgroup(path);
  try {
    if (!cgroup) throw new CgroupError(`cannot limit ${limits.join(", ")}: this host has no cgroups`);
    cgroup.create(resources, all || ownsCgroups(spec));
    return { cgroup, files: joinCgroup(cgroup, hasUserNamespace(spec), pid) };
  } catch (error) {
    if (cgroup) removeQuietly(cgroup);
    if (limits.length > 0 || !(error instanceof CgroupError)) throw error;
    return { cgroup: undefined, files: [] };
  }
}

// Who may write its cgroups makes some below: another engine, in a privileged container.
const ownsCgroups = ({ mounts }: Spec) => mounts.some(({ type, options = [] }) => type === "cgroup" && !options.includes("ro"));

export const hasUserNamespace = ({ linux }: Spec) => linux.namespaces.some(({ type }) => type === "user");

/**
 * Takes one more process in; gives the files as {@link enterCgroup} does, none where there is no cgroup.
 *
 * @param isInUserNamespace whether it is another user than we are
 */
export function joinCgroup(cgroup: Cgroup | undefined, isInUserNamespace: boolean, pid: number): string[] {
  if (!cgroup || cgroup.paths.length === 0) return [];
  if (!isInUserNamespace) return cgroup.join(pid);
  // As another user init may not write the cgroup's files.
  cgroup.joinWhole(pid);
  return [];
}

// The error that led here says more.
function removeQuietly(cgroup: Cgroup): void {
  try {
    cgroup.remove();
  } catch (error) {
    if (!(error instanceof CgroupError)) throw error;
  }
}
