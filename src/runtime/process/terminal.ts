/** A terminal of the container's own devpts as standard input, output and error. */
import { AT_FDCWD, dup2, fileSystemType, O_PATH, type OwnedFd, openat } from "../../../ffi/fd.ts";
import { makeInRoot } from "../../../ffi/in-root.ts";
import { hasCode, reasonOf } from "../../../ffi/libc.ts";
import { MS_BIND, mount } from "../../../ffi/mount.ts";
import { openPseudoTerminal, setControllingTerminal, setWindowSize } from "../../../ffi/tty.ts";
import { RuntimeFailure } from "../errors.ts";
import type { Process } from "../spec.ts";

const DEVPTS_SUPER_MAGIC = 0x1cd1; // linux/magic.h

/**
 * Opens a terminal and makes it this session's; needs setsid(2) before.
 *
 * @param console whether it also becomes /dev/console
 * @returns the master, for whoever sits outside
 */
export function openTerminal(size: Process["consoleSize"], console: boolean): OwnedFd {
  try {
    using folder = openat(AT_FDCWD, "/dev/pts", O_PATH);
    // In a running container anything may lie at that path by now.
    if (fileSystemType(folder.fd) !== DEVPTS_SUPER_MAGIC) throw new RuntimeFailure("/dev/pts in the container is not a devpts file system");
    const { master, slave, index } = openPseudoTerminal(folder.fd, "ptmx");
    if (size) setWindowSize(slave.fd, { rows: size.height, columns: size.width });
    if (console) mountConsole(index);
    setControllingTerminal(slave.fd);
    for (const fd of [0, 1, 2]) dup2(slave.fd, fd);
    slave.close();
    return master;
  } catch (error) {
    if (error instanceof RuntimeFailure) throw error;
    throw new RuntimeFailure(`cannot open a terminal in the container: ${reasonOf(error)}`, "setup", { cause: error });
  }
}

function mountConsole(index: number): void {
  using root = openat(AT_FDCWD, "/", O_PATH);
  try {
    using target = makeInRoot(root.fd, "/dev/console", { last: "file", mode: 0o600 });
    mount(`/dev/pts/${index}`, target.path, null, MS_BIND);
  } catch (error) {
    if (!hasCode(error, "EROFS")) throw error; // an image's own read-only /dev without one
  }
}
