/** A command of the OCI runtime: the words runc's callers use. */
import type { Flags, FlagValues } from "../command.ts";
import { UsageError } from "../errors.ts";

export interface RuntimeContext {
  /** Where states are. */
  root: string;
  systemdCgroup: boolean;
  warn(message: string): void;
}

export interface RuntimeCommand<F extends Flags = Flags> {
  summary: string;
  /** After the name. */
  usage: string;
  flags: F;
  args: { min: number; max?: number };
  stopAtFirstArgument?: boolean;
  // biome-ignore lint/suspicious/noConfusingVoidType: most commands have nothing to give
  run(context: RuntimeContext, flags: FlagValues<F>, args: string[]): Promise<number | void> | number | void;
}

export function defineRuntimeCommand<const F extends Flags>(command: RuntimeCommand<F>): RuntimeCommand<F> {
  return command;
}

/** A count of descriptors, seconds and the like. */
export function parseCount(text: string | undefined, flag: string): number {
  if (text === undefined) return 0;
  if (!/^\d+$/.test(text)) throw new UsageError(`invalid value ${JSON.stringify(text)} for --${flag}: expected a whole number`, 1);
  return Number(text);
}
