/** Picks the driver for this host's cgroups, and loads no other. */
import type { Cgroup } from "./cgroup.ts";
import { cgroupMode, findHierarchies } from "./hierarchy.ts";

/**
 * The cgroup at `path` (absolute, as `/berth/ID`) of this host's hierarchies.
 *
 * @returns undefined where the host has no cgroups
 */
export function openCgroup(path: string): Cgroup | undefined {
  const hierarchies = findHierarchies();
  switch (cgroupMode(hierarchies)) {
    case "v1": {
      const { CgroupV1 } = require("./v1.ts") as typeof import("./v1.ts");
      return new CgroupV1(hierarchies, path);
    }
    case "v2": {
      const { CgroupV2 } = require("./v2.ts") as typeof import("./v2.ts");
      return hierarchies.v2 ? new CgroupV2(hierarchies.v2, path) : undefined;
    }
    default:
      return undefined;
  }
}
