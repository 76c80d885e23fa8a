/** How a command describes itself: to the parser, to help, to whoever runs it. */
import type { OwnedFd } from "../../ffi/fd.ts";
import type { Engine } from "../engine/engine.ts";

export interface Flag {
  /** One letter. */
  short?: string;
  type: "boolean" | "string" | "list";
  /** What stands for the value in help. */
  value?: string;
  help: string;
  /** A boolean flag that is on unless it is switched off. */
  on?: boolean;
  /** Understood, not shown. */
  hidden?: boolean;
  /** Of docker's flags that have no meaning here: what is said of any value but the usual one, after the flag's name. */
  refused?: string;
  /** Where docker refuses it as well: `on Linux`, `outside of a swarm`. */
  refusedByDocker?: string;
  /** Understood, without an effect; why, as a warning. */
  ignored?: string;
  /** How docker's flag of that name is another one; for the reference. */
  differs?: string;
}
export type Flags = Record<string, Flag>;

/** What a flag's value is once parsed. */
export type FlagValues<F extends Flags> = {
  [K in keyof F]: F[K]["type"] extends "boolean" ? boolean : F[K]["type"] extends "list" ? string[] : string | undefined;
};

export interface Context {
  /** `--root` or BERTH_ROOT. */
  root: string | undefined;
  /** The engine, opened on first use. */
  readonly engine: Engine;
  /** The connection to a monitor that was launched before the command was loaded. */
  monitor?: OwnedFd;
  /** The command as typed, for messages: `run`, `container ls`. */
  command: string;
}

export interface Command<F extends Flags = Flags> {
  /** After the name: `[OPTIONS] CONTAINER [CONTAINER...]`. */
  usage: string;
  flags: F;
  /** How many arguments it takes. */
  args: { min: number; max?: number };
  /** What follows the first argument belongs to somebody else's command. */
  stopAtFirstArgument?: boolean;
  examples?: string[];
  /** Runs it; gives the exit code, 0 where it gives none. */
  // biome-ignore lint/suspicious/noConfusingVoidType: most commands have nothing to give
  run(context: Context, flags: FlagValues<F>, args: string[]): Promise<number | void>;
}

/** Types a command's flags. */
export function defineCommand<const F extends Flags>(command: Command<F>): Command<F> {
  return command;
}
