/** The OCI runtime's command line: `berth runtime …`, or this executable by the name of a runtime. */
import { existsSync } from "../../../ffi/files.ts";
import { once } from "../../../ffi/once.ts";
import { exitNow } from "../../../ffi/process.ts";
import { RuntimeFailure } from "../../runtime/errors.ts";
import { flagLabel, flagValues, parseArguments } from "../arguments.ts";
import type { Flags } from "../command.ts";
import { UsageError } from "../errors.ts";
import { suggest } from "../suggest.ts";
import type { RuntimeCommand, RuntimeContext } from "./command.ts";
import { type Log, writeLog } from "./log.ts";

const GLOBAL_FLAGS = {
  root: { type: "string", value: "DIR", help: "Folder of the containers' states (default /run/berth-runtime)" },
  log: { type: "string", value: "FILE", help: "Write errors to this file too" },
  "log-format": { type: "string", value: "text|json", help: "Format of the log" },
  debug: { type: "boolean", help: "Log more" },
  "systemd-cgroup": { type: "boolean", help: "Read cgroupsPath as slice:prefix:name" },
  rootless: { type: "string", value: "auto|true|false", help: "Accepted for runc's callers" },
  criu: { type: "string", value: "PATH", help: "Accepted for runc's callers", hidden: true },
  help: { short: "h", type: "boolean", help: "Print usage" },
  version: { short: "v", type: "boolean", help: "Print the version" },
} satisfies Flags;

// Each loads its own.
const create = once(() => import("./create.ts"));
const lifecycle = once(() => import("./lifecycle.ts"));
const exec = once(() => import("./exec.ts"));
const report = once(() => import("./report.ts"));
const MODULES: Record<string, () => Promise<object>> = {
  create,
  run: create,
  start: lifecycle,
  kill: lifecycle,
  delete: lifecycle,
  pause: lifecycle,
  resume: lifecycle,
  exec,
  state: report,
  list: report,
  ps: report,
  events: report,
  spec: report,
  features: report,
  update: report,
};
const loadDescription = () => import("../../runtime/container/describe.ts");
const HELP = { help: { short: "h", type: "boolean", help: "Print usage" } } satisfies Flags;

/** Runs one command line of the runtime, without the program's name, and ends the process. */
export async function runOciRuntime(argv: string[]): Promise<never> {
  const log: Log = { path: undefined, format: "text", debug: false };
  let code: number;
  try {
    code = await dispatch(argv, log);
  } catch (error) {
    writeLog(log, "error", error instanceof Error ? error.message : String(error));
    code = 1;
  }
  exitNow(code);
}

/** Runs one command line. @returns its exit code; throws what is wrong with it */
export async function dispatch(argv: string[], log: Log): Promise<number> {
  const given = parseArguments(GLOBAL_FLAGS, argv, true);
  const globals = flagValues(GLOBAL_FLAGS, given.flags);
  const text = (name: string) => globals[name] as string | undefined;
  log.path = text("log");
  const format = text("log-format") ?? "text";
  if (format !== "text" && format !== "json") throw new UsageError(`invalid log format ${JSON.stringify(format)}: expected text or json`, 1);
  log.format = format;
  log.debug = globals.debug === true;
  if (globals.version) {
    const { OCI_VERSION } = await loadDescription();
    // The first words are those that runc's callers look for.
    console.log(`runc version ${BERTH_VERSION} (berth)\ncommit: ${BERTH_COMMIT}\nspec: ${OCI_VERSION}\nbun: ${Bun.version}`);
    return 0;
  }
  const [name, ...rest] = given.args;
  if (name === undefined || globals.help || name === "help") return printHelp();
  if (!MODULES[name]) {
    const near = suggest(name, Object.keys(MODULES));
    throw new UsageError(`unknown command ${name}${near ? `, did you mean ${near}?` : ""}`, 1);
  }
  const command = await loadCommand(name);
  const systemdCgroup = globals["systemd-cgroup"] === true;
  if (systemdCgroup && !existsSync("/run/systemd/system")) throw new RuntimeFailure("--systemd-cgroup: this host is not run by systemd");
  const context: RuntimeContext = { root: text("root") ?? "/run/berth-runtime", systemdCgroup, warn: (message) => writeLog(log, "warning", message) };
  const flags: Flags = { ...command.flags, ...HELP };
  const parsed = parseArguments(flags, rest, command.stopAtFirstArgument === true);
  const values = flagValues(flags, parsed.flags);
  if (values.help) return printCommandHelp(name, command);
  const { min, max } = command.args;
  if (parsed.args.length < min || (max !== undefined && parsed.args.length > max)) {
    throw new UsageError(
      `${name} takes ${min === max ? min : `${min} to ${max ?? "any number of"}`} arguments, got ${parsed.args.length}: ${name} ${command.usage}`,
      1,
    );
  }
  return (await command.run(context, values as never, parsed.args)) ?? 0;
}

function describeFlags(flags: Flags): string {
  const lines = Object.entries(flags)
    .filter(([, flag]) => !flag.hidden)
    .map(
      ([name, flag]) =>
        [
          `  ${flag.short ? flagLabel(name, flag) : `    --${name}`}${flag.type === "boolean" ? "" : ` ${flag.value ?? "string"}`}`,
          flag.help,
        ] as const,
    );
  const width = Math.max(0, ...lines.map(([label]) => label.length)) + 2;
  return lines.map(([label, help]) => `${label.padEnd(width)}${help}`).join("\n");
}

// The commands' flags differ in type; what they share is all that a dispatcher needs.
async function loadCommand(name: string): Promise<RuntimeCommand> {
  const commands = (await MODULES[name]?.()) as Record<string, RuntimeCommand>;
  return commands[name] as RuntimeCommand;
}

async function printHelp(): Promise<number> {
  const names = Object.keys(MODULES).sort();
  const lines = await Promise.all(names.map(async (name) => `  ${name.padEnd(10)}${(await loadCommand(name)).summary}`));
  const commands = lines.join("\n");
  const { OCI_VERSION } = await loadDescription();
  console.log(
    `Usage:  berth runtime [OPTIONS] COMMAND\n\nAn OCI runtime (runtime-spec ${OCI_VERSION})\n\nCommands:\n${commands}\n\nOptions:\n${describeFlags(GLOBAL_FLAGS)}`,
  );
  return 0;
}

function printCommandHelp(name: string, command: RuntimeCommand): number {
  console.log(`Usage:  berth runtime ${name} ${command.usage}\n\n${command.summary}\n\nOptions:\n${describeFlags({ ...command.flags, ...HELP })}`);
  return 0;
}
