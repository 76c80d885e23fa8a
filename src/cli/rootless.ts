/**
 * Berth for an ordinary user: the same engine, as root of a user namespace that all of the
 * user's commands and monitors are in. One small process holds it as long as any of those
 * lives, and ends with the last of them.
 */

import * as fd from "../../ffi/fd.ts";
import { lstatSync, mkdirSync, readFileSync, writeFileSync } from "../../ffi/files.ts";
import { findProgram } from "../../ffi/host.ts";
import { hasCode } from "../../ffi/libc.ts";
import { join } from "../../ffi/path.ts";
import { execveDescriptor } from "../../ffi/process.ts";
import { usernsProgram, writeMappings } from "../runtime/id-mapping.ts";
import { ROOTLESS_ALIVE, ROOTLESS_UID } from "../store/layout.ts";
import { CommandFailure } from "./errors.ts";

/** Where the holder is: its number, and a fifo that whoever is in the namespace has open for writing. */
const HOLDER = "holder";
const FIFO = "alive";
const LOCK = "lock";

/** Becomes the same command again, in the user's namespace. Throws {@link CommandFailure} where there can be none. */
export function enterRootless(): never {
  const uid = process.geteuid?.() ?? 0;
  const folder = runFolder(uid);
  using lock = fd.openat(fd.AT_FDCWD, join(folder, LOCK), fd.O_RDONLY | fd.O_CREAT, 0o600);
  fd.lock(lock.fd);
  const alive = openAlive(folder) ?? hold(folder, uid);
  const pid = Number(readFileSync(join(folder, HOLDER), "latin1"));
  const namespace = fd.openat(fd.AT_FDCWD, `/proc/${pid}/ns/user`, fd.O_RDONLY);
  lock.close();
  const program = usernsProgram();
  const self = fd.openat(fd.AT_FDCWD, "/proc/self/exe", fd.O_RDONLY);
  for (const file of [alive, namespace, self]) fd.dup2(file.fd, file.fd);
  const env = { ...process.env, [ROOTLESS_UID]: String(uid), [ROOTLESS_ALIVE]: join(folder, FIFO) };
  execveDescriptor(
    program.fd,
    ["berth-userns", "enter", String(namespace.fd), String(self.fd), process.argv0, ...process.argv.slice(2)],
    Object.entries(env).map(([name, value]) => `${name}=${value}`),
  );
  throw new Error("unreachable");
}

// Nobody else may have made it: what is in it says which namespace is entered.
function runFolder(uid: number): string {
  const parent = process.env.XDG_RUNTIME_DIR;
  const folder = parent ? join(parent, "berth") : `/tmp/berth-${uid}`;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const status = lstatSync(folder);
  if (!status.isDirectory() || status.uid !== uid || (status.mode & 0o077) !== 0)
    throw new CommandFailure(`${folder} is not a folder of user ${uid} alone: expected one with mode 700`, 125);
  return folder;
}

/** The fifo of a holder that lives. */
function openAlive(folder: string): fd.OwnedFd | undefined {
  try {
    return fd.openat(fd.AT_FDCWD, join(folder, FIFO), fd.O_WRONLY | fd.O_NONBLOCK);
  } catch (error) {
    if (hasCode(error, "ENOENT", "ENXIO")) return undefined;
    throw error;
  }
}

function hold(folder: string, uid: number): fd.OwnedFd {
  try {
    fd.mknodat(fd.AT_FDCWD, join(folder, FIFO), fd.S_IFIFO | 0o600, 0);
  } catch (error) {
    if (!hasCode(error, "EEXIST")) throw error;
  }
  using reading = fd.openat(fd.AT_FDCWD, join(folder, FIFO), fd.O_RDONLY | fd.O_NONBLOCK);
  const alive = fd.openat(fd.AT_FDCWD, join(folder, FIFO), fd.O_WRONLY);
  fd.setNonblocking(reading.fd, false);
  using program = usernsProgram();
  const ready = fd.pipe();
  const child = Bun.spawn([program.path, "hold", join(folder, LOCK)], {
    argv0: "berth-rootless",
    cwd: "/",
    env: {},
    detached: true,
    stdio: [reading.fd, ready.write.fd, "ignore"],
  });
  child.unref();
  ready.write.close();
  const isThere = fd.readExactly(ready.read.fd, 1).length === 1;
  ready.read.close();
  if (!isThere) {
    throw new CommandFailure(
      "this kernel or its configuration lets users make no user namespaces (user.max_user_namespaces, kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns): run berth as root",
      125,
    );
  }
  map(child.pid, uid);
  writeFileSync(join(folder, HOLDER), String(child.pid), { mode: 0o600 });
  return alive;
}

// With the user's subordinate ids where there are some and the helpers that may give them; else he alone is mapped.
function map(pid: number, uid: number): void {
  const gid = process.getegid?.() ?? 0;
  const helped = (["newuidmap", "newgidmap"] as const).every((helper, i) => {
    const ranges = subordinate(["/etc/subuid", "/etc/subgid"][i] as string, uid);
    if (ranges.length === 0 || !findProgram(helper)) return false;
    let next = 1;
    const args = ranges.flatMap(({ first, size }) => {
      next += size;
      return [String(next - size), String(first), String(size)];
    });
    return Bun.spawnSync([helper, String(pid), "0", String(i === 0 ? uid : gid), "1", ...args], { stderr: "ignore" }).exitCode === 0;
  });
  if (helped || readFileSync(`/proc/${pid}/uid_map`, "latin1") !== "") return;
  writeFileSync(`/proc/${pid}/setgroups`, "deny");
  writeMappings(pid, [{ containerID: 0, hostID: uid, size: 1 }], [{ containerID: 0, hostID: gid, size: 1 }]);
}

function subordinate(file: string, uid: number): { first: number; size: number }[] {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch {
    return [];
  }
  const username = nameOf(uid);
  return [...text.matchAll(/^([^:\s]+):(\d+):(\d+)$/gm)].flatMap(([, owner, first, size]) =>
    owner === username || owner === String(uid) ? [{ first: Number(first), size: Number(size) }] : [],
  );
}

// Bun's userInfo() knows what USER says.
function nameOf(uid: number): string | undefined {
  let text: string;
  try {
    text = readFileSync("/etc/passwd", "utf8");
  } catch {
    return undefined; // a machine without users
  }
  const users = text.split("\n");
  return users.map((line) => line.split(":")).find((fields) => fields[2] === String(uid))?.[0];
}
