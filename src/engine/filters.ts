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
