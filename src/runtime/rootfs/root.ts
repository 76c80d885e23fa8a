/** The root file system itself: an overlay of layers, or a folder. */

import { inUserNamespace } from "../../../ffi/credentials.ts";
import { AT_FDCWD, O_DIRECTORY, O_PATH, type OwnedFd, openat } from "../../../ffi/fd.ts";
import { readFileSync, rmSync } from "../../../ffi/files.ts";
import { hasCode, reasonOf } from "../../../ffi/libc.ts";
import { MOUNT_DATA_MAX, MS_BIND, MS_PRIVATE, MS_REC, mount } from "../../../ffi/mount.ts";
import { join } from "../../../ffi/path.ts";
import { chdir } from "../../../ffi/process.ts";
import { RuntimeFailure } from "../errors.ts";

/** How the root is made. Paths are of the host. */
export type Root =
  | {
      type: "overlay";
      /** A folder that `lower`, `upper` and `work` are relative to, so that mount(2)'s one page holds many. */
      base: string;
      /** Layers, the topmost first; at least one. */
      lower: string[];
      /** Absent for an overlay that is only read; then there are at least two layers. */
      upper: string | undefined;
      work: string | undefined;
      /** Whether what is written may be lost with the machine: nothing waits for the disk then, neither fsync(2) nor the unmounting. */
      isVolatile?: boolean;
      /** MS_* for the mount. */
      flags?: number;
      owners?: RootOwners;
    }
  | { type: "folder"; path: string; owners?: RootOwners };

/**
 * For a container in a user namespace, which may not open its root itself: whether owners
 * are to appear as that maps them, or are its own already. See idmapped-root.ts.
 */
export type RootOwners = "mapped" | "own";

/** Mounts the root at `target`, in this process's mount namespace. */
export function mountRoot(root: Root, target: string): void {
  if (root.type === "overlay") {
    mountOverlay(root, target);
    return;
  }
  try {
    mount(root.path, target, null, MS_BIND | MS_REC);
    mount(null, target, null, MS_PRIVATE);
  } catch (error) {
    throw new RuntimeFailure(`cannot mount root ${root.path}: ${reasonOf(error)}`, "setup", { cause: error });
  }
}

export function mountOverlay(root: OverlayRoot, target: string): void {
  const overlay = new OverlayMount(root, target);
  let failure: unknown;
  try {
    overlay.attempt();
  } catch (error) {
    failure = error;
  }
  overlay.finish(failure);
}

export type OverlayRoot = Root & { type: "overlay" };

// In lowerdir a colon separates and a backslash escapes; in all options a comma ends one.
const escapePath = (path: string) => path.replace(/[\\:,]/g, "\\$&");

const VOLATILE = ",volatile";

/** An overlay that is about to be mounted; this process's working folder is its base until {@link finish}. */
export class OverlayMount {
  readonly #root: OverlayRoot;
  readonly #target: string;
  readonly #data: string;
  /** Layers, where their names would be too long. */
  readonly #opened: OwnedFd[] = [];
  /** What is added to the options, until one will do. */
  readonly #attempts: string[];

  constructor(root: OverlayRoot, target: string) {
    this.#root = root;
    this.#target = target;
    // Linux 5.10 and later; one that was mounted so before has a mark in its work folder that must go (overlayfs.rst, "Volatile mount").
    this.#attempts = root.isVolatile && root.work !== undefined ? [VOLATILE, VOLATILE, ""] : [""];
    chdir(root.base);
    const own = root.upper === undefined || root.work === undefined ? "" : `,upperdir=${escapePath(root.upper)},workdir=${escapePath(root.work)}`;
    // In a user namespace its marks are where users may set them.
    const marks = inUserNamespace() ? ",userxattr" : "";
    const options = (lower: string[]) => `lowerdir=${lower.map(escapePath).join(":")}${own}${marks}`;
    const data = options(root.lower);
    if (data.length + VOLATILE.length > MOUNT_DATA_MAX) {
      // Layers by descriptor: 20 bytes each instead of 72.
      try {
        for (const lower of root.lower) this.#opened.push(openat(AT_FDCWD, lower, O_PATH | O_DIRECTORY));
      } catch (error) {
        this.#end();
        throw this.#failed(error);
      }
    }
    this.#data = this.#opened.length > 0 ? options(this.#opened.map((layer) => layer.path)) : data;
  }

  /** The first attempt: one system call, most of a millisecond. */
  attempt(more: string = this.#attempts[0] as string): void {
    mount("overlay", this.#target, "overlay", this.#root.flags ?? 0, this.#data + more);
  }

  /**
   * Goes on after the first attempt.
   *
   * @param failure what that met, if anything
   * @throws {RuntimeFailure}
   */
  finish(failure: unknown): void {
    try {
      if (failure !== undefined) this.#tryAgain(failure);
    } catch (error) {
      throw this.#failed(error);
    } finally {
      this.#end();
    }
  }

  #end(): void {
    for (const layer of this.#opened) layer.close();
    chdir("/");
  }

  #failed(error: unknown): RuntimeFailure {
    const { lower, base } = this.#root;
    const hint = isMissing("overlay") ? "; this kernel has no overlay file system" : lower.length > 128 ? `; it has ${lower.length} layers` : "";
    return new RuntimeFailure(`cannot mount overlay of ${lower.length} layers on ${base}: ${reasonOf(error)}${hint}`, "setup", { cause: error });
  }

  #tryAgain(first: unknown): void {
    let failure = first;
    for (const more of this.#attempts.slice(1)) {
      if (!hasCode(failure, "EINVAL")) break;
      rmSync(join(this.#root.work as string, "work", "incompat", "volatile"), { recursive: true, force: true });
      try {
        this.attempt(more);
        return;
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  }
}

function isMissing(type: string): boolean {
  try {
    return !readFileSync("/proc/filesystems", "utf8").split(/\s/).includes(type);
  } catch {
    return false;
  }
}
