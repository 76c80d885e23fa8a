/** `ps`: containers that fit filters. */
import { type ContainerRecord, isRestarting } from "../store/containers.ts";
import { getHealth } from "../store/health.ts";
import { endpointsOf } from "../store/networks.ts";
import { containerState } from "./container-state.ts";
import type { Engine } from "./engine.ts";
import { EngineError } from "./errors.ts";
import { filtersByKey } from "./filters.ts";
import { listReconciled } from "./reconcile.ts";
import { resolveContainer } from "./resolve-container.ts";
import { resolveImage } from "./resolve-image.ts";

export interface ListOptions {
  /** Also those that do not run. */
  all: boolean;
  /** Only so many, the newest, running or not. */
  last: number | undefined;
  /** `KEY=VALUE` each: of one key any must fit, of several keys all. */
  filters: string[];
}

const STATES = ["created", "restarting", "running", "removing", "paused", "exited", "dead"];

type Test = (record: ContainerRecord) => boolean;

/** Containers, the newest first. Throws {@link EngineError} on a filter it does not know. */
export function listContainers(engine: Engine, options: ListOptions): ContainerRecord[] {
  const byKey = filtersByKey(options.filters);
  const tests = [...byKey].map(([key, values]) => testFor(engine, key, values));
  // A filter on states asks for those that do not run too.
  const all = options.all || options.last !== undefined || byKey.has("status") || byKey.has("exited");
  const running = (record: ContainerRecord) => record.status === "running" || record.status === "paused" || isRestarting(record);
  const found = listReconciled(engine).filter((record) => (all || running(record)) && tests.every((test) => test(record)));
  return options.last === undefined ? found : found.slice(0, options.last);
}

function testFor(engine: Engine, key: string, values: string[]): Test {
  const any =
    (test: (record: ContainerRecord, value: string) => boolean): Test =>
    (record) =>
      values.some((value) => test(record, value));
  switch (key) {
    case "id":
      return any((record, value) => record.id.startsWith(value));
    case "name":
      return any((record, value) => new RegExp(value).test(record.name) || new RegExp(value).test(`/${record.name}`));
    case "label":
      // Labels are the exception: all of them must be there.
      return (record) => values.every((value) => hasLabel(record.config.labels, value));
    case "status":
      for (const value of values)
        if (!STATES.includes(value)) throw new EngineError(`invalid filter 'status=${value}': expected one of ${STATES.join(", ")}`);
      return any((record, value) => containerState(record) === value);
    case "health":
      return any((record, value) => (record.config.healthcheck ? (getHealth(engine.db, record.id)?.status ?? "none") : "none") === value);
    case "exited":
      for (const value of values) if (!/^-?\d+$/.test(value)) throw new EngineError(`invalid filter 'exited=${value}': expected an exit code`);
      return any((record, value) => record.status === "exited" && record.exitCode === Number(value));
    case "ancestor": {
      const ids = values.map((value) => {
        try {
          return resolveImage(engine, value).image.id;
        } catch {
          return value;
        }
      });
      return (record) => record.imageId !== undefined && ids.includes(record.imageId);
    }
    case "before": {
      const limits = values.map((value) => resolveContainer(engine, value).createdAt);
      return (record) => limits.some((limit) => record.createdAt < limit);
    }
    case "since": {
      const limits = values.map((value) => resolveContainer(engine, value).createdAt);
      return (record) => limits.some((limit) => record.createdAt > limit);
    }
    case "volume":
      return any((record, value) =>
        record.config.mounts.some(
          (mount) => mount.target === value || (mount.type === "volume" && mount.name === value) || (mount.type === "bind" && mount.source === value),
        ),
      );
    case "network":
      return any((record, value) => {
        const networks = endpointsOf(engine.db, record.id).map(({ network }) => network);
        return record.config.network === value || networks.some(({ id, name }) => name === value || id.startsWith(value));
      });
    default:
      throw new EngineError(`invalid filter '${key}': expected ancestor, before, exited, health, id, label, name, network, since, status or volume`);
  }
}

/** Whether labels have `NAME`, or `NAME=VALUE`. */
export function hasLabel(labels: Record<string, string>, wanted: string): boolean {
  const equals = wanted.indexOf("=");
  if (equals < 0) return wanted in labels;
  return labels[wanted.slice(0, equals)] === wanted.slice(equals + 1);
}
