/** What docker tells a container on the default network of those it is linked to (docker: daemon/links/links.go). */
import type { Database } from "bun:sqlite";
import { type ContainerRecord, getContainer } from "../store/containers.ts";
import { DEFAULT_NETWORK, endpointsOf } from "../store/networks.ts";
import type { Engine } from "./engine.ts";
import { EngineError } from "./errors.ts";

const onDefault = (db: Database, container: string) => endpointsOf(db, container).find(({ network }) => network.name === DEFAULT_NETWORK);

/** Throws {@link EngineError} where a container on the default network is to start, and one that it is linked to cannot be reached there. */
export function checkLinks({ db }: Engine, { id, name, config }: ContainerRecord): void {
  const links = config.networking?.links ?? [];
  if (links.length === 0 || !onDefault(db, id)) return;
  for (const { container, alias } of links) {
    const linked = getContainer(db, container);
    if (!linked) continue;
    if (!linked.process) throw new EngineError(`Cannot link to a non running container: /${linked.name} AS /${name}/${alias}`);
    if (!onDefault(db, container)) throw new EngineError(`Cannot link to /${linked.name}, as it does not belong to the default network`);
  }
}

/** `NAME=VALUE`, of those links whose containers run. */
export function linkVariables({ db }: Engine, { id, name, config }: ContainerRecord): string[] {
  const links = config.networking?.links ?? [];
  if (links.length === 0 || !onDefault(db, id)) return [];
  return links.flatMap(({ container, alias }) => {
    const linked = getContainer(db, container);
    const address = onDefault(db, container)?.address;
    if (!linked || address === undefined) return [];
    const prefix = alias.toUpperCase().replaceAll("-", "_");
    const published = (linked.config.networking?.ports ?? []).map(({ containerPort, protocol }) => `${containerPort}/${protocol}`);
    const ports = [...new Set([...linked.config.exposedPorts, ...published])]
      .map((port) => port.split("/") as [string, string])
      .sort(([a, aProtocol], [b, bProtocol]) => Number(a) - Number(b) || aProtocol.localeCompare(bProtocol));
    const urlOf = ([port, protocol]: [string, string]) => `${protocol}://${address}:${port}`;
    return [
      ...ports.slice(0, 1).map((first) => `${prefix}_PORT=${urlOf(first)}`),
      ...ports.flatMap(([port, protocol]) => {
        const own = `${prefix}_PORT_${port}_${protocol.toUpperCase()}`;
        return [`${own}=${urlOf([port, protocol])}`, `${own}_ADDR=${address}`, `${own}_PORT=${port}`, `${own}_PROTO=${protocol}`];
      }),
      `${prefix}_NAME=/${name}/${alias}`,
      ...linked.config.env.filter((text) => !/^(HOME|PATH)=/.test(text)).map((text) => `${prefix}_ENV_${text}`),
    ];
  });
}
