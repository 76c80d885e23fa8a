/** Help, from what commands say of themselves; cac lays it out. */
import { cac } from "cac";
import { flagLabel, withHelp } from "./arguments.ts";
import type { Command, Flag, Flags } from "./command.ts";
import { allNames, COMMANDS, type CommandEntry, GROUPS, usualName } from "./registry.ts";

const COMMON = ["run", "exec", "ps", "build", "pull", "push", "images", "login", "logout", "search", "version", "info"];

/** A flag as help and the reference show it: `-p, --publish list`. */
export function flagUsage(name: string, flag: Flag): string {
  const label = flag.short ? flagLabel(name, flag) : `    --${name}`;
  return flag.type === "boolean" ? label : `${label} ${flag.value ?? (flag.type === "list" ? "list" : "string")}`;
}

/** What a command says of itself. */
export function describeCommand(typed: string, entry: CommandEntry, command: Command): void {
  const names = [usualName(typed) ?? typed, ...(entry.aliases ?? [])];
  show([
    { body: `Usage:  berth ${typed} ${command.usage}` },
    { body: entry.summary },
    ...(names.length > 1 ? [{ title: "Aliases", body: `  ${names.map((name) => `berth ${name}`).join(", ")}` }] : []),
    { title: "Options", body: options(withHelp(command.flags)) },
    ...(command.examples ? [{ title: "Examples", body: command.examples.map((example) => `  ${example}`).join("\n") }] : []),
  ]);
}

const options = (flags: Flags) => columns(shownFlags(flags).map(([name, flag]) => [flagUsage(name, flag), flag.help]));

/** Those that help shows, in the order of their names. */
export function shownFlags(flags: Flags): [string, Flag][] {
  return Object.entries(flags)
    .filter(([, flag]) => !flag.hidden)
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

// Names and what they do, in two columns.
function columns(rows: [string, string][]): string {
  const width = Math.max(...rows.map(([name]) => name.length)) + 2;
  return rows.map(([name, text]) => `  ${name.padEnd(width)}${text}`).join("\n");
}

function show(sections: { title?: string; body: string }[]): void {
  const cli = cac("berth");
  cli.globalCommand.helpCallback = () => sections;
  cli.outputHelp();
}

/** `berth container --help`. */
export function describeGroup(group: string): void {
  const below = allNames().filter(([spelling]) => spelling.startsWith(`${group} `));
  // Of the spellings of a command the first counts.
  const first = new Map(below.map(([spelling, name]) => [name, spelling] as const).toReversed());
  const rows = [...first].map(([name, spelling]): [string, string] => [spelling.slice(group.length + 1), COMMANDS[name]?.summary ?? ""]);
  show([
    { body: `Usage:  berth ${group} COMMAND` },
    { body: GROUPS[group] ?? "" },
    { title: "Commands", body: columns(rows.sort(([a], [b]) => (a < b ? -1 : 1))) },
    { body: `Run 'berth ${group} COMMAND --help' for more information on a command.` },
  ]);
}

/** `berth --help`. */
export function describeAll(flags: Flags): void {
  const single = Object.entries(COMMANDS).filter(([name]) => !name.includes(" "));
  const row = ([name, { summary }]: [string, CommandEntry]): [string, string] => [name, summary];
  show([
    { body: "Usage:  berth [OPTIONS] COMMAND" },
    { body: "A container engine in one executable, without a daemon" },
    { title: "Common Commands", body: columns(COMMON.flatMap((name) => (COMMANDS[name] ? [row([name, COMMANDS[name]])] : []))) },
    { title: "Management Commands", body: columns(Object.entries(GROUPS).sort()) },
    {
      title: "Commands",
      body: columns(
        single
          .filter(([name]) => !COMMON.includes(name))
          .map(row)
          .sort(),
      ),
    },
    { title: "Global Options", body: options(flags) },
    { body: "Run 'berth COMMAND --help' for more information on a command, 'berth runtime --help' on the OCI runtime." },
  ]);
}
