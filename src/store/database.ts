/** The SQLite database of an engine: opened, migrated, shared by many short-lived processes. */
import { Database, type SQLQueryBindings } from "bun:sqlite";
import { chmodSync, mkdirSync, statIfThere } from "../../ffi/files.ts";
import { reasonOf } from "../../ffi/libc.ts";
import { dirname } from "../../ffi/path.ts";
import { StoreError } from "./errors.ts";

// How long one process waits for another's write, in milliseconds; a write takes well under one.
const BUSY_TIMEOUT = 30_000;

// For as long as the process lives, see openEngine.
const opened: Database[] = [];

/** Closes what {@link openDatabase} has opened; for a snapshot's maker, from which others go on. */
export function closeDatabases(): void {
  for (const database of opened.splice(0)) database.close();
}

/** Closes one of them. */
export function closeDatabase(database: Database): void {
  const at = opened.indexOf(database);
  if (at >= 0) opened.splice(at, 1);
  database.close();
}

/** Opens the database at `path`, making it and bringing it to today's version. Throws {@link StoreError}. */
export function openDatabase(path: string): Database {
  try {
    const database = openOrMake(path);
    // NORMAL under WAL: a crash of the machine loses the last commits at most, never the database.
    database.run(`PRAGMA busy_timeout = ${BUSY_TIMEOUT}; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON`);
    migrate(database, path);
    opened.push(database);
    return database;
  } catch (error) {
    if (error instanceof StoreError) throw error;
    throw new StoreError(`cannot open the store ${path}: ${reasonOf(error)}`, { cause: error });
  }
}

// It is there but once.
function openOrMake(path: string): Database {
  try {
    return new Database(path, { create: false, readwrite: true, strict: true });
  } catch {
    mkdirSync(dirname(path), { recursive: true, mode: 0o711 });
    return new Database(path, { create: true, strict: true });
  }
}

// Bytes.
const LONG_WAL = 1 << 19;

/**
 * Writes a long WAL back and starts it anew, for a process that is about to end: whoever opens the database alone reads
 * the whole of it, and SQLite itself would do this, and wait for the disk, in the middle of a command.
 */
export function shortenWal(database: Database): void {
  if ((statIfThere(`${database.filename}-wal`)?.size ?? 0) < LONG_WAL) return;
  try {
    // The first does the work and holds up nobody; the second finds nothing left but to cut it off, if nobody reads it.
    database.run("PRAGMA busy_timeout = 0; PRAGMA wal_checkpoint(PASSIVE); PRAGMA wal_checkpoint(TRUNCATE)");
    // The first to write to a new WAL waits for its header to be on disk.
    database.run("PRAGMA application_id = 0");
  } catch {} // somebody else is at it
}

function version(database: Database): number {
  return (database.query("PRAGMA user_version").get() as { user_version: number }).user_version;
}

// As many as there are steps in schema.ts, which is loaded where one is missing.
const VERSION = 13;

function migrate(database: Database, path: string): void {
  const found = version(database);
  if (found === VERSION) return;
  const { MIGRATIONS } = require("./schema.ts") as typeof import("./schema.ts");
  if (found > MIGRATIONS.length) {
    throw new StoreError(`the store ${path} has version ${found}, this berth knows up to ${MIGRATIONS.length}: use a newer berth`);
  }
  if (found === 0) {
    // Before there is a WAL, which gets the same mode: environments of containers are in it.
    chmodSync(path, 0o600);
    retryBusy(() => database.run("PRAGMA journal_mode = WAL"));
  }
  writeTransaction(database, () => {
    // Another process may have done it while this one waited for the lock.
    for (const step of MIGRATIONS.slice(version(database))) database.run(step);
    database.run(`PRAGMA user_version = ${MIGRATIONS.length}`);
  });
}

// The change to WAL does not wait for others as a write does.
function retryBusy(action: () => void): void {
  for (let attempt = 0; ; attempt++) {
    try {
      action();
      return;
    } catch (error) {
      if ((error as { code?: string }).code !== "SQLITE_BUSY" || attempt > 500) throw error;
      Bun.sleepSync(5);
    }
  }
}

const FULL_DISK_PAUSE = 200; // milliseconds

// What SQLite says where a write failed, and where it could not make the file of a WAL's index.
const FULL = ["SQLITE_FULL", "SQLITE_IOERR_SHMSIZE"];
const isForLackOfRoom = (error: unknown) => FULL.includes((error as { code?: string }).code ?? "");

/**
 * Calls until it succeeds, where only the disk is full.
 *
 * @param meanwhile called each time that is found
 */
export async function whenThereIsRoom<T>(action: () => T, meanwhile?: () => void): Promise<T> {
  for (;;) {
    try {
      return action();
    } catch (error) {
      if (!isForLackOfRoom(error) && !isForLackOfRoom((error as Error).cause ?? {})) throw error;
      meanwhile?.();
      await Bun.sleep(FULL_DISK_PAUSE);
    }
  }
}

/** Runs `action` as one transaction that holds the write lock from its start. */
export function writeTransaction<T>(database: Database, action: () => T): T {
  if (isRehearsal || database.inTransaction) return action();
  database.run("BEGIN IMMEDIATE");
  try {
    const result = action();
    database.run("COMMIT");
    return result;
  } catch (error) {
    // A full disk ends the transaction by itself.
    if (database.inTransaction) database.run("ROLLBACK");
    throw error;
  }
}

let isRehearsal = false;

/**
 * Calls back; statements are prepared meanwhile, and not run: they find nothing and change nothing. To prepare one costs as
 * much as to run it, and a process may have time before it needs it.
 */
export function rehearse(action: () => void): void {
  isRehearsal = true;
  try {
    action();
  } finally {
    isRehearsal = false;
  }
}

/** All rows of a query. */
export function all<T>(database: Database, sql: string, ...params: SQLQueryBindings[]): T[] {
  const statement = database.query(sql);
  return isRehearsal ? [] : (statement.all(...params) as T[]);
}

/** The first row of a query, if any. */
export function first<T>(database: Database, sql: string, ...params: SQLQueryBindings[]): T | undefined {
  const statement = database.query(sql);
  return isRehearsal ? undefined : ((statement.get(...params) as T | null) ?? undefined);
}

/** Runs a statement; gives how many rows it changed. */
export function change(database: Database, sql: string, ...params: SQLQueryBindings[]): number {
  return run(database, sql, ...params).changes;
}

/** As {@link change}; gives the number of the row that was inserted last, too. */
export function run(database: Database, sql: string, ...params: SQLQueryBindings[]): { changes: number; last: number } {
  const statement = database.query(sql);
  if (isRehearsal) return { changes: 0, last: 0 };
  const { changes, lastInsertRowid } = statement.run(...params);
  return { changes, last: Number(lastInsertRowid) };
}
