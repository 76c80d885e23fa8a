/** Users and groups as the container's own /etc/passwd and /etc/group have them. */
import { AT_FDCWD, O_NONBLOCK, O_RDONLY, openat, readExactly, S_IFMT, S_IFREG, statat } from "../../../ffi/fd.ts";
import type { NamedUser } from "../channel.ts";
import { RuntimeFailure } from "../errors.ts";

/** Ids as numbers, and the home folder. */
export interface ResolvedUser {
  uid: number;
  gid: number;
  additionalGids: number[];
  home: string;
}

const MAX_ID = 0xfffffffe;
const MAX_FILE = 16 << 20; // bytes of a passwd or group file that are read

/** Fields of a file of `a:b:c` lines; lines that are broken are left out, as the C library does. */
function records(text: string, fields: number): string[][] {
  return text
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => line.split(":"))
    .filter((record) => record.length >= fields);
}

const isNumber = (text: string) => /^\d+$/.test(text);

function parseId(text: string, what: string): number {
  const id = Number(text);
  if (id > MAX_ID) throw new RuntimeFailure(`${what} ${text} is out of range: expected 0 to ${MAX_ID}`);
  return id;
}

/**
 * Resolves `user[:group]` and more groups as docker does: names by the files,
 * numbers also without an entry; the user's own groups only where no group is given.
 */
export function resolveUser({ user, groups }: NamedUser, passwd: string, group: string): ResolvedUser {
  const [name, groupName] = splitOnce(user);
  const users = records(passwd, 7);
  const allGroups = records(group, 4);
  // A name that is a number is looked up as a name first, as docker does.
  const entry = users.find((u) => u[0] === name) ?? (isNumber(name) ? users.find((u) => Number(u[2]) === Number(name)) : undefined);
  if (!entry && !isNumber(name)) throw new RuntimeFailure(`unable to find user ${name}: no matching entries in passwd file`);
  const uid = entry ? Number(entry[2]) : parseId(name, "user");
  const groupId = (wanted: string): number => {
    const found = allGroups.find((g) => g[0] === wanted);
    if (found) return Number(found[2]);
    if (!isNumber(wanted)) throw new RuntimeFailure(`unable to find group ${wanted}: no matching entries in group file`);
    return parseId(wanted, "group");
  };
  const gid = groupName !== undefined ? groupId(groupName) : entry ? Number(entry[3]) : 0;
  const own = groupName === undefined && entry ? allGroups.filter((g) => g[3]?.split(",").includes(entry[0] ?? "")).map((g) => Number(g[2])) : [];
  // The main one among them: else a setgid program could let go of it, and a file that denies it to its group would be open (CVE-2022-36109).
  const additionalGids = [...new Set([gid, ...own, ...groups.map(groupId)])].filter((id) => Number.isInteger(id));
  return { uid, gid, additionalGids, home: entry?.[5] || "/" };
}

// Without a user it is root, as in `:GROUP`.
function splitOnce(user: string): [string, string | undefined] {
  const [name, group] = user.split(/:(.*)/s, 2);
  return [name || "0", group || undefined];
}

/** Reads a file of the container, already its root; anything but a regular file reads as empty (a FIFO would block). */
export function readContainerFile(path: string): string {
  try {
    using file = openat(AT_FDCWD, path, O_RDONLY | O_NONBLOCK);
    const status = statat(file.fd, "");
    if ((status.mode & S_IFMT) !== S_IFREG) return "";
    return readExactly(file.fd, Math.min(Number(status.size), MAX_FILE)).toString();
  } catch {
    return "";
  }
}
