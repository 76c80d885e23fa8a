/** `events`: what happened, and what happens. */
import { eventsAfter, lastSequence, type StoredEvent } from "../store/events.ts";
import { StoreWatch } from "../store/store-watch.ts";
import type { Engine } from "./engine.ts";
import { EngineError } from "./errors.ts";
import { type FilterTest, testOfFilters } from "./filters.ts";
import { hasLabel } from "./list-containers.ts";

export interface EventOptions {
  /** Milliseconds since 1970: from when on; undefined for from now. */
  since: number | undefined;
  /** When it ends; undefined for never. */
  until: number | undefined;
  /** `KEY=VALUE` each: of one key any must fit, of several keys all. */
  filters: string[];
}

const TYPES = ["container", "image", "network", "pod", "volume", "daemon", "plugin", "service", "node", "secret", "config"];

/** Calls back with each event once, in order. Throws {@link EngineError} on a filter it does not know. */
export function followEvents(engine: Engine, { since, until, filters }: EventOptions, receive: (event: StoredEvent) => void): void {
  const { db, layout } = engine;
  const test = testOfFilters(filters, testOf);
  // Before it is asked for the first time: what happens then wakes it. Whoever asks for the past need not wait for a watch's end.
  using watch = until === undefined || until > Date.now() ? new StoreWatch(layout.database) : undefined;
  let last = since === undefined ? lastSequence(db) : 0;
  for (;;) {
    const isOver = until !== undefined && Date.now() > until;
    for (const event of eventsAfter(db, last)) {
      last = event.sequence;
      const time = event.time / 1000;
      if ((since === undefined || time >= since) && (until === undefined || time <= until) && test(event)) receive(event);
    }
    if (isOver) return;
    if (watch) watch.wait(until === undefined ? -1 : Math.max(0, until - Date.now() + 1));
    else Bun.sleepSync(1);
  }
}

function testOf(key: string, value: string): FilterTest<StoredEvent> {
  switch (key) {
    // By the beginning of a name or an id; of what is in a network or volume too.
    case "container":
    case "network":
    case "pod":
    case "volume":
      return ({ type, actor, attributes }) =>
        type === key
          ? attributes.name?.startsWith(value) || actor.startsWith(value)
          : key === "container" && attributes.container?.startsWith(value) === true;
    case "image":
      return ({ type, actor, attributes }) => {
        const names = type === "image" ? [actor, attributes.name] : [attributes.image];
        return names.some((name) => name === value || name?.replace(/:[^:/]+$/, "") === value || (type === "image" && name?.startsWith(value)));
      };
    case "event":
      return ({ action }) => action === value || action.startsWith(`${value}:`);
    case "type":
      if (!TYPES.includes(value)) throw new EngineError(`invalid filter 'type=${value}': expected one of ${TYPES.join(", ")}`);
      return ({ type }) => type === value;
    case "label":
      return ({ attributes }) => hasLabel(attributes, value);
    case "scope":
      return () => value === "local";
    case "daemon":
      return () => true;
    case "plugin":
      return () => false;
    default:
      throw new EngineError(`invalid filter '${key}': expected container, event, image, label, network, scope, type or volume`);
  }
}
