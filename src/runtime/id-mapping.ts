/** User namespaces that stand for a mapping of ids: what idmapped mounts are given. */
import { writeFileSync } from "node:fs";
import { AT_FDCWD, O_RDONLY, type OwnedFd, openat, pipe, readExactly, sealedFile } from "../../ffi/fd.ts";
import { reasonOf } from "../../ffi/libc.ts";
import { RuntimeFailure } from "./errors.ts";
import type { IdMapping } from "./spec.ts";

const format = (mappings: IdMapping[]) => mappings.map(({ containerID, hostID, size }) => `${containerID} ${hostID} ${size}\n`).join("");

/** Opens a user namespace with these mappings and nothing in it. Throws {@link RuntimeFailure}. */
export function openIdMapping(uids: IdMapping[], gids: IdMapping[]): OwnedFd {
  try {
    using program = sealedFile("berth-userns", Buffer.from(BERTH_USERNS, "base64"));
    const input = pipe();
    const output = pipe();
    const child = Bun.spawn([program.path], { argv0: "berth-userns", cwd: "/", env: {}, stdio: [input.read.fd, output.write.fd, "ignore"] });
    for (const fd of [input.read, output.write]) fd.close();
    try {
      if (readExactly(output.read.fd, 1).length === 0) throw new Error("this kernel or its configuration allows no user namespaces");
      writeFileSync(`/proc/${child.pid}/uid_map`, format(uids));
      writeFileSync(`/proc/${child.pid}/gid_map`, format(gids));
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
