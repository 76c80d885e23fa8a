/** From what a user typed to a container's record. */
import { type ContainerRecord, findContainers } from "../store/containers.ts";
import type { Engine } from "./engine.ts";
import { EngineError, NotFound } from "./errors.ts";
import { reconcile } from "./reconcile.ts";

/**
 * A container by name, id or the beginning of its id, its record brought up to date.
 *
 * @throws {NotFound} with docker's words
 */
export function resolveContainer(engine: Engine, text: string): ContainerRecord {
  const found = text === "" ? [] : findContainers(engine.db, text);
  if (found.length > 1) throw new EngineError(`Multiple IDs found with provided prefix: ${text}`);
  const record = found[0] && reconcile(engine, found[0]);
  if (!record) throw new NotFound(`No such container: ${text}`);
  return record;
}

/** As {@link resolveContainer}, for what only a running container can do. */
export function resolveRunning(engine: Engine, text: string): ContainerRecord & { process: NonNullable<ContainerRecord["process"]> } {
  const record = resolveContainer(engine, text);
  if ((record.status !== "running" && record.status !== "paused") || !record.process) {
    throw notRunning(record.id);
  }
  return { ...record, process: record.process };
}

/** What is wrong where only a running container will do. */
export const notRunning = (id: string) => new EngineError(`Container ${id} is not running`);
