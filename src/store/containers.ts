/** Records of containers. */
import type { Database } from "bun:sqlite";
import { processStartTime } from "../../ffi/process.ts";
import type { ContainerConfig } from "./container-config.ts";
import { all, change, first, writeTransaction } from "./database.ts";
import { addContainerEvent, addMountEvents } from "./events.ts";
import { currentProcess, isAlive, type ProcessIdentity } from "./process-identity.ts";

export type ContainerStatus = "created" | "starting" | "running" | "paused" | "exited" | "removing";

/** One container. Times are milliseconds since 1970. */
export interface ContainerRecord {
  id: string;
  name: string;
  imageId: string | undefined;
  config: ContainerConfig;
  createdAt: number;
  autoRemove: boolean;
  status: ContainerStatus;
  /** Who works on it: the `run` that made it, its monitor, whoever removes it. */
  owner: ProcessIdentity | undefined;
  /** Its first process. */
  process: ProcessIdentity | undefined;
  startedAt: number | undefined;
  finishedAt: number | undefined;
  exitCode: number;
  oomKilled: boolean;
  error: string;
  /** How often it was started again by its policy since somebody started it. */
  restartCount: number;
  /** Milliseconds that were waited the last time. */
  restartDelay: number;
  /** Ended, and to be started again by its monitor if that still lives. */
  restarting: boolean;
  /** Whether somebody wanted its end. */
  stopRequested: boolean;
  podId: string | undefined;
  /** When another monitor took it over, in the place of one that was killed. */
  takenOverAt: number | undefined;
}

interface Row {
  id: string;
  name: string;
  image_id: string | null;
  config: string;
  created_at: number;
  auto_remove: number;
  status: ContainerStatus;
  boot_id: string | null;
  owner_pid: number | null;
  owner_start: number | null;
  pid: number | null;
  pid_start: number | null;
  started_at: number | null;
  finished_at: number | null;
  exit_code: number;
  oom_killed: number;
  error: string;
  restart_count: number;
  restart_delay: number;
  restarting: number;
  stop_requested: number;
  taken_over_at: number | null;
  pod_id: string | null;
}

function identity(row: Row, pid: number | null, start: number | null): ProcessIdentity | undefined {
  return pid === null || start === null || row.boot_id === null ? undefined : { pid, startTime: start, bootId: row.boot_id };
}

function fromRow(row: Row): ContainerRecord {
  return {
    id: row.id,
    name: row.name,
    imageId: row.image_id ?? undefined,
    config: JSON.parse(row.config),
    createdAt: row.created_at,
    autoRemove: row.auto_remove === 1,
    status: row.status,
    owner: identity(row, row.owner_pid, row.owner_start),
    process: identity(row, row.pid, row.pid_start),
    startedAt: row.started_at ?? undefined,
    finishedAt: row.finished_at ?? undefined,
    exitCode: row.exit_code,
    oomKilled: row.oom_killed === 1,
    error: row.error,
    restartCount: row.restart_count,
    restartDelay: row.restart_delay,
    restarting: row.restarting === 1,
    stopRequested: row.stop_requested === 1,
    podId: row.pod_id ?? undefined,
    takenOverAt: row.taken_over_at ?? undefined,
  };
}

/** Adds a container that this process is making. Throws SQLite's constraint error where the name is taken. */
export function insertContainer(
  db: Database,
  c: { id: string; name: string; imageId: string | undefined; config: ContainerConfig; autoRemove: boolean; podId: string | undefined },
): void {
  const me = currentProcess();
  change(
    db,
    `INSERT INTO containers (id, name, image_id, config, created_at, auto_remove, status, boot_id, owner_pid, owner_start, pod_id)
     VALUES (?, ?, ?, ?, ?, ?, 'created', ?, ?, ?, ?)`,
    c.id,
    c.name,
    c.imageId ?? null,
    JSON.stringify(c.config),
    Date.now(),
    Number(c.autoRemove),
    me.bootId,
    me.pid,
    me.startTime,
    c.podId ?? null,
  );
  addContainerEvent(db, c.id, "create");
}

/** All containers, the newest first. */
export function listContainers(db: Database): ContainerRecord[] {
  return all<Row>(db, "SELECT * FROM containers ORDER BY created_at DESC, rowid DESC").map(fromRow);
}

/** @param condition of SQL */
export function containersWhere(db: Database, condition: string, ...params: string[]): ContainerRecord[] {
  return all<Row>(db, `SELECT * FROM containers WHERE ${condition}`, ...params).map(fromRow);
}

export function getContainer(db: Database, id: string): ContainerRecord | undefined {
  const row = first<Row>(db, "SELECT * FROM containers WHERE id = ?", id);
  return row && fromRow(row);
}

/** By whole id, then by name, then by the beginning of ids: two hits mean that it is ambiguous. */
export function findContainers(db: Database, text: string): ContainerRecord[] {
  const exact = first<Row>(db, "SELECT * FROM containers WHERE id = ?1 OR name = ?1 ORDER BY id = ?1 DESC LIMIT 1", text.replace(/^\//, ""));
  if (exact) return [fromRow(exact)];
  if (!/^[0-9a-f]+$/.test(text)) return [];
  return all<Row>(db, "SELECT * FROM containers WHERE id >= ?1 AND id < ?1 || 'g' LIMIT 2", text).map(fromRow);
}

/** Gives a container another name. Throws SQLite's constraint error where that is taken. */
export function renameRecord(db: Database, id: string, name: string): void {
  const before = getContainer(db, id)?.name;
  change(db, "UPDATE containers SET name = ? WHERE id = ?", name, id);
  addContainerEvent(db, id, "rename", { oldName: `/${before}` });
}

/** How many that have a monitor were started before another one. */
export function countOlder(db: Database, id: string): number {
  const sql = "SELECT count(*) AS n FROM containers WHERE owner_pid IS NOT NULL AND started_at < (SELECT started_at FROM containers WHERE id = ?)";
  return first<{ n: number }>(db, sql, id)?.n ?? 0;
}

/** Containers whose record may not tell the truth by now: something should be running or somebody working on them. */
export function listUnsettled(db: Database): ContainerRecord[] {
  const sql = "SELECT * FROM containers WHERE status IN ('starting', 'running', 'paused', 'removing') OR auto_remove = 1 OR owner_pid IS NOT NULL";
  return all<Row>(db, sql).map(fromRow);
}

/**
 * Takes a container over for starting it; false where another process has it or it runs.
 *
 * @param isRestart whether its policy wants it, not somebody
 */
export function claimForStart(db: Database, id: string, isRestart: boolean): boolean {
  const me = currentProcess();
  return (
    change(
      db,
      `UPDATE containers SET status = 'starting', boot_id = ?1, owner_pid = ?2, owner_start = ?3, pid = NULL, pid_start = NULL, error = '',
         restart_count = restart_count * ?5, restart_delay = restart_delay * ?5, restarting = 0, stop_requested = 0, taken_over_at = NULL
       WHERE id = ?4 AND status IN ('created', 'exited') AND restarting >= ?5`,
      me.bootId,
      me.pid,
      me.startTime,
      id,
      Number(isRestart),
    ) === 1
  );
}

/** Takes over a container that runs and whose monitor is dead; undefined where that is not so, or not any more. */
export function claimForTakeover(db: Database, id: string): ContainerRecord | undefined {
  return writeTransaction(db, () => {
    const record = getContainer(db, id);
    if (!record || (record.status !== "running" && record.status !== "paused") || !record.process) return undefined;
    if ((record.owner && isAlive(record.owner)) || !isAlive(record.process)) return undefined;
    const me = currentProcess();
    change(db, "UPDATE containers SET owner_pid = ?, owner_start = ?, taken_over_at = ? WHERE id = ?", me.pid, me.startTime, Date.now(), id);
    addContainerEvent(db, id, "takeover");
    return record;
  });
}

export function recordRunning(db: Database, id: string, pid: number, startTime: number): void {
  change(
    db,
    `UPDATE containers SET status = 'running', pid = ?, pid_start = ?, started_at = ?, finished_at = NULL, exit_code = 0, oom_killed = 0, error = ''
     WHERE id = ?`,
    pid,
    startTime,
    Date.now(),
    id,
  );
}

export interface Exit {
  exitCode: number;
  oomKilled: boolean;
  error: string;
}

/** Records the end of a container. */
export function recordExit(db: Database, record: Pick<ContainerRecord, "id" | "config">, exit: Exit): void {
  const { id } = record;
  change(
    db,
    `UPDATE containers SET status = 'exited', owner_pid = NULL, owner_start = NULL, pid = NULL, pid_start = NULL, finished_at = ?,
       exit_code = ?, oom_killed = ?, error = ?, restarting = 0
     WHERE id = ?`,
    Date.now(),
    exit.exitCode,
    Number(exit.oomKilled),
    exit.error,
    id,
  );
  if (exit.oomKilled) addContainerEvent(db, id, "oom");
  addContainerEvent(db, id, "die", { exitCode: String(exit.exitCode) });
  addMountEvents(db, record, "unmount");
}

/** After {@link recordExit}, in its transaction: this process starts it again after so many milliseconds. */
export function recordRestarting(db: Database, id: string, delay: number): void {
  const { pid, startTime, bootId } = currentProcess();
  const sql = `UPDATE containers SET restarting = 1, restart_count = restart_count + 1, restart_delay = ?, owner_pid = ?, owner_start = ?, boot_id = ?
    WHERE id = ?`;
  change(db, sql, delay, pid, startTime, bootId, id);
}

/** Makes another process the one that is about to start a container again. */
export function handOver(db: Database, id: string, pid: number): void {
  const start = processStartTime(pid);
  if (start !== undefined) change(db, "UPDATE containers SET owner_pid = ?, owner_start = ? WHERE id = ? AND restarting = 1", pid, start, id);
}

/** Whether a container ended and is about to be started again. */
export const isRestarting = ({ status, restarting, owner }: ContainerRecord): boolean =>
  status === "exited" && restarting && owner !== undefined && isAlive(owner);

/** Notes that somebody wants a container's end: its policy does not start it again. */
export function requestStop(db: Database, id: string): void {
  change(db, "UPDATE containers SET stop_requested = 1, restarting = 0 WHERE id = ?", id);
}

/** Has the monitor of a running container take it away, anonymous volumes too, when it ends. */
export function requestRemoval(db: Database, id: string): void {
  change(db, "UPDATE containers SET auto_remove = 1, stop_requested = 1, restarting = 0 WHERE id = ? AND status IN ('running', 'paused')", id);
}

/**
 * A start that failed: the container is what it was before, with the reason and docker's code.
 *
 * @param startedBefore when it ran the last time, if it ever did
 */
export function recordStartFailure(db: Database, id: string, exitCode: number, error: string, startedBefore: number | undefined): void {
  change(
    db,
    `UPDATE containers SET status = CASE WHEN ?3 IS NULL AND auto_remove = 0 THEN 'created' ELSE 'exited' END, started_at = ?3,
       owner_pid = NULL, owner_start = NULL, pid = NULL, pid_start = NULL, exit_code = ?1, error = ?2
     WHERE id = ?4 AND status IN ('starting', 'running')`,
    exitCode,
    error,
    startedBefore ?? null,
    id,
  );
}

/**
 * Takes a container over for removing it, anonymous volumes too if asked; false where
 * another living process is at it, or its state changed since `record` was read.
 */
export function claimForRemoval(db: Database, record: ContainerRecord, volumes: boolean): boolean {
  if (record.status === "removing" && record.owner && isAlive(record.owner) && record.owner.pid !== process.pid) return false;
  const me = currentProcess();
  return (
    change(
      db,
      `UPDATE containers SET status = 'removing', boot_id = ?, owner_pid = ?, owner_start = ?, auto_remove = auto_remove OR ?
       WHERE id = ? AND status = ? AND owner_pid IS ?`,
      me.bootId,
      me.pid,
      me.startTime,
      Number(volumes),
      record.id,
      record.status,
      record.owner?.pid ?? null,
    ) === 1
  );
}

/** Notes whether a container that runs stands still. */
export function recordPaused(db: Database, id: string, on: boolean): void {
  change(db, "UPDATE containers SET status = ? WHERE id = ? AND status IN ('running', 'paused')", on ? "paused" : "running", id);
  addContainerEvent(db, id, on ? "pause" : "unpause");
}

/** Keeps a changed configuration. */
export function updateConfig(db: Database, id: string, config: ContainerConfig): void {
  change(db, "UPDATE containers SET config = ? WHERE id = ?", JSON.stringify(config), id);
}

/** Changes whether its end takes it away. */
export function updateAutoRemove(db: Database, id: string, on: boolean): void {
  change(db, "UPDATE containers SET auto_remove = ? WHERE id = ?", Number(on), id);
}

/** Lets go of a container that was only made, so that nobody takes it for abandoned. */
export function releaseCreated(db: Database, id: string): void {
  change(db, "UPDATE containers SET owner_pid = NULL, owner_start = NULL WHERE id = ? AND status = 'created'", id);
}

const EXITS_KEPT = 1000;

/** Deletes a container's record; how it ended stays known for a while. */
export function deleteContainer(db: Database, id: string): void {
  addContainerEvent(db, id, "destroy");
  change(db, "INSERT OR REPLACE INTO exits SELECT id, exit_code, finished_at FROM containers WHERE id = ? AND finished_at IS NOT NULL", id);
  change(db, "DELETE FROM exits WHERE rowid <= (SELECT max(rowid) FROM exits) - ?", EXITS_KEPT);
  change(db, "DELETE FROM containers WHERE id = ?", id);
}

/** The exit code of a container whose record is gone. */
export function findExit(db: Database, id: string): number | undefined {
  return first<{ exit_code: number }>(db, "SELECT exit_code FROM exits WHERE container_id = ?", id)?.exit_code;
}

/** Notes that this process makes a container stand still for a while; false where another one does. */
export function claimFreeze(db: Database, id: string): boolean {
  const { pid, startTime, bootId } = currentProcess();
  return change(db, "INSERT OR IGNORE INTO freezes (container_id, pid, pid_start, boot_id) VALUES (?, ?, ?, ?)", id, pid, startTime, bootId) === 1;
}

export function endFreeze(db: Database, id: string): void {
  change(db, "DELETE FROM freezes WHERE container_id = ?", id);
}

/** Who makes a container stand still for a while, if anybody does. */
export function freezerOf(db: Database, id: string): ProcessIdentity | undefined {
  return first<ProcessIdentity>(db, "SELECT pid, pid_start AS startTime, boot_id AS bootId FROM freezes WHERE container_id = ?", id);
}
