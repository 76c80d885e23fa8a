/** Mount options as OCI and mount(8) write them. */
import * as m from "../../../ffi/mount.ts";

/** What a list of options means. */
export interface MountOptions {
  /** MS_* bits for mount(2). */
  flags: number;
  /** MS_* propagation changes, each applied by a call of its own. */
  propagation: number[];
  /** What is left, for the file system itself. */
  data: string;
  /** MOUNT_ATTR_* changes for the whole tree (`rro` and its like). */
  recursive: { set: number; clear: number };
  /** Fill a tmpfs or an empty volume from what the image has there. */
  copyUp: boolean;
  /** Whether id mappings hold for mounts below too (`ridmap`). */
  recursiveMapping: boolean;
}

const FLAGS: Record<string, [clear: boolean, flag: number]> = {
  async: [true, m.MS_SYNCHRONOUS],
  atime: [true, m.MS_NOATIME],
  bind: [false, m.MS_BIND],
  defaults: [false, 0],
  dev: [true, m.MS_NODEV],
  diratime: [true, m.MS_NODIRATIME],
  dirsync: [false, m.MS_DIRSYNC],
  exec: [true, m.MS_NOEXEC],
  iversion: [false, m.MS_I_VERSION],
  lazytime: [false, m.MS_LAZYTIME],
  loud: [true, m.MS_SILENT],
  mand: [false, m.MS_MANDLOCK],
  noatime: [false, m.MS_NOATIME],
  nodev: [false, m.MS_NODEV],
  nodiratime: [false, m.MS_NODIRATIME],
  noexec: [false, m.MS_NOEXEC],
  noiversion: [true, m.MS_I_VERSION],
  nolazytime: [true, m.MS_LAZYTIME],
  nomand: [true, m.MS_MANDLOCK],
  norelatime: [true, m.MS_RELATIME],
  nostrictatime: [true, m.MS_STRICTATIME],
  nosuid: [false, m.MS_NOSUID],
  nosymfollow: [false, m.MS_NOSYMFOLLOW],
  rbind: [false, m.MS_BIND | m.MS_REC],
  relatime: [false, m.MS_RELATIME],
  remount: [false, m.MS_REMOUNT],
  ro: [false, m.MS_RDONLY],
  rw: [true, m.MS_RDONLY],
  silent: [false, m.MS_SILENT],
  strictatime: [false, m.MS_STRICTATIME],
  suid: [true, m.MS_NOSUID],
  symfollow: [true, m.MS_NOSYMFOLLOW],
  sync: [false, m.MS_SYNCHRONOUS],
};

/** Propagation by its name in mount options and in `rootfsPropagation`. */
export const PROPAGATION: Record<string, number> = {
  private: m.MS_PRIVATE,
  rprivate: m.MS_PRIVATE | m.MS_REC,
  shared: m.MS_SHARED,
  rshared: m.MS_SHARED | m.MS_REC,
  slave: m.MS_SLAVE,
  rslave: m.MS_SLAVE | m.MS_REC,
  unbindable: m.MS_UNBINDABLE,
  runbindable: m.MS_UNBINDABLE | m.MS_REC,
};

const RECURSIVE: Record<string, [clear: boolean, attribute: number]> = {
  rro: [false, m.MOUNT_ATTR_RDONLY],
  rrw: [true, m.MOUNT_ATTR_RDONLY],
  rnosuid: [false, m.MOUNT_ATTR_NOSUID],
  rsuid: [true, m.MOUNT_ATTR_NOSUID],
  rnodev: [false, m.MOUNT_ATTR_NODEV],
  rdev: [true, m.MOUNT_ATTR_NODEV],
  rnoexec: [false, m.MOUNT_ATTR_NOEXEC],
  rexec: [true, m.MOUNT_ATTR_NOEXEC],
  rnodiratime: [false, m.MOUNT_ATTR_NODIRATIME],
  rdiratime: [true, m.MOUNT_ATTR_NODIRATIME],
  rnosymfollow: [false, m.MOUNT_ATTR_NOSYMFOLLOW],
  rsymfollow: [true, m.MOUNT_ATTR_NOSYMFOLLOW],
};

const RECURSIVE_ATIME: Record<string, number> = {
  rrelatime: 0,
  rnoatime: m.MOUNT_ATTR_NOATIME,
  rstrictatime: m.MOUNT_ATTR_STRICTATIME,
};

/** All options that mean something here and not to a file system. */
export const MOUNT_OPTIONS: string[] = [
  ...Object.keys(FLAGS),
  ...Object.keys(PROPAGATION),
  ...Object.keys(RECURSIVE),
  ...Object.keys(RECURSIVE_ATIME),
  "tmpcopyup",
].sort();

/** Reads a list of options; what is no option of a mount is data of the file system. */
export function parseMountOptions(options: string[]): MountOptions {
  const result: MountOptions = { flags: 0, propagation: [], data: "", recursive: { set: 0, clear: 0 }, copyUp: false, recursiveMapping: false };
  const data: string[] = [];
  for (const option of options) {
    const flag = FLAGS[option];
    const recursive = RECURSIVE[option];
    const atime = RECURSIVE_ATIME[option];
    if (flag) result.flags = flag[0] ? result.flags & ~flag[1] : result.flags | flag[1];
    else if (PROPAGATION[option] !== undefined) result.propagation.push(PROPAGATION[option]);
    else if (recursive) result.recursive[recursive[0] ? "clear" : "set"] |= recursive[1];
    else if (atime !== undefined) {
      result.recursive.set |= atime;
      result.recursive.clear |= m.MOUNT_ATTR__ATIME;
    } else if (option === "tmpcopyup" || option === "copyup") result.copyUp = true;
    else if (option === "ridmap") result.recursiveMapping = true;
    else if (option !== "nocopy" && option !== "idmap") data.push(option);
  }
  result.data = data.join(",");
  return result;
}
