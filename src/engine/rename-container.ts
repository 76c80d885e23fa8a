/** `rename`. */
import { findContainers, renameRecord } from "../store/containers.ts";
import { writeTransaction } from "../store/database.ts";
import { CONTAINER_NAME, nameConflict } from "./create-container.ts";
import type { Engine } from "./engine.ts";
import { EngineError } from "./errors.ts";
import { reconcile } from "./reconcile.ts";
import { resolveContainer } from "./resolve-container.ts";

/** Gives a container another name, at once also where it is found by that. Throws {@link EngineError} with docker's words. */
export function renameContainer(engine: Engine, text: string, newName: string): void {
  const { db } = engine;
  const name = newName.replace(/^\//, "");
  if (!CONTAINER_NAME.test(name)) throw new EngineError(`Invalid container name (${newName}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`);
  const { id, name: before } = resolveContainer(engine, text);
  if (before === name) throw new EngineError("Renaming a container with the same name as its current name");
  // Whoever has the name may be gone without having said so.
  for (const taken of findContainers(db, `/${name}`)) if (taken.name === name) reconcile(engine, taken);
  writeTransaction(db, () => {
    const taken = findContainers(db, `/${name}`).find((other) => other.name === name);
    if (taken) throw nameConflict(name, taken.id);
    renameRecord(db, id, name);
  });
}
