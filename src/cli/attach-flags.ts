/** What commands that attach have in common. */
import { isTerminal } from "../../ffi/tty.ts";
import { defaultDetachKeys, parseDetachKeys } from "./detach-keys.ts";
import { CommandFailure } from "./errors.ts";
import type { Outcome } from "./relay-input.ts";
import { readValue } from "./values.ts";

/** Of commands that can be left. */
export const DETACH_FLAG = { "detach-keys": { type: "string", help: "Override the key sequence for detaching a container" } } as const;

/** The keys of {@link DETACH_FLAG}, or the user's usual ones; without a terminal none are needed. */
export function detachKeysOf(text: string | undefined, tty: boolean): Buffer | undefined {
  if (text === undefined) return tty ? defaultDetachKeys() : undefined;
  return readValue(DETACH_FLAG, "detach-keys", text, parseDetachKeys);
}

/** Throws where a terminal was asked for and standard input is none. */
export function requireTerminal(tty: boolean, stdin: boolean): void {
  if (tty && stdin && !isTerminal(0)) throw new CommandFailure("the input device is not a TTY", 1);
}

/** The exit code of commands that are there to attach, which say that the user left. */
export function outcomeCode(outcome: Outcome): number {
  if (outcome !== "detached") return outcome;
  console.error("read escape sequence");
  return 1;
}
