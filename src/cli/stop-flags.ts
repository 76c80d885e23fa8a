/** Flags that `stop` and `restart` share. */
import type { StopOptions } from "../engine/signal-container.ts";
import type { Flags, FlagValues } from "./command.ts";
import { parseInteger, readValue } from "./values.ts";

export const STOP_FLAGS = {
  signal: { short: "s", type: "string", help: "Signal to send to the container" },
  timeout: { short: "t", type: "string", value: "int", help: "Seconds to wait before killing the container (-1: for ever)" },
  time: { type: "string", value: "int", help: "Same as --timeout", hidden: true },
} satisfies Flags;

export function stopOptions(flags: FlagValues<typeof STOP_FLAGS>): StopOptions {
  const text = flags.timeout ?? flags.time;
  const timeout = text === undefined ? undefined : readValue(STOP_FLAGS, "timeout", text, (t) => parseInteger(t, -1));
  return { timeout, signal: flags.signal };
}
