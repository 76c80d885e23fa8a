/** Flags that `stop` and `restart` share. */
import type { Flags } from "./command.ts";

export const STOP_FLAGS = {
  signal: { short: "s", type: "string", help: "Signal to send to the container" },
  timeout: { short: "t", type: "string", value: "int", help: "Seconds to wait before killing the container (-1: for ever)" },
  time: { type: "string", value: "int", help: "Same as --timeout", hidden: true },
} satisfies Flags;
