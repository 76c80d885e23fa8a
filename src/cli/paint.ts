/** Colours, where somebody sees them. */
import { isTerminal } from "../../ffi/tty.ts";

const CODES = { red: 31, green: 32, yellow: 33 } as const;

/** On terminals only, and not against NO_COLOR (no-color.org). */
const isColourful = () => isTerminal(1) && !process.env.NO_COLOR && process.env.TERM !== "dumb";

export function paint(colour: keyof typeof CODES, text: string): string {
  return isColourful() ? `\x1b[${CODES[colour]}m${text}\x1b[0m` : text;
}
