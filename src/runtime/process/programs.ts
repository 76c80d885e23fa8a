/** Small programs out of this executable that take init's place: ffi/reaper.c for `--init`, ffi/exec.c else. */
import { type OwnedFd, sealedFile } from "../../../ffi/fd.ts";
import { reasonOf } from "../../../ffi/libc.ts";
import { RuntimeFailure } from "../errors.ts";

/** PID 1 of `--init`. */
export const openReaper = (): OwnedFd => open("berth-init", BERTH_REAPER);

/** What becomes the command. */
export const openExec = (): OwnedFd => open("berth-exec", BERTH_EXEC);

// Sealed: what runs in a container must not be written through /proc/PID/exe.
function open(name: string, program: string): OwnedFd {
  try {
    return sealedFile(name, Uint8Array.fromBase64(program));
  } catch (error) {
    throw new RuntimeFailure(`cannot make the container's init: ${reasonOf(error)}`, "setup", { cause: error });
  }
}
