/** `ps`: containers that fit filters. */
import { type ContainerRecord, isRestarting } from "../store/containers.ts";
import { getHealth } from "../store/health.ts";
import { endpointsOf, portsOf } from "../store/networks.ts";
import { containerState } from "./container-state.ts";
import type { Engine } from "./engine.ts";
import { EngineError } from "./errors.ts";
import { booleanOf, type FilterTest, filtersByKey, testOfFilters } from "./filters.ts";
import { listReconciled } from "./reconcile.ts";
import { resolveContainer } from "./resolve-container.ts";

export interface ListOptions {
  /** Also those that do not run. */
  all: boolean;
  /** Only so many, the newest, running or not. */
  last: number | undefined;
  /** `KEY=VALUE` each: of one key any must fit, of several keys all. */
  filters: string[];
}

const STATES = ["created", "restarting", "running", "removing", "paused", "exited", "dead"];

/** Containers, the newest first. Throws {@link EngineError} on a filter it does not know. */
export function listContainers(engine: Engine, options: ListOptions): ContainerRecord[] {
  const isWanted = testOfFilters(options.filters, (key, value) => testOf(engine, key, value));
  // A filter on states asks for those that do not run too.
  const all = options.all || options.last !== undefined || ["status", "exited"].some((key) => filtersByKey(options.filters).has(key));
  const running = (record: ContainerRecord) => record.status === "running" || record.status === "paused" || isRestarting(record);
  const found = listReconciled(engine).filter((record) => (all || running(record)) && isWanted(record));
  return options.last === undefined ? found : found.slice(0, options.last);
}

function testOf(engine: Engine, key: string, value: string): FilterTest<ContainerRecord> {
  switch (key) {
    case "id":
      return ({ id }) => id.startsWith(value);
    case "name":
      return ({ name }) => new RegExp(value).test(name) || new RegExp(value).test(`/${name}`);
    case "label":
      return ({ config }) => hasLabel(config.labels, value);
    case "status":
      if (!STATES.includes(value)) throw new EngineError(`invalid filter 'status=${value}': expected one of ${STATES.join(", ")}`);
      return (record) => containerState(record) === value;
    case "health":
      return ({ id, config }) => (config.healthcheck ? (getHealth(engine.db, id)?.status ?? "none") : "none") === value;
    case "exited":
      if (!/^-?\d+$/.test(value)) throw new EngineError(`invalid filter 'exited=${value}': expected an exit code`);
      return ({ status, exitCode }) => status === "exited" && exitCode === Number(value);
    case "ancestor": {
      const ancestor = imageIdOf(engine, value);
      return ({ imageId }) => imageId === ancestor;
    }
    case "before": {
      const limit = resolveContainer(engine, value).createdAt;
      return ({ createdAt }) => createdAt < limit;
    }
    case "since": {
      const limit = resolveContainer(engine, value).createdAt;
      return ({ createdAt }) => createdAt > limit;
    }
    case "volume":
      return ({ config }) =>
        config.mounts.some(
          (mount) => mount.target === value || (mount.type === "volume" && mount.name === value) || (mount.type === "bind" && mount.source === value),
        );
    case "network":
      return ({ id: container, config }) =>
        config.network === value || endpointsOf(engine.db, container).some(({ network: { id, name } }) => name === value || id.startsWith(value));
    // Ports are those of containers that run.
    case "publish": {
      const isMeant = testOfPorts(value);
      return ({ id }) => portsOf(engine.db, id).some(({ hostPort, protocol }) => isMeant(hostPort, protocol));
    }
    case "expose": {
      const isMeant = testOfPorts(value);
      return ({ id, process, config }) =>
        portsOf(engine.db, id).some(({ containerPort, protocol }) => isMeant(containerPort, protocol)) ||
        (process !== undefined && config.exposedPorts.some((port) => isMeant(Number.parseInt(port, 10), port.split("/")[1])));
    }
    case "is-task":
      return booleanOf(key, value) ? () => false : () => true;
    default:
      throw new EngineError(
        `invalid filter '${key}': expected ancestor, before, exited, expose, health, id, is-task, label, name, network, publish, since, status or volume`,
      );
  }
}

// `80`, `80/udp`, `8000-8080/tcp`.
function testOfPorts(value: string): (port: number, protocol: string | undefined) => boolean {
  const [, first, last = first, wanted = "tcp"] = /^(\d+)(?:-(\d+))?(?:\/(tcp|udp|sctp))?$/.exec(value) ?? [];
  if (first === undefined) throw new EngineError(`invalid filter '${value}': expected a port, such as 80, 53/udp or 8000-8080/tcp`);
  return (port, protocol) => port >= Number(first) && port <= Number(last) && protocol === wanted;
}

// As it was given where it is gone: containers know the id of theirs.
function imageIdOf(engine: Engine, text: string): string {
  const { resolveImage } = require("./resolve-image.ts") as typeof import("./resolve-image.ts"); // seldom asked for
  try {
    return resolveImage(engine, text).image.id;
  } catch {
    return text;
  }
}

/** Whether labels have `NAME`, or `NAME=VALUE`. */
export function hasLabel(labels: Record<string, string>, wanted: string): boolean {
  const equals = wanted.indexOf("=");
  if (equals < 0) return Object.hasOwn(labels, wanted);
  return labels[wanted.slice(0, equals)] === wanted.slice(equals + 1);
}
