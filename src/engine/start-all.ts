/** `system start`: what ran before the machine was restarted, by its policies. */
import { listContainers } from "../store/containers.ts";
import type { Engine } from "./engine.ts";
import { EngineError } from "./errors.ts";
import { reconcileAll } from "./reconcile.ts";
import { startContainer } from "./start-container.ts";

/** Starts containers; tells of those that cannot be, and gives how many were. */
export async function startAll(engine: Engine, started: (name: string) => void, warn: (text: string) => void): Promise<void> {
  reconcileAll(engine);
  // In the order in which they were made: who is linked to comes before who links.
  for (const record of listContainers(engine.db).toReversed()) {
    const { config, status, startedAt, stopRequested, exitCode } = record;
    const policy = config.restart?.name ?? "no";
    const isWanted =
      policy === "always" || (policy === "unless-stopped" && !stopRequested) || (policy === "on-failure" && exitCode !== 0 && !stopRequested);
    if (status !== "exited" || startedAt === undefined || !isWanted) continue;
    try {
      await startContainer(engine, record, { attach: false, stdin: false, warn });
      started(record.name);
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      warn(`${record.name}: ${error.message}`);
    }
  }
}
