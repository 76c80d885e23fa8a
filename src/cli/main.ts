/** The command line: finds the command, runs it, turns what went wrong into a line and an exit code. */

import { OwnedFd, writeAll } from "../../ffi/fd.ts";
import { utf8 } from "../../ffi/libc.ts";
import { once } from "../../ffi/once.ts";
import { exitNow } from "../../ffi/process.ts";
import { mark } from "../../ffi/trace.ts";
import type { Engine } from "../engine/engine.ts";
import { MONITOR_VARIABLE } from "../monitor/environment.ts";
import { checkCount, checkMeaning, flagValues, parseArguments, withHelp } from "./arguments.ts";
import type { Command, Context, Flags, FlagValues } from "./command.ts";
import { UsageError, ValueError } from "./errors.ts";
import { allNames, COMMANDS, type CommandEntry, GROUPS, usualName } from "./registry.ts";
import { suggest } from "./suggest.ts";

const NO_DAEMON = { hidden: true, refused: "has no meaning: berth has no daemon to connect to" } as const;

const GLOBAL_FLAGS = {
  config: { type: "string", value: "DIR", help: "Location of docker's client config files (DOCKER_CONFIG; default: ~/.docker)" },
  context: { short: "c", type: "string", help: "Name of the context to use", ...NO_DAEMON },
  debug: { short: "D", type: "boolean", help: "Show where an error comes from (BERTH_DEBUG)" },
  host: { short: "H", type: "list", help: "Daemon socket to connect to", hidden: true },
  "log-level": { short: "l", type: "string", help: "Set the logging level", hidden: true },
  root: { type: "string", value: "DIR", help: "Keep everything of this engine under DIR (BERTH_ROOT; default: /var/lib/berth and /run/berth)" },
  tls: { type: "boolean", help: "Use TLS", ...NO_DAEMON },
  tlscacert: { type: "string", help: "Trust certs signed only by this CA", ...NO_DAEMON },
  tlscert: { type: "string", help: "Path to TLS certificate file", ...NO_DAEMON },
  tlskey: { type: "string", help: "Path to TLS key file", ...NO_DAEMON },
  tlsverify: { type: "boolean", help: "Use TLS and verify the remote", ...NO_DAEMON },
  help: { short: "h", type: "boolean", help: "Print usage" },
  version: { short: "v", type: "boolean", help: "Print version information" },
} satisfies Flags;
/** Commands that an ordinary user needs no namespace for. */
const WITHOUT_ENGINE = ["version", "completion", "search", "login", "logout", "manifest inspect"];
const HELP_WORDS = ["--help", "-h", "help"];

/** Runs one command line (without the program's name) and ends the process. */
export async function runCommandLine(argv: string[]): Promise<never> {
  // Bun's paints it all red where it has found a terminal as it started, which a process from a snapshot has not.
  console.error = (...words: unknown[]) => {
    try {
      writeAll(2, utf8(`${words.join(" ")}\n`));
    } catch {} // nobody is there to be told
  };
  let exitCode: number;
  try {
    exitCode = await dispatch(argv);
  } catch (error) {
    exitCode = report(error, "berth", 1);
  }
  exitNow(exitCode);
}

/** Runs one command line. @returns its exit code; throws what is wrong with it */
export async function dispatch(argv: string[]): Promise<number> {
  const { globals, words } = takeGlobalFlags(argv);
  if (words.length === 0) return help([]);
  if (words[0] === "help") return help(words.slice(1));
  if (words[0] === "__complete") return completeLine(words.slice(1), globals.root);
  const found = findCommand(words);
  if (!found) return help(words.filter((word) => !HELP_WORDS.includes(word)));
  const { name, typed, args } = found;
  if (globals.help) args.unshift("--help");
  if (process.geteuid?.() !== 0 && !WITHOUT_ENGINE.includes(name) && !args.includes("--help")) (await import("./rootless.ts")).enterRootless();
  // It starts up while all else is loaded, and ends where nothing comes of this.
  let monitor: OwnedFd | undefined;
  if (name === "run" && !args.includes("--help")) {
    monitor = takeLaunched() ?? (await import("../engine/launch-monitor.ts")).launchMonitor();
    mark("launch monitor");
  }
  const usesEngine = !WITHOUT_ENGINE.includes(name) && !args.includes("--help");
  const [command, engineModule] = await Promise.all([loadCommand(name), usesEngine ? loadEngine() : undefined]);
  mark("load command");
  const context = makeContext(globals.root ?? process.env.BERTH_ROOT, typed, engineModule);
  if (monitor) context.monitor = monitor;
  try {
    return await runCommand(command, context, args);
  } catch (error) {
    const hint = error instanceof UsageError ? `See 'berth ${typed} --help'.` : undefined;
    return report(error, "berth", name === "run" ? 125 : 1, hint);
  }
}

/** The connection to a monitor that the loader has launched. */
function takeLaunched(): OwnedFd | undefined {
  const fd = process.env[MONITOR_VARIABLE];
  delete process.env[MONITOR_VARIABLE];
  return fd === undefined ? undefined : new OwnedFd(Number(fd));
}

/** What stands before the command, and the rest. */
function takeGlobalFlags(argv: string[]): { globals: Partial<FlagValues<typeof GLOBAL_FLAGS>>; words: string[] } {
  if (!argv[0]?.startsWith("-")) return { globals: {}, words: argv };
  const { flags, args } = parseArguments(GLOBAL_FLAGS, argv, true);
  const globals = flagValues(GLOBAL_FLAGS, flags) as FlagValues<typeof GLOBAL_FLAGS>;
  checkMeaning(
    GLOBAL_FLAGS,
    flags.filter(({ name, value }) => name !== "context" || value !== "default"),
  );
  for (const host of globals.host)
    if (!host.startsWith("unix://")) throw new UsageError(`"--host" ${host}: berth has no daemon to connect to, it works on this host only`, 1);
  if (globals.config !== undefined) process.env.DOCKER_CONFIG = globals.config;
  if (globals.debug) process.env.BERTH_DEBUG = "1";
  return { globals, words: globals.version ? ["version", "--short"] : args };
}

const entryOf = (name: string) => COMMANDS[name] as CommandEntry;

const commands: Record<string, Promise<Command>> = {};

// Loaded once, see `once`.
function loadCommand(name: string): Promise<Command> {
  commands[name] ??= entryOf(name).load();
  return commands[name];
}

/** A command, and what stands behind it; undefined for a group alone. Throws {@link UsageError} where there is none. */
function findCommand([word = "", ...rest]: string[]): { name: string; typed: string; args: string[] } | undefined {
  if (!GROUPS[word]) {
    const name = usualName(word);
    if (name === undefined) throw new UsageError(unknown(word, [...allNames().map(([spelling]) => spelling), ...Object.keys(GROUPS)]), 1);
    return { name, typed: word, args: rest };
  }
  const [second, ...args] = rest;
  if (second === undefined || HELP_WORDS.includes(second)) return undefined;
  if (second.startsWith("-")) throw new UsageError(`unknown flag: ${second}. See 'berth ${word} --help'`);
  const typed = `${word} ${second}`;
  const name = usualName(typed);
  if (name !== undefined) return { name, typed, args };
  const below = allNames()
    .map(([spelling]) => spelling)
    .filter((known) => known.startsWith(`${word} `))
    .map((known) => known.slice(word.length + 1));
  throw new UsageError(unknown(second, below, `${word} `), 1);
}

function unknown(typed: string, known: string[], group = ""): string {
  const near = suggest(typed, known);
  return `unknown command: berth ${group}${typed}${near ? `, did you mean berth ${group}${near}?` : "."} See 'berth ${group}--help'`;
}

// For the scripts of `berth completion`. A mistake on the line, or no store, is no news there.
async function completeLine(line: string[], root: string | undefined): Promise<number> {
  const { complete } = await import("./complete.ts");
  try {
    const candidates = await complete(line, makeContext(root ?? process.env.BERTH_ROOT, ""), GLOBAL_FLAGS);
    process.stdout.write(candidates.map(([word, about]) => `${word}\t${about}\n`).join(""));
    return 0;
  } catch {
    return 1;
  }
}

/** Describes a command, a group, or berth. */
async function help(words: string[]): Promise<number> {
  const { describeAll, describeCommand, describeGroup } = await import("./help.ts");
  const found = words.length > 0 ? findCommand(words) : undefined;
  if (found) describeCommand(found.typed, entryOf(found.name), await entryOf(found.name).load());
  else if (words[0] !== undefined) describeGroup(words[0]);
  else describeAll(GLOBAL_FLAGS);
  return 0;
}

function makeContext(root: string | undefined, command: string, engineModule?: typeof import("../engine/engine.ts")): Context {
  if (root === "") throw new UsageError('invalid argument "" for "--root": expected a folder', 125);
  let engine: Engine | undefined;
  return {
    root,
    command,
    get engine() {
      engine ??= (engineModule ?? loadEngineNow()).openEngine(root);
      return engine;
    },
  };
}

// Not all commands need one, and SQLite with it.
const loadEngine = once(() => import("../engine/engine.ts"));
const loadEngineNow = () => require("../engine/engine.ts") as typeof import("../engine/engine.ts");

async function runCommand(command: Command, context: Context, argv: string[]): Promise<number> {
  const flags = withHelp(command.flags);
  const { flags: given, args } = parseArguments(flags, argv, command.stopAtFirstArgument === true);
  const values = flagValues(flags, given);
  if (values.help === true) return help(context.command.split(" "));
  for (const warning of checkMeaning(flags, given)) console.error(`WARNING: ${warning}`);
  checkCount(context.command, command, args);
  return (await command.run(context, values as never, args)) ?? 0;
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
