/** `rm --link`: takes away what `--link` gave, from the container's next start on. */
import { updateConfig } from "../store/containers.ts";
import { writeTransaction } from "../store/database.ts";
import type { Engine } from "./engine.ts";
import { EngineError, NotFound } from "./errors.ts";
import { resolveContainer } from "./resolve-container.ts";

/** @param text `CONTAINER/ALIAS`. @throws {EngineError} */
export function removeLink(engine: Engine, text: string): void {
  const [, name, alias] = /^\/?([^/]+)\/([^/]+)$/.exec(text) ?? [];
  if (name === undefined) throw new EngineError(`invalid link ${JSON.stringify(text)}: expected CONTAINER/ALIAS`);
  writeTransaction(engine.db, () => {
    const { id, config } = resolveContainer(engine, name);
    const { networking } = config;
    const links = networking?.links ?? [];
    if (!networking || !links.some((link) => link.alias === alias)) throw new NotFound(`No such link: ${text}`);
    updateConfig(engine.db, id, { ...config, networking: { ...networking, links: links.filter((link) => link.alias !== alias) } });
  });
}
