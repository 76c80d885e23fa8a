/** What a container sees under /sys/fs/cgroup: its own groups, and nothing above them. */

import * as fd from "../../../ffi/fd.ts";
import { readFileSync } from "../../../ffi/files.ts";
import { makeInRoot, openInRoot } from "../../../ffi/in-root.ts";
import * as m from "../../../ffi/mount.ts";
import { cgroupMode, findHierarchies } from "../cgroup/hierarchy.ts";

/** A line of /proc/PID/cgroup: no controllers mean v2. */
interface Membership {
  controllers: string[];
  path: string;
}

function ownMemberships(): Membership[] {
  return readFileSync("/proc/self/cgroup", "utf8")
    .split("\n")
    .filter(Boolean)
    .map((line) => line.split(":"))
    .map(([, controllers = "", ...path]) => ({ controllers: controllers.split(",").filter(Boolean), path: path.join(":") }));
}

let ownControllers: ReadonlySet<string> = new Set();

/** Tells which v1 controllers the container has a cgroup of its own in; read before the cgroup namespace hides it. */
export function noteOwnControllers(cgroupsPath: string): void {
  ownControllers = new Set(
    ownMemberships()
      .filter(({ path }) => path.endsWith(cgroupsPath))
      .flatMap(({ controllers }) => controllers),
  );
}

/** Mounts them; `flags` are MS_*. */
export function mountCgroups(root: number, destination: string, flags: number): void {
  const hierarchies = findHierarchies();
  const mode = cgroupMode(hierarchies);
  using target = makeInRoot(root, destination, { last: "directory", mode: 0o755 });
  if (mode === "none") return;
  const memberships = ownMemberships();
  if (mode === "v2") {
    const path = memberships.find(({ controllers }) => controllers.length === 0)?.path ?? "/";
    mountOwn(root, destination, target, { type: "cgroup2", data: null, flags, path, host: hierarchies.v2?.path ?? "" });
    return;
  }
  m.mount("tmpfs", target.path, "tmpfs", m.MS_NOSUID | m.MS_NODEV | m.MS_NOEXEC, "mode=755,size=64k");
  for (const { controllers, path } of memberships) {
    const [first] = controllers;
    const host = first && hierarchies.v1.get(first);
    // Where it has no group of its own, it is still in its maker's, which is not its to see.
    if (!first || !host || !ownControllers.has(first)) continue;
    const name = controllers.join(",");
    using folder = makeInRoot(root, `${destination}/${name}`, { last: "directory", mode: 0o755 });
    mountOwn(root, `${destination}/${name}`, folder, { type: "cgroup", data: name, flags, path, host: host.path });
    if (controllers.length > 1) linkControllers(root, destination, name, controllers);
  }
  using mounted = openInRoot(root, destination, fd.O_PATH);
  m.mount(null, mounted.path, null, flags | m.MS_REMOUNT | m.MS_BIND);
}

interface OwnMount {
  type: string;
  data: string | null;
  flags: number;
  /** Of the group; `/` in a cgroup namespace of its own. */
  path: string;
  /** Where the host has the hierarchy. */
  host: string;
}

function mountOwn(root: number, destination: string, target: fd.OwnedFd, { type, data, flags, path, host }: OwnMount): void {
  if (path === "/") {
    m.mount("cgroup", target.path, type, flags, data);
    return;
  }
  m.mount(`${host}${path}`, target.path, null, m.MS_BIND);
  using mounted = openInRoot(root, destination, fd.O_PATH);
  m.mount(null, mounted.path, null, flags | m.MS_REMOUNT | m.MS_BIND);
}

function linkControllers(root: number, destination: string, target: string, names: string[]): void {
  using folder = openInRoot(root, destination, fd.O_RDONLY | fd.O_DIRECTORY);
  for (const name of names) fd.symlinkat(target, folder.fd, name);
}
