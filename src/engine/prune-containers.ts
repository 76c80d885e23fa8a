/** `container prune`: those that do not run. */
import { listContainers } from "../store/containers.ts";
import type { Engine } from "./engine.ts";
import { EngineError } from "./errors.ts";
import { folderSize } from "./folder-size.ts";
import { reconcileAll } from "./reconcile.ts";
import { removeContainer } from "./remove-container.ts";

/** Removes stopped containers; gives their ids and the bytes they had written. */
export function pruneContainers(
  engine: Engine,
  isWanted: (container: { labels: Record<string, string>; createdAt: number }) => boolean,
): { ids: string[]; bytes: number } {
  reconcileAll(engine);
  const result = { ids: [] as string[], bytes: 0 };
  for (const { id, status, owner, config, createdAt } of listContainers(engine.db)) {
    // One that is just being made has somebody who works on it.
    if ((status !== "exited" && status !== "created") || owner || config.isInfra || !isWanted({ labels: config.labels, createdAt })) continue;
    const bytes = folderSize(engine.layout.container(id));
    try {
      removeContainer(engine, id, { force: false, volumes: false });
    } catch (error) {
      if (error instanceof EngineError) continue; // started by now
      throw error;
    }
    result.ids.push(id);
    result.bytes += bytes;
  }
  return result;
}
