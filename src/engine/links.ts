/** `--link`: other containers under names of the container's own. */
import { type ContainerLink, USUAL_NETWORKING } from "../store/container-config.ts";
import { getContainer, updateConfig } from "../store/containers.ts";
import { writeTransaction } from "../store/database.ts";
import { tellOfNetworks } from "./call-monitor.ts";
import type { Engine } from "./engine.ts";
import { EngineError, NotFound } from "./errors.ts";
import { resolveContainer } from "./resolve-container.ts";

/** With the container's id for its name, which may change hands. Throws {@link EngineError} where there is none. */
export function resolveLink(engine: Engine, { container, alias }: ContainerLink): ContainerLink {
  try {
    return { container: resolveContainer(engine, container).id, alias };
  } catch (error) {
    throw error instanceof EngineError ? new EngineError(`could not get container for ${container}: ${error.message}`) : error;
  }
}

/** Adds some to a container's record; its monitor is to be told. */
export function addLinks({ db }: Engine, id: string, added: ContainerLink[]): void {
  if (added.length === 0) return;
  writeTransaction(db, () => {
    const record = getContainer(db, id);
    if (!record) return;
    const { networking = USUAL_NETWORKING } = record.config;
    updateConfig(db, id, { ...record.config, networking: { ...networking, links: [...(networking.links ?? []), ...added] } });
  });
}

/** `rm --link`; gives what could not be told in the container, in words. @param text `CONTAINER/ALIAS`. @throws {EngineError} */
export function removeLink(engine: Engine, text: string): string[] {
  const [, name, alias] = /^\/?([^/]+)\/([^/]+)$/.exec(text) ?? [];
  if (name === undefined) throw new EngineError(`invalid link ${JSON.stringify(text)}: expected CONTAINER/ALIAS`);
  const container = writeTransaction(engine.db, () => {
    const record = resolveContainer(engine, name);
    const { networking } = record.config;
    const links = networking?.links ?? [];
    if (!networking || !links.some((link) => link.alias === alias)) throw new NotFound(`No such link: ${text}`);
    updateConfig(engine.db, record.id, { ...record.config, networking: { ...networking, links: links.filter((link) => link.alias !== alias) } });
    return record;
  });
  return tellOfNetworks(engine, container);
}
