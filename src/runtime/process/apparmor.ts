/** AppArmor: the profile that comes into force at execve (apparmor(7), aa_change_onexec(3)). */

import { AT_FDCWD, O_WRONLY, type OwnedFd, openat, writeAll } from "../../../ffi/fd.ts";
import { existsSync, readFileSync } from "../../../ffi/files.ts";
import { hasCode, reasonOf } from "../../../ffi/libc.ts";
import { RuntimeFailure } from "../errors.ts";

const ENABLED = "/sys/module/apparmor/parameters/enabled";

/** Whether this host's kernel uses AppArmor. */
export function hasAppArmor(): boolean {
  return existsSync(ENABLED) && readFileSync(ENABLED, "latin1").startsWith("Y");
}

/** Opens the file through which this thread asks for a profile; by a path that a container may lack. */
export function openProfileFile(profile: string): OwnedFd {
  if (!hasAppArmor()) throw new RuntimeFailure(`process.apparmorProfile is ${profile}, but this host has no AppArmor`);
  try {
    return openat(AT_FDCWD, "/proc/self/attr/apparmor/exec", O_WRONLY);
  } catch (error) {
    if (!hasCode(error, "ENOENT")) throw error;
    return openat(AT_FDCWD, "/proc/self/attr/exec", O_WRONLY); // before Linux 5.8
  }
}

export function requestProfile(file: OwnedFd, profile: string): void {
  try {
    writeAll(file.fd, Buffer.from(`exec ${profile}`));
    file.close();
  } catch (error) {
    throw new RuntimeFailure(`cannot use AppArmor profile ${profile}: ${reasonOf(error)}`, "setup", { cause: error });
  }
}
