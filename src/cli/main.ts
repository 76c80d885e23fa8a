/** The command line: finds the command, runs it, turns what went wrong into a line and an exit code. */
import { cac } from "cac";
import { exitNow } from "../../ffi/process.ts";
import { type Engine, openEngine } from "../engine/engine.ts";
import { checkCount, flagLabel, flagValues, parseArguments } from "./arguments.ts";
import type { Command, Context, Flags } from "./command.ts";
import { UsageError, ValueError } from "./errors.ts";
import { ALIASES, COMMANDS, GROUPS } from "./registry.ts";
import { suggest } from "./suggest.ts";

const GLOBAL_FLAGS = {
  root: { type: "string", value: "DIR", help: "Keep everything of this engine under DIR (BERTH_ROOT; default: /var/lib/berth and /run/berth)" },
  help: { short: "h", type: "boolean", help: "Print usage" },
  version: { short: "v", type: "boolean", help: "Print version information" },
} satisfies Flags;
/** Commands that an ordinary user needs no namespace for. */
const WITHOUT_ENGINE = ["version", "search", "login", "logout", "manifest inspect"];
const HELP_FLAG = { type: "boolean", help: "Print usage" } as const;

/** Runs one command line (without the program's name) and ends the process. */
export async function runCommandLine(argv: string[]): Promise<never> {
  let exitCode: number;
  try {
    exitCode = await dispatch(argv);
  } catch (error) {
    exitCode = report(error, "berth", 1);
  }
  exitNow(exitCode);
}

async function dispatch(argv: string[]): Promise<number> {
  const given = parseArguments(GLOBAL_FLAGS, argv, true);
  const globals = flagValues(GLOBAL_FLAGS, given.flags);
  const [word, ...rest] = given.args;
  if (globals.version) return dispatch(["version", "--short"]);
  if (word === undefined || word === "help") return printGlobalHelp();
  const { name, typed, args } = await findCommand(word, rest);
  if (globals.help) args.unshift("--help");
  if (process.geteuid?.() !== 0 && !WITHOUT_ENGINE.includes(name) && !args.includes("--help")) (await import("./rootless.ts")).enterRootless();
  const command = await (COMMANDS[name] as () => Promise<Command>)();
  const context = makeContext((globals.root as string | undefined) ?? process.env.BERTH_ROOT, typed);
  try {
    return await runCommand(command, context, args);
  } catch (error) {
    const hint = error instanceof UsageError ? `See 'berth ${typed} --help'.` : undefined;
    return report(error, "berth", name === "run" ? 125 : 1, hint);
  }
}

async function findCommand(word: string, rest: string[]): Promise<{ name: string; typed: string; args: string[] }> {
  if (COMMANDS[word]) return { name: word, typed: word, args: rest };
  if (GROUPS.includes(word)) {
    const [second = "", ...args] = rest;
    const typed = `${word} ${second}`;
    const name = ALIASES[typed] ?? (COMMANDS[typed] ? typed : undefined);
    if (name) return { name, typed, args };
    const known = [...Object.keys(ALIASES), ...Object.keys(COMMANDS)].filter((alias) => alias.startsWith(`${word} `));
    if (second === "" || second === "--help")
      throw new UsageError(`berth ${word}: expected one of ${known.map((k) => k.slice(word.length + 1)).join(", ")}`, 1);
    throw new UsageError(unknown(typed, known), 1);
  }
  throw new UsageError(unknown(word, Object.keys(COMMANDS)), 1);
}

function unknown(typed: string, known: string[]): string {
  const near = suggest(typed, known);
  return `unknown command: berth ${typed}${near ? `, did you mean berth ${near}?` : ""} See 'berth --help'.`;
}

function makeContext(root: string | undefined, command: string): Context {
  if (root === "") throw new UsageError('invalid argument "" for "--root": expected a folder', 125);
  let engine: Engine | undefined;
  return {
    root,
    command,
    get engine() {
      engine ??= openEngine(root);
      return engine;
    },
  };
}

// cac has the commands, their help and the call; the flags were read before, in docker's way.
async function runCommand(command: Command, context: Context, argv: string[]): Promise<number> {
  const name = command.names[0] as string;
  const flags: Flags = { ...command.flags, help: HELP_FLAG };
  const parsed = parseArguments(flags, argv, command.stopAtFirstArgument === true);
  const values = flagValues(flags, parsed.flags);
  const cli = cac("berth");
  let exitCode = 0;
  register(cli, command).action(async (options: { "--": string[] }) => {
    checkCount(command, options["--"]);
    exitCode = (await command.run(context, values as never, options["--"])) ?? 0;
  });
  cli.parse(["bun", "berth", name, "--", ...parsed.args], { run: false });
  if (values.help === true) {
    cli.help((sections) => describe(sections, command));
    cli.outputHelp();
    return 0;
  }
  await cli.runMatchedCommand();
  return exitCode;
}

function register(cli: ReturnType<typeof cac>, command: Command) {
  const registered = cli.command(command.names[0] as string, command.summary).usage(`${command.names[0]} ${command.usage}`);
  for (const [name, flag] of Object.entries(command.flags)) {
    if (flag.hidden) continue;
    const label = flag.short ? flagLabel(name, flag) : `    --${name}`;
    registered.option(flag.type === "boolean" ? label : `${label} ${flag.value ?? (flag.type === "list" ? "list" : "string")}`, flag.help);
  }
  for (const example of command.examples ?? []) registered.example(`  ${example}`);
  return registered;
}

type Sections = { title?: string; body: string }[];

function describe(sections: Sections, command: Command): Sections {
  const find = (title: string) => sections.filter((s) => s.title === title);
  const names = command.names.map((n) => `berth ${n}`).join(", ");
  return [
    { body: `Usage:  berth ${command.names[0]} ${command.usage}` },
    { body: command.summary },
    ...(command.names.length > 1 ? [{ title: "Aliases", body: `  ${names}` }] : []),
    ...find("Options"),
    ...find("Examples"),
  ];
}

async function printGlobalHelp(): Promise<number> {
  const cli = cac("berth");
  for (const load of Object.values(COMMANDS)) {
    const command = await load();
    cli.command(command.names[0] as string, command.summary);
  }
  for (const [name, flag] of Object.entries(GLOBAL_FLAGS as Flags)) {
    cli.option(`${flag.short ? flagLabel(name, flag) : `    --${name}`}${flag.value ? ` ${flag.value}` : ""}`, flag.help);
  }
  cli.globalCommand.helpCallback = (sections) => [
    { body: "Usage:  berth [OPTIONS] COMMAND" },
    { body: "A container engine in one executable, without a daemon" },
    ...sections.filter((s) => s.title === "Commands" || s.title === "Options"),
    { body: "Run 'berth COMMAND --help' for more information on a command, 'berth runtime --help' on the OCI runtime." },
  ];
  cli.outputHelp();
  return 0;
}

function report(error: unknown, program: string, otherwise: number, hint?: string): number {
  const message = error instanceof Error ? error.message : String(error);
  console.error(`${program}: ${message.replaceAll("\n", " ")}${hint ? `${/[.?!]$/.test(message) ? "" : "."} ${hint}` : ""}`);
  if (process.env.BERTH_DEBUG && error instanceof Error) console.error(error.stack);
  if (error instanceof UsageError) return error.exitCode;
  if (error instanceof ValueError) return 125;
  const code = (error as { exitCode?: unknown } | null)?.exitCode;
  return typeof code === "number" ? code : otherwise;
}
