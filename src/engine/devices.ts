/** Devices of the host that a container gets, and the rules that let it use them. */
import { readdirSync } from "node:fs";
import * as fd from "../../ffi/fd.ts";
import { reasonOf } from "../../ffi/libc.ts";
import type { Device, DeviceRule } from "../runtime/spec.ts";
import type { DeviceRequest } from "../store/container-config.ts";
import { EngineError } from "./errors.ts";

/** Docker's: nothing but making nodes, and the devices that every container has. */
export const DEFAULT_DEVICE_RULES: DeviceRule[] = [
  { allow: false, access: "rwm" },
  { allow: true, type: "c", access: "m" },
  { allow: true, type: "b", access: "m" },
  ...(
    [
      [1, 3], // null
      [1, 5], // zero
      [1, 7], // full
      [1, 8], // random
      [1, 9], // urandom
      [5, 0], // tty
      [5, 1], // console
      [5, 2], // ptmx
      [10, 200], // net/tun
    ] as const
  ).map(([major, minor]): DeviceRule => ({ allow: true, type: "c", major, minor, access: "rwm" })),
  { allow: true, type: "c", major: 136, access: "rwm" }, // pts
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
    return readdirSync(path, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() || entry.isCharacterDevice() || entry.isBlockDevice())
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
