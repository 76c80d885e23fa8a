import { EngineError } from "./errors.ts";

/** Values of `KEY=VALUE` filters by their key, keys in lower case. Throws {@link EngineError} on one without `=`. */
export function filtersByKey(filters: string[]): Map<string, string[]> {
  const byKey = new Map<string, string[]>();
  for (const filter of filters) {
    const equals = filter.indexOf("=");
    if (equals < 0)
      throw new EngineError(`invalid argument ${JSON.stringify(filter)} for "-f, --filter" flag: bad format of filter (expected name=value)`);
    const key = filter.slice(0, equals).trim().toLowerCase();
    byKey.set(key, [...(byKey.get(key) ?? []), filter.slice(equals + 1).trim()]);
  }
  return byKey;
}

/** The value of a filter that is true or false. Throws {@link EngineError}. */
export function booleanOf(key: string, value: string): boolean {
  if (!["true", "1", "false", "0"].includes(value)) throw new EngineError(`invalid filter '${key}=${value}': expected true or false`);
  return value === "true" || value === "1";
}

/** A test by one filter; throws where there is no such key, or no such value. */
export type FilterTest<T> = (item: T) => boolean;

/**
 * What `KEY=VALUE` filters let through: of one key any of them, of several keys all. Labels are the exception: all of them
 * must be there, or must not (`label!`).
 */
export function testOfFilters<T>(filters: string[], testOf: (key: string, value: string) => FilterTest<T>): FilterTest<T> {
  const groups = [...filtersByKey(filters)].map(([key, values]) => ({ key, tests: values.map((value) => testOf(key, value)) }));
  return (item) =>
    groups.every(({ key, tests }) => (["label", "label!"].includes(key) ? tests.every((test) => test(item)) : tests.some((test) => test(item))));
}
