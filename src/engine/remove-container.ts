/** `rm`: takes a container away with all it has. */
import { type ContainerRecord, claimForRemoval, getContainer, isRestarting, requestRemoval } from "../store/containers.ts";
import { discardContainer } from "../store/discard-container.ts";
import { ownAnonymousVolumes } from "../store/volumes.ts";
import type { Engine } from "./engine.ts";
import { EngineError } from "./errors.ts";
import { reconcile } from "./reconcile.ts";
import { resolveContainer } from "./resolve-container.ts";
import { releaseCgroup } from "./settle-record.ts";
import { killAndSettle } from "./signal-container.ts";
import { awaitProcess } from "./signal-process.ts";
import { wakeMonitor } from "./tell-monitor.ts";

export interface RemoveOptions {
  /** Kill it first if it runs. */
  force: boolean;
  /** Its anonymous volumes too. */
  volumes: boolean;
  /** Whether its pod goes too. */
  withPod?: boolean;
}

/** Removes a container. Throws {@link EngineError} where it runs and `force` is not given. */
export function removeContainer(engine: Engine, text: string, options: RemoveOptions): void {
  const { db, layout } = engine;
  const found = resolveContainer(engine, text);
  const { id, config, podId = "" } = found;
  if (options.force) wakeMonitor(found);
  if (config.isInfra && !options.withPod)
    throw new EngineError(`container ${text} is the infra container of pod ${podId.slice(0, 12)} and cannot be removed without removing the pod`);
  // Bounded: each round somebody else got further with this container than we.
  for (let attempt = 0; attempt < 20; attempt++) {
    const stored = getContainer(db, id);
    const record = stored && reconcile(engine, stored);
    if (!record) return;
    if (record.status === "removing") {
      if (record.owner) awaitProcess(record.owner, 10_000);
      continue;
    }
    if (record.status === "starting") {
      // Its monitor is at it and will be done in a moment, one way or the other.
      if (!options.force) throw notStopped(record);
      Bun.sleepSync(20);
      continue;
    }
    if ((record.status === "running" || record.status === "paused") && record.process) {
      if (!options.force) throw notStopped(record);
      // Its files may take long: nobody waits for them then.
      if (options.volumes || ownAnonymousVolumes(db, id).length === 0) requestRemoval(db, id);
      killAndSettle(engine, record, record.process);
      continue;
    }
    if (isRestarting(record) && !options.force)
      throw new EngineError(`You cannot remove a restarting container ${record.id}. Stop the container before attempting removal or force remove`);
    if (!claimForRemoval(db, record, options.volumes)) continue;
    releaseCgroup(record);
    discardContainer(db, layout, id, options.volumes || record.autoRemove);
    return;
  }
  throw new EngineError(`cannot remove container ${text}: other commands are working on it`);
}

function notStopped(record: ContainerRecord): EngineError {
  return new EngineError(`You cannot remove a ${record.status} container ${record.id}. Stop the container before attempting removal or force remove`);
}
