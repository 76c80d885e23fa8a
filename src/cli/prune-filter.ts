/** `--filter` of the prune commands. */
import { hasLabel } from "../engine/list-containers.ts";
import { UsageError } from "./errors.ts";
import { parseTime } from "./values.ts";

/** What such a filter looks at; time in milliseconds since 1970. */
export interface Prunable {
  labels: Record<string, string>;
  createdAt: number;
}

/** A test that holds where all of `until=TIME`, `label=…` and `label!=…` do. Throws {@link UsageError}. */
export function pruneFilter(filters: string[]): (item: Prunable) => boolean {
  const now = Date.now();
  const tests = filters.map((filter): ((item: Prunable) => boolean) => {
    const [, key, value = ""] = /^(\w+!?)=(.*)$/.exec(filter) ?? [];
    switch (key) {
      case "until": {
        const limit = parseTime(value, now);
        return ({ createdAt }) => createdAt < limit;
      }
      case "label":
        return ({ labels }) => hasLabel(labels, value);
      case "label!":
        return ({ labels }) => !hasLabel(labels, value);
      case undefined:
        throw new UsageError(`invalid argument "${filter}" for "--filter" flag: expected NAME=VALUE`);
      default:
        throw new UsageError(`invalid filter '${key}': expected until or label`, 1);
    }
  });
  return (item) => tests.every((test) => test(item));
}
