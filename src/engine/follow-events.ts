/** `events`: what happened, and what happens. */
import { FileWatch, IN_MODIFY } from "../../ffi/inotify.ts";
import { type EventType, eventsAfter, lastSequence, type StoredEvent } from "../store/events.ts";
import type { Engine } from "./engine.ts";
import { EngineError } from "./errors.ts";
import { filtersByKey } from "./filters.ts";
import { hasLabel } from "./list-containers.ts";

export interface EventOptions {
  /** Milliseconds since 1970: from when on; undefined for from now. */
  since: number | undefined;
  /** When it ends; undefined for never. */
  until: number | undefined;
  /** `KEY=VALUE` each: of one key any must fit, of several keys all. */
  filters: string[];
}

type Test = (event: StoredEvent) => boolean;
const TYPES = ["container", "image", "network", "pod", "volume", "daemon", "plugin", "service", "node", "secret", "config"];

/** Calls back with each event once, in order. Throws {@link EngineError} on a filter it does not know. */
export function followEvents(engine: Engine, { since, until, filters }: EventOptions, receive: (event: StoredEvent) => void): void {
  const { db, layout } = engine;
  const test = testOf(filters);
  // Before it is asked for the first time: what happens then wakes it.
  using watch = new FileWatch();
  watch.add(`${layout.database}-wal`, IN_MODIFY);
  let last = since === undefined ? lastSequence(db) : 0;
  for (;;) {
    const isOver = until !== undefined && Date.now() > until;
    for (const event of eventsAfter(db, last)) {
      last = event.sequence;
      const time = event.time / 1000;
      if ((since === undefined || time >= since) && (until === undefined || time <= until) && test(event)) receive(event);
    }
    if (isOver) return;
    watch.wait(until === undefined ? -1 : Math.max(0, until - Date.now() + 1));
  }
}

function testOf(filters: string[]): Test {
  const byKey = filtersByKey(filters);
  const tests = [...byKey].map(([key, values]) => testFor(key, values));
  return (event) => tests.every((test) => test(event));
}

function testFor(key: string, values: string[]): Test {
  const any =
    (test: (event: StoredEvent, value: string) => boolean): Test =>
    (event) =>
      values.some((value) => test(event, value));
  // By name, or by the beginning of an id; of what is in a network or volume too.
  const actor = (type: EventType) =>
    any(({ type: own, actor: id, attributes }, value) => own === type && (attributes.name === value || id.startsWith(value)));
  switch (key) {
    case "container": {
      const own = actor("container");
      return (event) => own(event) || values.some((value) => event.type !== "container" && event.attributes.container?.startsWith(value));
    }
    case "network":
    case "pod":
    case "volume":
      return actor(key);
    case "image":
      return any(({ type, actor: id, attributes }, value) => {
        const names = type === "image" ? [id, attributes.name] : [attributes.image];
        return names.some((name) => name === value || name?.replace(/:[^:/]+$/, "") === value || (type === "image" && name?.startsWith(value)));
      });
    case "event":
      return any(({ action }, value) => action === value || action.startsWith(`${value}:`));
    case "type":
      for (const value of values)
        if (!TYPES.includes(value)) throw new EngineError(`invalid filter 'type=${value}': expected one of ${TYPES.join(", ")}`);
      return any(({ type }, value) => type === value);
    case "label":
      return (event) => values.every((value) => hasLabel(event.attributes, value));
    case "scope":
      return any((_, value) => value === "local");
    case "daemon":
      return () => true;
    case "plugin":
      return () => false;
    default:
      throw new EngineError(`invalid filter '${key}': expected container, event, image, label, network, scope, type or volume`);
  }
}
