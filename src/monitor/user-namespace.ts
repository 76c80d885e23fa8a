/** The namespace that an ordinary user's containers and their monitors are in: src/cli/rootless.ts. */
import { AT_FDCWD, O_NONBLOCK, O_WRONLY, type OwnedFd, openat } from "../../ffi/fd.ts";
import { ROOTLESS_ALIVE } from "../store/layout.ts";

/** It stays as long as somebody has this open; undefined where it is the machine's own. */
export function keepNamespace(): OwnedFd | undefined {
  const alive = process.env[ROOTLESS_ALIVE];
  return alive === undefined ? undefined : openat(AT_FDCWD, alive, O_WRONLY | O_NONBLOCK);
}
