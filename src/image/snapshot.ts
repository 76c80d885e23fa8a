/** What a folder held at a moment, so that changes can be told later. */

import * as fd from "../../ffi/fd.ts";
import { decodeName, encodeName } from "../../ffi/file-name.ts";
import { readdirSync, readFileSync, writeFileSync } from "../../ffi/files.ts";

// A file's number and the time of its last change of any kind: nothing can change it and set that back.
const stateOf = (status: fd.FileStatus) => `${status.ino} ${status.ctime}`;

export class Snapshot {
  readonly #states: Map<string, string>;
  #names: Map<string, string[]> | undefined;

  private constructor(states: Map<string, string>) {
    this.#states = states;
  }

  /** Of everything below a folder. */
  static take(root: fd.OwnedFd): Snapshot {
    const states = new Map<string, string>();
    const walk = (folder: fd.OwnedFd, prefix: string) => {
      for (const name of readdirSync(folder.path)) {
        const status = fd.statat(folder.fd, name);
        states.set(prefix + name, stateOf(status));
        if ((status.mode & fd.S_IFMT) !== fd.S_IFDIR) continue;
        using child = fd.openat(folder.fd, name, fd.O_RDONLY | fd.O_DIRECTORY | fd.O_NOFOLLOW);
        walk(child, `${prefix}${name}/`);
      }
    };
    walk(root, "");
    return new Snapshot(states);
  }

  /** As {@link save} wrote it: a state and a path, NUL behind each. */
  static load(file: string): Snapshot {
    const fields = decodeName(readFileSync(file)).split("\0");
    return new Snapshot(
      new Map(Array.from({ length: Math.floor(fields.length / 2) }, (_, i) => [fields[2 * i + 1] as string, fields[2 * i] as string])),
    );
  }

  save(file: string): void {
    writeFileSync(file, encodeName([...this.#states].map(([path, state]) => `${state}\0${path}\0`).join("")), { mode: 0o600 });
  }

  /** Whether a path was there just as it is. */
  has(path: string, status: fd.FileStatus): boolean {
    return this.#states.get(path) === stateOf(status);
  }

  /** Names that were in a folder and are not among those there now, in order. */
  gone(folder: string, names: string[]): string[] {
    const now = new Set(names);
    const before = this.#namesByFolder().get(folder) ?? [];
    return before.filter((name) => !now.has(name)).sort((a, b) => (a < b ? -1 : 1));
  }

  #namesByFolder(): Map<string, string[]> {
    if (this.#names) return this.#names;
    this.#names = new Map();
    for (const path of this.#states.keys()) {
      const slash = path.lastIndexOf("/");
      const folder = slash < 0 ? "" : path.slice(0, slash);
      const names = this.#names.get(folder);
      if (names) names.push(path.slice(slash + 1));
      else this.#names.set(folder, [path.slice(slash + 1)]);
    }
    return this.#names;
  }
}
