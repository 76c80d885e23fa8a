/** The store of a process that lives for long and seldom needs it. */
import type { Database } from "bun:sqlite";
import { countOlder } from "./containers.ts";
import { closeDatabase, openDatabase, shortenWal } from "./database.ts";

/**
 * As many processes, the oldest, are to have it open: so commands need not make the WAL's index anew. Each more is a lock of
 * that index's file, with all of which the kernel compares each lock of everybody's (posix_lock_inode in fs/locks.c): beside
 * five hundred, a `run` waits half a millisecond for that.
 */
const KEEPERS = 8;

export class KeptStore {
  readonly #path: string;
  #database: Database | undefined;

  /** @param database one that is open already, if it is this one */
  constructor(path: string, database: Database | undefined) {
    this.#path = path;
    this.#database = database?.filename === path ? database : undefined;
  }

  /** Opened where it is not. Throws {@link StoreError}. */
  get database(): Database {
    this.#database ??= openDatabase(this.#path);
    return this.#database;
  }

  /** Before the process ends. */
  end(): void {
    if (this.#database) shortenWal(this.#database);
  }

  /**
   * Lets go of it, or of what it holds in memory, until it is needed again; by the monitor of a container that runs.
   *
   * @returns whether it is open
   */
  rest(containerId: string): boolean {
    try {
      const { database } = this;
      if (countOlder(database, containerId) >= KEEPERS) {
        this.#database = undefined;
        closeDatabase(database);
        return false;
      }
      database.clearQueryCache();
      database.run("PRAGMA shrink_memory");
      return true;
    } catch {
      return false; // whoever needs it next is told
    }
  }
}
