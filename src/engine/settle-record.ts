/** What is done about containers whose processes ended without a word. */
import { disconnectContainer } from "../network/disconnect.ts";
import { openCgroup } from "../runtime/cgroup/open.ts";
import { type ContainerRecord, claimForRemoval, endFreeze, getContainer, recordExit, recordStartFailure } from "../store/containers.ts";
import { writeTransaction } from "../store/database.ts";
import { discardContainer } from "../store/discard-container.ts";
import { containerCgroup } from "../store/layout.ts";
import type { Engine } from "./engine.ts";
import { isSettled, isUp } from "./reconcile.ts";

/** As docker has it for what died while nobody looked. */
const EXIT_CODE_UNKNOWN = 255;

/** Lets a container go on that stood still for a command which was killed. */
export function letGo({ db }: Engine, record: ContainerRecord): void {
  if (record.status !== "paused") openCgroup(containerCgroup(record))?.freeze(false);
  endFreeze(db, record.id);
}

/** Writes down how a container ended that nobody watched; undefined where it is to be removed and now is. */
export function settleRecord(engine: Engine, record: ContainerRecord): ContainerRecord | undefined {
  const { db } = engine;
  const { id } = record;
  // Its process may have written the end right before it ended: read again, with the write lock.
  let ended = false;
  const current = writeTransaction(db, () => {
    const now = getContainer(db, id);
    if (!now || isSettled(now)) return now;
    ended = true;
    disconnectContainer(db, engine.layout.data, id);
    if (isUp(now)) {
      recordExit(db, now, { exitCode: EXIT_CODE_UNKNOWN, oomKilled: false, error: "" });
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

/** Ends what is left inside a container's cgroup and removes it. */
export function releaseCgroup(record: ContainerRecord): void {
  const cgroup = openCgroup(containerCgroup(record));
  if (!cgroup || cgroup.paths.length === 0) return;
  cgroup.kill();
  cgroup.remove();
}
