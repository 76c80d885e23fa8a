/** `wait`: blocks until a container has ended. */
import { findExit, getContainer } from "../store/containers.ts";
import { getHealth } from "../store/health.ts";
import type { Engine } from "./engine.ts";
import { EngineError } from "./errors.ts";
import { reconcile } from "./reconcile.ts";
import { resolveContainer } from "./resolve-container.ts";
import { SETTLE_TIMEOUT, settle } from "./signal-container.ts";

/** Waits for the end of a container. Gives its exit code, also where it was removed at once. */
export function waitContainer(engine: Engine, text: string): number {
  const { id } = resolveContainer(engine, text);
  for (;;) {
    const stored = getContainer(engine.db, id);
    const record = stored && reconcile(engine, stored);
    if (!record) {
      const code = findExit(engine.db, id);
      if (code === undefined) throw new EngineError(`container ${id} was removed before it ended`);
      return code;
    }
    switch (record.status) {
      case "exited":
        return record.exitCode;
      case "created":
        Bun.sleepSync(50); // as docker, `wait` waits for the start too
        break;
      default:
        if (record.process) settle(engine, record, SETTLE_TIMEOUT);
        else Bun.sleepSync(5);
    }
  }
}

/** Waits until a container is healthy. Throws {@link EngineError} where it never will be. */
export function waitHealthy(engine: Engine, text: string): void {
  const { id, config } = resolveContainer(engine, text);
  if (!config.healthcheck) throw new EngineError(`container ${text} has no health check`);
  for (;;) {
    const stored = getContainer(engine.db, id);
    const record = stored && reconcile(engine, stored);
    if (record?.status === "exited" || !record) throw new EngineError(`container ${text} ended before it was healthy`);
    if (getHealth(engine.db, id)?.status === "healthy" && record.process) return;
    Bun.sleepSync(50);
  }
}
