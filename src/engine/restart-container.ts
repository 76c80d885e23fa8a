/** `restart`: stops a container, if it runs, and starts it again. */
import { updateAutoRemove } from "../store/containers.ts";
import { addContainerEvent } from "../store/events.ts";
import type { Engine } from "./engine.ts";
import { resolveContainer } from "./resolve-container.ts";
import { type StopOptions, stopContainer } from "./signal-container.ts";
import { startContainer } from "./start-container.ts";

/** Gives up as `stopContainer` and {@link startContainer} do. One that goes with its end stays for the next start, as docker has it. */
export async function restartContainer(engine: Engine, text: string, options: StopOptions, warn: (text: string) => void): Promise<void> {
  const { db } = engine;
  const { id, autoRemove } = resolveContainer(engine, text);
  // Until it runs again: whoever reads the record of one that has ended takes it away.
  if (autoRemove) updateAutoRemove(db, id, false);
  try {
    stopContainer(engine, id, options);
    await startContainer(engine, { ...resolveContainer(engine, id), autoRemove }, { attach: false, stdin: false, warn });
  } finally {
    if (autoRemove) updateAutoRemove(db, id, true);
  }
  addContainerEvent(db, id, "restart");
}
