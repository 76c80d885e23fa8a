/** Device nodes and the links every program expects in /dev. */
import * as fd from "../../../ffi/fd.ts";
import { existsSync } from "../../../ffi/files.ts";
import { makeInRoot, openInRoot } from "../../../ffi/in-root.ts";
import { type Call, failureOf, reasonOf, tryCalls } from "../../../ffi/libc.ts";
import { MS_BIND, mount } from "../../../ffi/mount.ts";
import { RuntimeFailure } from "../errors.ts";
import type { Device } from "../spec.ts";

const LINKS = [
  ["/proc/self/fd", "fd"],
  ["/proc/self/fd/0", "stdin"],
  ["/proc/self/fd/1", "stdout"],
  ["/proc/self/fd/2", "stderr"],
  ["/proc/kcore", "core"],
  ["pts/ptmx", "ptmx"],
] as const;

const EPERM = 1;
const ENOENT = 2;
const EEXIST = 17;
const EROFS = 30;

const TYPES = { c: fd.S_IFCHR, u: fd.S_IFCHR, b: fd.S_IFBLK, p: fd.S_IFIFO };

/** Makes the nodes; needs umask 0. */
export function makeDevices(root: number, devices: Device[]): void {
  const folders = new Map<string, Device[]>();
  for (const device of devices) {
    const folder = device.path.slice(0, device.path.lastIndexOf("/")) || "/";
    const others = folders.get(folder);
    if (others) others.push(device);
    else folders.set(folder, [device]);
  }
  for (const [path, nodes] of folders) makeNodes(root, path, nodes);
}

function makeNodes(root: number, path: string, devices: Device[]): void {
  try {
    using folder = makeInRoot(root, path, { last: "directory", mode: 0o755 });
    const results = tryCalls(devices.map((device) => makeNode(folder.fd, device)));
    for (const [i, result] of results.entries()) finishNode(root, folder.fd, devices[i] as Device, result);
  } catch (error) {
    if (error instanceof RuntimeFailure) throw error;
    throw cannotMake(devices[0] as Device, error);
  }
}

const nameOf = ({ path }: Device) => path.slice(path.lastIndexOf("/") + 1);

const makeNode = (folder: number, device: Device): Call => [
  "mknodat",
  folder,
  nameOf(device),
  TYPES[device.type] | (device.fileMode ?? 0o666),
  fd.makedev(device.major, device.minor),
];

function cannotMake({ path }: Device, error: unknown): RuntimeFailure {
  return new RuntimeFailure(`cannot make device ${path}: ${reasonOf(error)}`, "setup", { cause: error });
}

// `result` is what mknodat(2) gave.
function finishNode(root: number, folder: number, device: Device, result: number): void {
  try {
    if (result === -EEXIST) return; // an image's own node, or one asked for twice
    if (result === -EPERM) {
      // mknod(2) is refused in user namespaces: then the host's node is bound there.
      using target = makeInRoot(root, device.path, { last: "file", mode: 0o666 });
      mount(device.path, target.path, null, MS_BIND);
    } else if (result < 0) throw failureOf(result, ...makeNode(folder, device));
    else if (device.uid || device.gid) fd.chownat(folder, nameOf(device), device.uid ?? 0, device.gid ?? 0);
  } catch (error) {
    throw cannotMake(device, error);
  }
}

/** Makes /dev/fd, /dev/stdin and so on, where the image or a mount has nothing there. */
export function makeDeviceLinks(root: number): void {
  using dev = openInRoot(root, "/dev", fd.O_PATH | fd.O_DIRECTORY);
  const links = LINKS.filter(([target, name]) => name !== "core" || existsSync(target));
  // A bare image's own /dev/ptmx would be the host's multiplexer.
  const calls: Call[] = [["unlinkat", dev.fd, "ptmx", 0], ...links.map(([target, name]): Call => ["symlinkat", target, dev.fd, name])];
  for (const [i, result] of tryCalls(calls).entries()) {
    const isFine = result >= 0 || (i === 0 ? [-ENOENT] : [-EEXIST, -EROFS]).includes(result);
    if (!isFine) throw failureOf(result, ...(calls[i] as Call));
  }
}
