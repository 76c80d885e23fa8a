/**
 * Reads flags as docker (pflag) does: combined short ones with their values
 * (`-itd`, `-p80:80`, `-eA=B`), `--flag=value`, `--rm=false`, `--`, and an end of
 * flags at the first argument where a command asks for that. cac's own parser does
 * none of these and turns values into numbers (`007`, `1e3`).
 */
import type { Command, Flag, Flags } from "./command.ts";
import { UsageError } from "./errors.ts";
import { suggest } from "./suggest.ts";

/** One flag as it was given; a boolean one has `true` or `false`. */
export interface GivenFlag {
  name: string;
  value: string | boolean;
}

export interface ParsedArguments {
  flags: GivenFlag[];
  args: string[];
}

const TRUE = ["1", "t", "T", "true", "TRUE", "True"];
const FALSE = ["0", "f", "F", "false", "FALSE", "False"];

function toBoolean(text: string, name: string): boolean {
  if (TRUE.includes(text)) return true;
  if (FALSE.includes(text)) return false;
  throw new UsageError(`invalid argument "${text}" for "--${name}" flag: expected true or false`);
}

/** `-m, --memory`, as docker names a flag in messages. */
export function flagLabel(name: string, flag: Flag): string {
  return flag.short ? `-${flag.short}, --${name}` : `--${name}`;
}

/** A command's flags and `--help`, with `-h` where that is not taken. */
export function withHelp(flags: Flags): Flags {
  let isTaken = false;
  for (const name in flags) if (flags[name]?.short === "h") isTaken = true;
  return { ...flags, help: { type: "boolean", help: "Print usage", ...(!isTaken && { short: "h" }) } };
}

/** Splits a command's arguments into flags and the rest. Throws {@link UsageError} on a flag it does not know. */
export function parseArguments(flags: Flags, argv: string[], stopAtFirstArgument: boolean): ParsedArguments {
  const result: ParsedArguments = { flags: [], args: [] };
  const queue = [...argv];
  const takeValue = (described: string): string => {
    const next = queue.shift();
    if (next === undefined) throw new UsageError(`flag needs an argument: ${described}`);
    return next;
  };
  for (let word = queue.shift(); word !== undefined; word = queue.shift()) {
    if (word === "--") {
      result.args.push(...queue);
      break;
    }
    if (word.startsWith("--")) readLong(word);
    else if (word.startsWith("-") && word.length > 1) readShort(word);
    else {
      result.args.push(word);
      if (stopAtFirstArgument) {
        result.args.push(...queue);
        break;
      }
    }
  }
  return result;

  function readLong(word: string): void {
    const equals = word.indexOf("=");
    const name = equals < 0 ? word.slice(2) : word.slice(2, equals);
    const flag = flags[name];
    if (!flag) {
      const near = suggest(
        name,
        Object.keys(flags).filter((known) => !flags[known]?.hidden),
      );
      throw new UsageError(`unknown flag: --${name}${near ? `, did you mean --${near}?` : ""}`);
    }
    if (flag.type === "boolean") result.flags.push({ name, value: equals < 0 ? true : toBoolean(word.slice(equals + 1), name) });
    else result.flags.push({ name, value: equals < 0 ? takeValue(`--${name}`) : word.slice(equals + 1) });
  }

  function nameOf(short: string): string | undefined {
    for (const name in flags) if (flags[name]?.short === short) return name;
    return undefined;
  }

  function readShort(word: string): void {
    for (let at = 1; at < word.length; at++) {
      const letter = word[at] as string;
      const name = nameOf(letter);
      const flag = name === undefined ? undefined : flags[name];
      if (name === undefined || !flag) throw new UsageError(`unknown shorthand flag: '${letter}' in ${word}`);
      const rest = word.slice(at + 1);
      if (flag.type === "boolean") {
        if (!rest.startsWith("=")) {
          result.flags.push({ name, value: true });
          continue;
        }
        result.flags.push({ name, value: toBoolean(rest.slice(1), name) });
      } else {
        const value = rest === "" ? takeValue(`'${letter}' in ${word}`) : rest.startsWith("=") ? rest.slice(1) : rest;
        result.flags.push({ name, value });
      }
      return;
    }
  }
}

/** A command's flags with their types, from what was given; the last of a repeated one counts. */
export function flagValues(flags: Flags, given: GivenFlag[]): Record<string, boolean | string | string[] | undefined> {
  // Step by step: a command has a hundred flags, and is run by code that nothing has compiled.
  const values: ReturnType<typeof flagValues> = {};
  for (const name in flags) {
    const { type, on } = flags[name] as Flag;
    values[name] = type === "list" ? [] : type === "boolean" ? on === true : undefined;
  }
  for (const { name, value } of given) {
    const list = values[name];
    if (Array.isArray(list)) list.push(value as string);
    else values[name] = value;
  }
  return values;
}

/** Refuses flags of docker's that have no meaning here; gives the warnings of those that have no effect. */
export function checkMeaning(flags: Flags, given: GivenFlag[]): string[] {
  return given.flatMap(({ name, value }) => {
    const { refused, ignored, on } = flags[name] as Flag;
    if (refused !== undefined && value !== (on === true)) throw new UsageError(`"--${name}" ${refused}`);
    return ignored === undefined ? [] : [ignored];
  });
}

/** Checks the number of arguments, in docker's words. */
export function checkCount(typed: string, { args: { min, max } }: Command, args: string[]): void {
  const name = `'berth ${typed}'`;
  const plural = (n: number) => `${n} argument${n === 1 ? "" : "s"}`;
  if (max === 0 && args.length > 0) throw new UsageError(`${name} accepts no arguments, but got ${JSON.stringify(args[0])}`, 1);
  if (min === max && args.length !== min) throw new UsageError(`${name} requires ${plural(min)}, but got ${args.length}`, 1);
  if (args.length < min) throw new UsageError(`${name} requires at least ${plural(min)}`, 1);
  if (max !== undefined && args.length > max) throw new UsageError(`${name} requires at most ${plural(max)}, but got ${args.length}`, 1);
}
