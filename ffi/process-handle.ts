/** A process that cannot be taken for another one that got its number since: by pidfd_open(2), before Linux 5.3 by its folder in /proc. */

import { AT_FDCWD, O_DIRECTORY, O_RDONLY, OwnedFd, openat, POLLIN, poll } from "./fd.ts";
import { readFileSync } from "./files.ts";
import { call, hasCode, tryCall } from "./libc.ts";

/** Milliseconds between looks where the kernel tells nobody. */
const LOOK_INTERVAL = 5;

export class ProcessHandle implements Disposable {
  readonly #pid: number;
  readonly #fd: OwnedFd;
  readonly #isPidfd: boolean;

  private constructor(pid: number, fd: OwnedFd, isPidfd: boolean) {
    this.#pid = pid;
    this.#fd = fd;
    this.#isPidfd = isPidfd;
  }

  /** @throws {SyscallError} ESRCH where there is none; EINVAL for a thread that is none */
  static open(pid: number): ProcessHandle {
    try {
      return new ProcessHandle(pid, new OwnedFd(call("pidfd_open", pid, 0)), true);
    } catch (error) {
      if (!hasCode(error, "ENOSYS")) throw error;
    }
    call("kill", pid, 0);
    return new ProcessHandle(pid, openat(AT_FDCWD, `/proc/${pid}`, O_RDONLY | O_DIRECTORY), false);
  }

  /** @param pidfd of the process, which is this one's from now on */
  static of(pidfd: OwnedFd): ProcessHandle {
    return new ProcessHandle(0, pidfd, true);
  }

  /** Undefined on an old kernel. */
  get pidfd(): OwnedFd | undefined {
    return this.#isPidfd ? this.#fd : undefined;
  }

  /** What poll(2) finds readable once it has ended: none on an old kernel. */
  get descriptors(): number[] {
    return this.#isPidfd ? [this.#fd.fd] : [];
  }

  /** pidfd_send_signal(2). @throws {SyscallError} ESRCH where it has ended */
  signal(signal: number): void {
    if (this.#isPidfd) call("pidfd_send_signal", this.#fd.fd, signal, null, 0);
    else if (!this.#hasEnded()) call("kill", this.#pid, signal);
  }

  /** Blocks this thread until it has ended; false where it did not within `timeout` milliseconds (-1: for ever). */
  wait(timeout: number): boolean {
    if (this.#isPidfd) return poll([{ fd: this.#fd.fd, events: POLLIN }], timeout)[0] === true;
    const deadline = timeout < 0 ? Number.POSITIVE_INFINITY : performance.now() + timeout;
    while (!this.#hasEnded()) {
      if (performance.now() >= deadline) return false;
      Bun.sleepSync(LOOK_INTERVAL);
    }
    return true;
  }

  /**
   * How it ended, from 6.15 on also where it is nobody's child here (ioctl PIDFD_GET_INFO, linux/pidfd.h).
   *
   * @returns a wait status as of wait(2); undefined where the kernel does not tell
   */
  exitStatus(): number | undefined {
    const PIDFD_GET_INFO = 0xc040ff0b; // _IOWR(0xFF, 11, 64 bytes)
    const PIDFD_INFO_EXIT = 8n;
    const info = Buffer.alloc(64); // struct pidfd_info: mask, cgroupid, ids, exit_code at its end
    info.writeBigUInt64LE(PIDFD_INFO_EXIT, 0);
    if (tryCall("ioctl", this.#fd.fd, PIDFD_GET_INFO, info) < 0) return undefined;
    return info.readBigUInt64LE(0) & PIDFD_INFO_EXIT ? info.readInt32LE(60) : undefined;
  }

  [Symbol.dispose](): void {
    this.#fd.close();
  }

  // The folder stays that process's: once it is gone, its files cannot be read.
  #hasEnded(): boolean {
    try {
      const stat = readFileSync(`/proc/self/fd/${this.#fd.fd}/stat`, "latin1");
      return stat.charAt(stat.lastIndexOf(")") + 2) === "Z";
    } catch {
      return true;
    }
  }
}
