/** `pause` and `unpause`: by the freezer. */
import { openCgroup } from "../runtime/cgroup/open.ts";
import { recordPaused } from "../store/containers.ts";
import { writeTransaction } from "../store/database.ts";
import { containerCgroup } from "../store/layout.ts";
import type { Engine } from "./engine.ts";
import { EngineError } from "./errors.ts";
import { resolveContainer } from "./resolve-container.ts";

/** Makes everything in a container stand still, or go on. Throws {@link EngineError} with docker's words, `CgroupError`. */
export function pauseContainer(engine: Engine, text: string, on: boolean): void {
  const record = resolveContainer(engine, text);
  const { id, status } = record;
  const cgroup = openCgroup(containerCgroup(record));
  const verb = on ? "pause" : "unpause";
  if (!cgroup) throw new EngineError(`cannot ${verb} container ${text}: this host has no cgroups`);
  if (record.process && cgroup.paths.length === 0) throw new EngineError(`cannot ${verb} container ${text}: it has no cgroup of its own`);
  if (on && status === "paused") throw new EngineError(`Container ${text} is already paused`);
  if (status !== "running" && status !== "paused") throw new EngineError(`Container ${text} is not ${on ? "running" : "paused"}`);
  // Killed in between, a pause leaves it frozen without a word of it.
  if (!on && status === "running" && !cgroup.isFrozen()) throw new EngineError(`Container ${text} is not paused`);
  writeTransaction(engine.db, () => {
    recordPaused(engine.db, id, on);
    cgroup.freeze(on);
  });
}
