/** Long work as it goes on: on a terminal a line a layer with a bar, in a pipe a line for each that is done. */
import { getWindowSize, isTerminal } from "../../../ffi/tty.ts";
import { printBlocking } from "../streams.ts";
import { humanSize } from "./human.ts";

const BAR = 50;
const REDRAW = 100; // milliseconds
const DEFAULT_COLUMNS = 80;

interface Line {
  status: string;
  current: number | undefined;
  total: number | undefined;
}

export class Progress {
  /** Whether bars are drawn. */
  readonly isLive: boolean;
  readonly #fd: 1 | 2;
  readonly #lines = new Map<string, Line>();
  /** How many lines are on the terminal, to be drawn over. */
  #drawn = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param fd 1 or 2, where it goes */
  constructor(fd: 1 | 2) {
    this.#fd = fd;
    this.isLive = isTerminal(fd);
  }

  /** A line that stays. */
  say(line: string): void {
    this.finish();
    this.#write(`${line}\n`);
  }

  /** What goes on with one of several things; in a pipe nothing is said of it. Bytes. */
  update(name: string, status: string, current?: number, total?: number): void {
    if (!this.isLive) return;
    this.#lines.set(name, { status, current, total });
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#draw();
    }, REDRAW);
  }

  /** One of several things is done. */
  done(name: string, status: string): void {
    if (this.isLive) this.update(name, status);
    else this.#write(`${name}: ${status}\n`);
  }

  /** Draws the last state; what is said next comes below. */
  finish(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#lines.size > 0) this.#draw();
    this.#lines.clear();
    this.#drawn = 0;
  }

  #draw(): void {
    const size = getWindowSize(this.#fd); // zeros where nobody told the kernel
    const columns = size?.columns || DEFAULT_COLUMNS;
    const rows = size?.rows || this.#lines.size + 1;
    // What scrolled out of sight cannot be drawn over: the last lines only, then.
    const visible = [...this.#lines].slice(-Math.max(1, rows - 1));
    const lines = visible.map(([name, line]) => `\x1b[2K${`${name}: ${describe(line, columns - name.length - 2)}`.slice(0, columns - 1)}\n`);
    this.#write(`${this.#drawn > 0 ? `\x1b[${this.#drawn}A` : ""}${lines.join("")}`);
    this.#drawn = lines.length;
  }

  #write(text: string): void {
    printBlocking(text, this.#fd);
  }
}

function describe({ status, current, total }: Line, columns: number): string {
  if (current === undefined) return status;
  if (!total) return `${status}  ${humanSize(current)}`;
  const numbers = `${humanSize(current)}/${humanSize(total)}`;
  const width = Math.min(BAR, columns - status.length - numbers.length - 6);
  if (width < 5) return `${status} ${numbers}`;
  const filled = Math.min(width, Math.floor((width * current) / total));
  const bar = filled === width ? "=".repeat(width) : `${"=".repeat(filled)}>`.padEnd(width);
  return `${status}  [${bar}]  ${numbers}`;
}
