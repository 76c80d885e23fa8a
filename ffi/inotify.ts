/** Waiting for changes of files (inotify(7)). */
import { O_NONBLOCK, OwnedFd, POLLIN, poll } from "./fd.ts";
import { call, tryCall } from "./libc.ts";

/** linux/inotify.h */
export const IN_MODIFY = 0x2;
export const IN_MOVED_TO = 0x80;
export const IN_CREATE = 0x100;

/**
 * A descriptor that is readable once something happened to one of the files. For its end the kernel waits up to some 20 ms
 * (synchronize_srcu in fs/notify/mark.c), also where that is the process's: it is for who has to wait anyway.
 */
export class FileWatch implements Disposable {
  readonly #fd: OwnedFd;

  constructor() {
    const IN_CLOEXEC = 0o2000000;
    this.#fd = new OwnedFd(call("inotify_init1", IN_CLOEXEC | O_NONBLOCK));
  }

  /** Watches a file, or what is in a folder. Gives the number by which {@link wait} tells of it. Throws where it is not there. */
  add(path: string, events: number): number {
    return call("inotify_add_watch", this.#fd.fd, path, events);
  }

  /**
   * Blocks this thread until something happened to a file or to one of the other
   * descriptors, at most `timeout` milliseconds (-1: for ever). Events are counted as
   * one: what was read before the last call may be old.
   *
   * @returns to what something happened
   */
  wait(timeout: number, others: number[] = []): Set<number> {
    poll(
      [this.#fd.fd, ...others].map((fd) => ({ fd, events: POLLIN })),
      timeout,
    );
    const buffer = Buffer.alloc(4096);
    const changed = new Set<number>();
    for (let n = this.#read(buffer); n > 0; n = this.#read(buffer)) {
      // struct inotify_event: number, events, cookie, length of the name, name.
      for (let at = 0; at < n; at += 16 + buffer.readUInt32LE(at + 12)) changed.add(buffer.readInt32LE(at));
    }
    return changed;
  }

  #read(buffer: Buffer): number {
    return tryCall("read", this.#fd.fd, buffer, buffer.length);
  }

  [Symbol.dispose](): void {
    this.#fd.close();
  }
}
