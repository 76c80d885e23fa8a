/** The init of `--init`: ffi/reaper.c, out of this executable. */
import { type OwnedFd, sealedFile } from "../../../ffi/fd.ts";
import { reasonOf } from "../../../ffi/libc.ts";
import { RuntimeFailure } from "../errors.ts";

/** The program, sealed: what runs as PID 1 of a container must not be written through /proc/1/exe. */
export function openReaper(): OwnedFd {
  try {
    return sealedFile("berth-init", Buffer.from(BERTH_REAPER, "base64"));
  } catch (error) {
    throw new RuntimeFailure(`cannot make the container's init: ${reasonOf(error)}`, "setup", { cause: error });
  }
}
