import { isTerminal } from "../../ffi/tty.ts";
import { UsageError } from "./errors.ts";

/** Asks before something is removed. Throws where there is nobody to ask. */
export function confirm(warning: string): boolean {
  if (!isTerminal(0)) throw new UsageError("there is no terminal to ask on: --force removes without asking", 1);
  return /^y/i.test(prompt(`${warning}\nAre you sure you want to continue? [y/N]`) ?? "");
}
