/** User namespaces that stand for a mapping of ids: what idmapped mounts are given. */

import { AT_FDCWD, O_RDONLY, type OwnedFd, openat, pipe, readExactly, sealedFile } from "../../ffi/fd.ts";
import { writeFileSync } from "../../ffi/files.ts";
import { reasonOf } from "../../ffi/libc.ts";
import { RuntimeFailure } from "./errors.ts";
import type { IdMapping } from "./spec.ts";

/** The compiled ffi/userns.c, ready to run. */
export function usernsProgram(): OwnedFd {
  return sealedFile("berth-userns", Buffer.from(BERTH_USERNS, "base64"));
}

/** Writes the mappings of a process's user namespace (user_namespaces(7)). */
export function writeMappings(pid: number, uids: IdMapping[], gids: IdMapping[]): void {
  writeFileSync(`/proc/${pid}/uid_map`, format(uids));
  writeFileSync(`/proc/${pid}/gid_map`, format(gids));
}

const format = (mappings: IdMapping[]) => mappings.map(({ containerID, hostID, size }) => `${containerID} ${hostID} ${size}\n`).join("");

/** Opens a user namespace with these mappings and nothing in it. Throws {@link RuntimeFailure}. */
export function openIdMapping(uids: IdMapping[], gids: IdMapping[]): OwnedFd {
  try {
    using program = usernsProgram();
    const input = pipe();
    const output = pipe();
    const child = Bun.spawn([program.path, "hold"], { argv0: "berth-userns", cwd: "/", env: {}, stdio: [input.read.fd, output.write.fd, "ignore"] });
    for (const fd of [input.read, output.write]) fd.close();
    try {
      if (readExactly(output.read.fd, 1).length === 0) throw new Error("this kernel or its configuration allows no user namespaces");
      writeMappings(child.pid, uids, gids);
      return openat(AT_FDCWD, `/proc/${child.pid}/ns/user`, O_RDONLY);
    } finally {
      input.write.close();
      output.read.close();
      child.kill("SIGKILL");
    }
  } catch (error) {
    throw new RuntimeFailure(`cannot make an id mapping: ${reasonOf(error)}`, "setup", { cause: error });
  }
}
