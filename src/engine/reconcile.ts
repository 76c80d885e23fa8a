/**
 * Brings records back to the truth after processes were killed or the machine was
 * restarted. Nobody watches over that: whoever reads a record does it.
 */
import { disconnectContainer } from "../network/disconnect.ts";
import { openCgroup } from "../runtime/cgroup/open.ts";
import {
  type ContainerRecord,
  claimForRemoval,
  endFreeze,
  freezerOf,
  getContainer,
  listContainers,
  listUnsettled,
  recordExit,
  recordStartFailure,
} from "../store/containers.ts";
import { writeTransaction } from "../store/database.ts";
import { discardContainer } from "../store/discard-container.ts";
import { containerCgroup } from "../store/layout.ts";
import { isAlive, type ProcessIdentity } from "../store/process-identity.ts";
import type { Engine } from "./engine.ts";

/** As docker has it for what died while nobody looked. */
const EXIT_CODE_UNKNOWN = 255;

const alive = (identity: ProcessIdentity | undefined) => identity !== undefined && isAlive(identity);

// Whether what the record says still has a process behind it.
function isSettled({ status, autoRemove, owner, process }: ContainerRecord): boolean {
  switch (status) {
    case "running":
    case "paused":
      return alive(owner) || alive(process);
    case "starting":
    case "removing":
      return alive(owner);
    case "created":
      return owner === undefined || alive(owner); // let go of, or still being made
    case "exited":
      return !autoRemove;
  }
}

const isUp = ({ status }: ContainerRecord) => status === "running" || status === "paused";

// Of a command that was killed while the container stood still for it.
function letGo({ db }: Engine, record: ContainerRecord): void {
  const freezer = freezerOf(db, record.id);
  if (!freezer || isAlive(freezer)) return;
  if (record.status !== "paused") openCgroup(containerCgroup(record))?.freeze(false);
  endFreeze(db, record.id);
}

/** The record as it is in truth; undefined where the container was to be removed and now is. */
export function reconcile(engine: Engine, stored: ContainerRecord): ContainerRecord | undefined {
  const { db } = engine;
  const { id } = stored;
  let record = stored;
  if (isUp(record)) {
    letGo(engine, record);
    if (alive(record.owner)) return record;
    if (alive(record.process)) {
      const { takeOver } = require("./take-over.ts") as typeof import("./take-over.ts");
      takeOver(engine, record);
      const now = getContainer(db, id);
      if (!now) return undefined;
      record = now;
    }
  }
  if (isSettled(record)) return record;
  // Its process may have written the end right before it ended: read again, with the write lock.
  let ended = false;
  const current = writeTransaction(db, () => {
    const now = getContainer(db, id);
    if (!now || isSettled(now)) return now;
    ended = true;
    disconnectContainer(db, engine.layout.data, id);
    if (isUp(now)) {
      recordExit(db, id, { exitCode: EXIT_CODE_UNKNOWN, oomKilled: false, error: "" });
    } else if (now.status === "starting") {
      recordStartFailure(db, id, EXIT_CODE_UNKNOWN, "the start was interrupted", now.startedAt);
    } else {
      ended = false;
      return now;
    }
    return getContainer(db, id);
  });
  if (!current) return undefined;
  if (ended) releaseCgroup(record);
  if (isSettled(current)) return current;
  // Nobody ever learned of a container whose maker died while making it.
  if (!claimForRemoval(db, current, current.status === "created")) return getContainer(db, id);
  releaseCgroup(record);
  discardContainer(db, engine.layout, id, current.autoRemove || current.status === "created");
  return undefined;
}

/** Reconciles every record that may need it. */
export function reconcileAll(engine: Engine): void {
  for (const record of listUnsettled(engine.db)) reconcile(engine, record);
}

/** All records as they are in truth, the newest first. */
export function listReconciled(engine: Engine): ContainerRecord[] {
  return listContainers(engine.db).flatMap((record) => reconcile(engine, record) ?? []);
}

/** Ends what is left inside a container's cgroup and removes it. */
export function releaseCgroup(record: ContainerRecord): void {
  const cgroup = openCgroup(containerCgroup(record));
  if (!cgroup || cgroup.paths.length === 0) return;
  cgroup.kill();
  cgroup.remove();
}
