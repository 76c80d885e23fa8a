/** Device nodes and the links every program expects in /dev. */
import * as fd from "../../../ffi/fd.ts";
import { makeInRoot, openInRoot } from "../../../ffi/in-root.ts";
import { call, hasCode, reasonOf } from "../../../ffi/libc.ts";
import { MS_BIND, mount } from "../../../ffi/mount.ts";
import { RuntimeFailure } from "../errors.ts";
import type { Device, DeviceRule } from "../spec.ts";

/** What the OCI runtime specification demands in every container ("Default Devices"). */
export const DEFAULT_DEVICES: Device[] = [
  { type: "c", path: "/dev/null", major: 1, minor: 3, fileMode: 0o666 },
  { type: "c", path: "/dev/zero", major: 1, minor: 5, fileMode: 0o666 },
  { type: "c", path: "/dev/full", major: 1, minor: 7, fileMode: 0o666 },
  { type: "c", path: "/dev/random", major: 1, minor: 8, fileMode: 0o666 },
  { type: "c", path: "/dev/urandom", major: 1, minor: 9, fileMode: 0o666 },
  { type: "c", path: "/dev/tty", major: 5, minor: 0, fileMode: 0o666 },
];

/** What a runtime permits besides: making nodes, the default devices, terminals (runc's AllowedDevices). */
export const DEFAULT_RULES: DeviceRule[] = [
  { allow: true, type: "c", access: "m" },
  { allow: true, type: "b", access: "m" },
  ...DEFAULT_DEVICES.map(({ major, minor }): DeviceRule => ({ allow: true, type: "c", major, minor, access: "rwm" })),
  { allow: true, type: "c", major: 5, minor: 2, access: "rwm" }, // ptmx
  { allow: true, type: "c", major: 136, access: "rwm" }, // pts
];

const LINKS = [
  ["/proc/self/fd", "fd"],
  ["/proc/self/fd/0", "stdin"],
  ["/proc/self/fd/1", "stdout"],
  ["/proc/self/fd/2", "stderr"],
  ["/proc/kcore", "core"],
  ["pts/ptmx", "ptmx"],
] as const;

const TYPES = { c: fd.S_IFCHR, u: fd.S_IFCHR, b: fd.S_IFBLK, p: fd.S_IFIFO };

/** Makes the nodes; needs umask 0. */
export function makeDevices(root: number, devices: Device[]): void {
  for (const device of devices) {
    const slash = device.path.lastIndexOf("/");
    const name = device.path.slice(slash + 1);
    try {
      using folder = makeInRoot(root, device.path.slice(0, slash) || "/", { last: "directory", mode: 0o755 });
      makeNode(root, folder.fd, name, device);
    } catch (error) {
      throw new RuntimeFailure(`cannot make device ${device.path}: ${reasonOf(error)}`, "setup", { cause: error });
    }
  }
}

function makeNode(root: number, folder: number, name: string, device: Device): void {
  try {
    fd.mknodat(folder, name, TYPES[device.type] | (device.fileMode ?? 0o666), fd.makedev(device.major, device.minor));
    if (device.uid || device.gid) fd.chownat(folder, name, device.uid ?? 0, device.gid ?? 0);
  } catch (error) {
    if (hasCode(error, "EEXIST")) return; // an image's own node, or one asked for twice
    // mknod(2) is refused in user namespaces: then the host's node is bound there.
    if (!hasCode(error, "EPERM")) throw error;
    using target = makeInRoot(root, device.path, { last: "file", mode: 0o666 });
    mount(device.path, target.path, null, MS_BIND);
  }
}

/** Makes /dev/fd, /dev/stdin and so on, where the image or a mount has nothing there. */
export function makeDeviceLinks(root: number): void {
  using dev = openInRoot(root, "/dev", fd.O_PATH | fd.O_DIRECTORY);
  for (const [target, name] of LINKS) {
    if (name === "core" && !exists(fd.AT_FDCWD, "/proc/kcore")) continue;
    // A bare image's own /dev/ptmx would be the host's multiplexer.
    if (name === "ptmx" && exists(dev.fd, name)) call("unlinkat", dev.fd, name, 0);
    try {
      fd.symlinkat(target, dev.fd, name);
    } catch (error) {
      if (!hasCode(error, "EEXIST", "EROFS")) throw error;
    }
  }
}

function exists(dir: number, name: string): boolean {
  try {
    fd.statat(dir, name);
    return true;
  } catch {
    return false;
  }
}
