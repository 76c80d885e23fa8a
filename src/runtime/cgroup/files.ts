/** Reading and writing the files of cgroupfs. */
import { AT_FDCWD, AT_REMOVEDIR, O_WRONLY, openat, S_IFDIR } from "../../../ffi/fd.ts";
import { closeSync, mkdirSync, openSync, readFileSync, readFolder, rmdirSync, writeSync } from "../../../ffi/files.ts";
import { hasCode, reasonOf, tryCalls } from "../../../ffi/libc.ts";
import { join } from "../../../ffi/path.ts";
import { CgroupError } from "./cgroup.ts";

const ENOENT = 2;

/** Writes a file that must be there: cgroupfs answers EPERM to O_CREAT, which would hide ENOENT. */
export function writeControl(path: string, value: string): void {
  const fd = openSync(path, O_WRONLY);
  try {
    writeSync(fd, value);
  } finally {
    closeSync(fd);
  }
}

/** Writes one value; the error names the limit a user asked for, not only the file. */
export function writeLimit(folder: string, file: string, value: string | number, limit: string): void {
  writeLimits(folder, file, [String(value)], limit);
}

/** Writes values, one after the other; see {@link writeLimit}. */
export function writeLimits(folder: string, file: string, values: string[], limit: string): void {
  let written = 0;
  try {
    using control = openat(AT_FDCWD, `${folder}/${file}`, O_WRONLY);
    for (; written < values.length; written++) writeSync(control.fd, values[written] as string);
  } catch (error) {
    if (hasCode(error, "ENOENT")) throw new CgroupError(`cannot limit ${limit}: this kernel's cgroup has no ${file}`);
    throw new CgroupError(`cannot limit ${limit} to ${values[written]}: ${reasonOf(error)} (writing ${folder}/${file})`);
  }
}

export function readNumber(folder: string, file: string): number {
  try {
    return Number(readFileSync(`${folder}/${file}`, "utf8"));
  } catch {
    return 0;
  }
}

/** A value of a file of `key value` lines; 0 where there is none. */
export function readKeyed(folder: string, file: string, key: string): number {
  try {
    const line = readFileSync(`${folder}/${file}`, "utf8")
      .split("\n")
      .find((l) => l.startsWith(`${key} `));
    return Number(line?.slice(key.length + 1) ?? 0);
  } catch {
    return 0;
  }
}

export function readPids(folder: string): number[] {
  try {
    return readFileSync(`${folder}/cgroup.procs`, "utf8").split("\n").filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

export function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o755 });
  } catch (error) {
    throw new CgroupError(`cannot make cgroup ${path}: ${reasonOf(error)}`);
  }
}

/** Removes cgroups, as far as they are there; see {@link removeFolder}. */
export function removeFolders(paths: string[]): void {
  const results = tryCalls(paths.map((path) => ["unlinkat", AT_FDCWD, path, AT_REMOVEDIR]));
  for (const [i, result] of results.entries()) if (result < 0 && result !== -ENOENT) removeFolder(paths[i] as string);
}

/** Removes a cgroup, with those that somebody made below it; a dying process holds it for a moment longer. */
export function removeFolder(path: string): void {
  for (let attempt = 0; attempt < 200; attempt++) {
    try {
      rmdirSync(path);
      return;
    } catch (error) {
      if (hasCode(error, "ENOENT", "ENODEV")) return;
      if (!hasCode(error, "EBUSY")) throw new CgroupError(`cannot remove cgroup ${path}: ${reasonOf(error)}`);
      if (attempt === 0) for (const below of foldersIn(path)) removeFolder(join(path, below));
      Bun.sleepSync(attempt < 20 ? 1 : 10);
    }
  }
}

/** Names of the cgroups below one. */
export function foldersIn(path: string): string[] {
  try {
    return readFolder(path).flatMap(({ name, type }) => (type === S_IFDIR ? [name] : []));
  } catch (error) {
    if (hasCode(error, "ENOENT", "ENODEV")) return [];
    throw error;
  }
}

/** Ends everything `pids` lists, again and again until it lists nothing; bounded at about two seconds. */
export function killUntilEmpty(pids: () => number[], round: (pids: number[]) => void): void {
  for (let attempt = 0; attempt < 200; attempt++) {
    const alive = pids();
    if (alive.length === 0) return;
    round(alive);
    Bun.sleepSync(attempt < 20 ? 1 : 10);
  }
}
