/** Devices of the host that a container gets, and the rules that let it use them. */

import * as fd from "../../ffi/fd.ts";
import { readFolder } from "../../ffi/files.ts";
import { reasonOf } from "../../ffi/libc.ts";
import { DEFAULT_RULES } from "../runtime/default-devices.ts";
import type { Device, DeviceRule } from "../runtime/spec.ts";
import type { DeviceRequest } from "../store/container-config.ts";
import { EngineError } from "./errors.ts";

/** Docker's: nothing but what every container has, and tunnels. */
export const DEFAULT_DEVICE_RULES: DeviceRule[] = [
  { allow: false, access: "rwm" },
  ...DEFAULT_RULES,
  { allow: true, type: "c", major: 5, minor: 1, access: "rwm" }, // console
  { allow: true, type: "c", major: 10, minor: 200, access: "rwm" }, // net/tun
];

/** What `--device` asks for, with the numbers found on the host; a folder stands for all devices in it. */
export function addressableDevices(requests: DeviceRequest[]): (Device & { access: string })[] {
  return requests.flatMap(({ host, container, access }) => {
    try {
      return collect(host, container).map((device) => ({ ...device, access }));
    } catch (error) {
      throw new EngineError(`error gathering device information while adding custom device "${host}": ${reasonOf(error)}`);
    }
  });
}

/** The numbers of a block device that is to be limited. Throws {@link EngineError}. */
export function deviceNumber(path: string): { major: number; minor: number } {
  const [device] = addressableDevices([{ host: path, container: path, access: "" }]);
  if (device?.type !== "b") throw new EngineError(`cannot limit ${path}: it is no block device`);
  return { major: device.major, minor: device.minor };
}

/** Every node below /dev, for `--privileged`; what each container has of its own is left out. */
export function allHostDevices(): Device[] {
  return collect("/dev", "/dev").filter(({ path }) => !/^\/dev\/(pts|shm|fd|mqueue|console|ptmx|tty|null|zero|full|u?random)(\/|$)/.test(path));
}

function collect(path: string, name: string): Device[] {
  // The link itself would be taken for no device; who names one means its target.
  using file = fd.openat(fd.AT_FDCWD, path, fd.O_PATH);
  const status = fd.statat(file.fd, "");
  const type = status.mode & fd.S_IFMT;
  if (type === fd.S_IFDIR) {
    return readFolder(path)
      .filter((entry) => [fd.S_IFDIR, fd.S_IFCHR, fd.S_IFBLK].includes(entry.type))
      .filter((entry) => !(path === "/dev" && ["pts", "shm", "mqueue"].includes(entry.name)))
      .flatMap((entry) => collect(`${path}/${entry.name}`, `${name}/${entry.name}`));
  }
  if (type !== fd.S_IFCHR && type !== fd.S_IFBLK) throw new EngineError("not a device node");
  return [
    {
      type: type === fd.S_IFBLK ? "b" : "c",
      path: name,
      major: status.rdevMajor,
      minor: status.rdevMinor,
      fileMode: status.mode & 0o777,
      uid: status.uid,
      gid: status.gid,
    },
  ];
}
