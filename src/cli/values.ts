/** Values of flags: sizes, numbers, times, pairs. Every function throws {@link ValueError} naming what was expected. */
import { flagLabel } from "./arguments.ts";
import type { Flags } from "./command.ts";
import { UsageError, ValueError } from "./errors.ts";

const SIZE_UNITS = ["b", "k", "m", "g", "t", "p"];

/** `64m`, `1.5g`, `1024`, in bytes; units are powers of 1024. */
export function parseSize(text: string): number {
  const [, number, unit = "b"] = /^(\d+(?:\.\d+)?)\s*(?:([bkmgtp])(?:i?b)?)?$/i.exec(text.trim()) ?? [];
  if (number === undefined) throw new ValueError("expected a size in bytes, such as 67108864, 64m or 1.5g");
  return Math.floor(Number(number) * 1024 ** SIZE_UNITS.indexOf(unit.toLowerCase()));
}

export function parseInteger(text: string, min = Number.MIN_SAFE_INTEGER): number {
  const value = Number(text);
  if (!/^-?\d+$/.test(text) || !Number.isSafeInteger(value)) throw new ValueError("expected a whole number");
  if (value < min) throw new ValueError(`expected a number of at least ${min}`);
  return value;
}

export function parseIntegerIn(text: string, min: number, max: number): number {
  const value = parseInteger(text, min);
  if (value > max) throw new ValueError(`expected a number from ${min} to ${max}`);
  return value;
}

const DURATION_UNITS: Record<string, number> = { ns: 1e-6, us: 1e-3, µs: 1e-3, ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Go's durations, `1h30m`, `1.5s`, in milliseconds; undefined where it is none. */
export function parseDuration(text: string): number | undefined {
  if (!/^(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))+$/.test(text)) return undefined;
  let total = 0;
  for (const [, number, unit = ""] of text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)) total += Number(number) * (DURATION_UNITS[unit] ?? 0);
  return total;
}

/** A point in time as `logs --since` takes it: RFC 3339, a date, seconds since 1970, or a duration before now; in milliseconds since 1970. */
export function parseTime(text: string, now: number): number {
  const duration = parseDuration(text);
  if (duration !== undefined) return now - duration;
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1000;
  if (/^\d{4}-\d\d-\d\d(T\d\d(:\d\d(:\d\d(\.\d+)?)?)?)?(Z|[+-]\d\d:\d\d)?$/.test(text)) {
    // Without a zone it is local time; an hour alone is completed for Date.
    const [, day = "", time = "", zone = ""] = /^(.{10})(?:T(.*?))?(Z|[+-]\d\d:\d\d)?$/.exec(text) ?? [];
    const value = Date.parse(`${day}T${time === "" ? "00:00:00" : time.length === 2 ? `${time}:00` : time}${zone}`);
    if (!Number.isNaN(value)) return value;
  }
  throw new ValueError(`expected a time such as 2026-01-02T15:04:05Z, seconds since 1970, or a duration such as 10m`);
}

/** `NAME=VALUE`, or `NAME` alone with an empty value. */
export function parsePair(text: string, what: string): [string, string] {
  const equals = text.indexOf("=");
  const name = equals < 0 ? text : text.slice(0, equals);
  if (name.trim() === "") throw new ValueError(`expected NAME=VALUE for ${what}`);
  return [name, equals < 0 ? "" : text.slice(equals + 1)];
}

/** Fields of one line of comma separated values, quotes understood as in CSV. */
export function splitCsv(text: string): string[] {
  const fields: string[] = [];
  const pattern = /(?:"((?:[^"]|"")*)"|([^,]*))(,|$)/y;
  for (;;) {
    const match = pattern.exec(text);
    if (!match) throw new ValueError("expected comma separated fields, quoted ones closed");
    fields.push(match[1] !== undefined ? match[1].replaceAll('""', '"') : (match[2] ?? ""));
    if (match[3] === "") return fields;
  }
}

/** A property that is there only with a value. */
export function optional<K extends string, V>(name: K, value: V | undefined): { [k in K]?: V } {
  return value === undefined ? {} : ({ [name]: value } as { [k in K]?: V });
}

/** Reads a flag's value; what is wrong with it is told with the flag's name, in docker's words. */
export function readValue<T>(flags: Flags, name: string, text: string, read: (text: string) => T): T {
  try {
    return read(text);
  } catch (error) {
    if (!(error instanceof ValueError)) throw error;
    const flag = flags[name];
    throw new UsageError(`invalid argument ${JSON.stringify(text)} for "${flag ? flagLabel(name, flag) : name}" flag: ${error.message}`);
  }
}
