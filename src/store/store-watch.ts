/** Waiting for what others write into the store. */
import { FileWatch, IN_MODIFY } from "../../ffi/inotify.ts";

/**
 * Milliseconds between looks after something was written: it is in the WAL before it is in the index in memory (wal.c), so whoever
 * is told of the first may not find it yet, and is told of nothing more.
 */
const LOOKS = [1, 4, 16, 64];

export class StoreWatch extends FileWatch {
  readonly #wal: number;
  #looks: number[] = [];

  /** @param database its path; it is open in this process, so that its WAL stays */
  constructor(database: string) {
    super();
    this.#wal = this.add(`${database}-wal`, IN_MODIFY);
  }

  /** As {@link FileWatch.wait}, but not as long while something may be on its way. */
  override wait(timeout: number, others: number[] = []): Set<number> {
    const [next, ...later] = this.#looks;
    const changed = super.wait(next === undefined || (timeout >= 0 && timeout < next) ? timeout : next, others);
    this.#looks = changed.has(this.#wal) ? LOOKS : later;
    return changed;
  }
}
