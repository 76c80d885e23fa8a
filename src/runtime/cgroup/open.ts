/** Picks the driver for this host's cgroups. */
import type { Cgroup } from "./cgroup.ts";
import { cgroupMode, findHierarchies } from "./hierarchy.ts";
import { CgroupV1 } from "./v1.ts";
import { CgroupV2 } from "./v2.ts";

/**
 * The cgroup at `path` (absolute, as `/berth/ID`) of this host's hierarchies.
 *
 * @returns undefined where the host has no cgroups
 */
export function openCgroup(path: string): Cgroup | undefined {
  const hierarchies = findHierarchies();
  switch (cgroupMode(hierarchies)) {
    case "v1":
      return new CgroupV1(hierarchies, path);
    case "v2":
      return hierarchies.v2 ? new CgroupV2(hierarchies.v2, path) : undefined;
    default:
      return undefined;
  }
}
