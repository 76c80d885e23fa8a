/**
 * Brings records back to the truth after processes were killed or the machine was
 * restarted. Nobody watches over that: whoever reads a record does it.
 */
import { type ContainerRecord, freezerOf, getContainer, listContainers, listUnsettled } from "../store/containers.ts";
import { isAlive, type ProcessIdentity } from "../store/process-identity.ts";
import type { Engine } from "./engine.ts";

const alive = (identity: ProcessIdentity | undefined) => identity !== undefined && isAlive(identity);

/** Whether what the record says still has a process behind it. */
export function isSettled({ status, autoRemove, owner, process }: ContainerRecord): boolean {
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

/** Whether it has a process. */
export const isUp = ({ status }: ContainerRecord) => status === "running" || status === "paused";

// Few records need it, and what it loads is large.
const loadSettle = () => require("./settle-record.ts") as typeof import("./settle-record.ts");

/** The record as it is in truth; undefined where the container was to be removed and now is. */
export function reconcile(engine: Engine, stored: ContainerRecord): ContainerRecord | undefined {
  const { db } = engine;
  const { id } = stored;
  let record = stored;
  if (isUp(record)) {
    const freezer = freezerOf(db, record.id);
    if (freezer && !isAlive(freezer)) loadSettle().letGo(engine, record);
    if (alive(record.owner)) return record;
    if (alive(record.process)) {
      const { takeOver } = require("./take-over.ts") as typeof import("./take-over.ts");
      takeOver(engine, record);
      const now = getContainer(db, id);
      if (!now) return undefined;
      record = now;
    }
  }
  return isSettled(record) ? record : loadSettle().settleRecord(engine, record);
}

/** Reconciles every record that may need it. */
export function reconcileAll(engine: Engine): void {
  for (const record of listUnsettled(engine.db)) reconcile(engine, record);
}

/** All records as they are in truth, the newest first. */
export function listReconciled(engine: Engine): ContainerRecord[] {
  return listContainers(engine.db).flatMap((record) => reconcile(engine, record) ?? []);
}
