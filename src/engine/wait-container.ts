/** `wait`: blocks until a container is in a state. */
import { type ContainerRecord, findExit, getContainer, isRestarting } from "../store/containers.ts";
import { getHealth } from "../store/health.ts";
import { StoreWatch } from "../store/store-watch.ts";
import type { Engine } from "./engine.ts";
import { EngineError } from "./errors.ts";
import { reconcile } from "./reconcile.ts";
import { resolveContainer } from "./resolve-container.ts";

/** What can be waited for; `stopped` is docker's `not-running`, which one that was never started is. */
export const CONDITIONS = [
  "stopped",
  "not-running",
  "exited",
  "next-exit",
  "removed",
  "created",
  "running",
  "paused",
  "healthy",
  "unhealthy",
] as const;
export type Condition = (typeof CONDITIONS)[number];

/** Milliseconds after which it is looked whether the processes are still there that would write down what is waited for. */
const LOOK_INTERVAL = 500;

/** Waits until one of some conditions holds. Gives the exit code; 0 for a container that runs. Throws {@link EngineError} where none ever will. */
export function waitContainer(engine: Engine, text: string, conditions: Condition[]): number {
  const first = resolveContainer(engine, text);
  const { id } = first;
  if (conditions.every((condition) => condition === "healthy" || condition === "unhealthy") && !first.config.healthcheck)
    throw new EngineError(`container ${text} has no health check`);
  const look = () => {
    const stored = getContainer(engine.db, id);
    const record = stored && reconcile(engine, stored);
    if (!record) return goneCode(engine, text, id, conditions);
    if (conditions.some((condition) => holds(engine, record, condition, first))) return record.exitCode;
    if (record.status === "exited" && !record.restarting && conditions.every((condition) => NEEDS_LIFE.includes(condition)))
      throw new EngineError(`container ${text} ended before it was ${conditions.join(" or ")}`);
    return undefined;
  };
  const code = look();
  if (code !== undefined) return code;
  using watch = new StoreWatch(engine.layout.database);
  for (;;) {
    const later = look();
    if (later !== undefined) return later;
    watch.wait(LOOK_INTERVAL);
  }
}

const NEEDS_LIFE: Condition[] = ["healthy", "unhealthy"];

function holds(engine: Engine, record: ContainerRecord, condition: Condition, first: ContainerRecord): boolean {
  switch (condition) {
    case "stopped":
    case "not-running":
      return (record.status === "exited" && !isRestarting(record)) || record.status === "created";
    case "exited":
      return record.status === "exited" && !isRestarting(record);
    case "next-exit":
      return record.finishedAt !== first.finishedAt && record.finishedAt !== undefined;
    case "removed":
      return false;
    case "healthy":
    case "unhealthy":
      return record.process !== undefined && getHealth(engine.db, record.id)?.status === condition;
    default:
      return record.status === condition;
  }
}

function goneCode(engine: Engine, text: string, id: string, conditions: Condition[]): number {
  const code = findExit(engine.db, id);
  if (conditions.includes("removed")) return code ?? 0;
  if (code === undefined || conditions.every((condition) => NEEDS_LIFE.includes(condition)))
    throw new EngineError(`container ${text} was removed before it ${conditions.includes("stopped") ? "ended" : `was ${conditions.join(" or ")}`}`);
  return code;
}
