/** The user's terminal while a container or an exec has it. */
import { onExit } from "../../ffi/process.ts";
import { getWindowSize, isTerminal, makeRaw, type WindowSize } from "../../ffi/tty.ts";

/** Puts standard input into raw mode until the process ends, however it ends, or `restore` is called. */
export function holdRawMode(): { restore(): void } {
  if (!isTerminal(0)) return { restore() {} };
  const restore = makeRaw(0);
  onExit(restore);
  return { restore };
}

/** Calls back with the size of the terminal, now and whenever it changes. */
export function followWindowSize(changed: (size: WindowSize) => void): void {
  const tell = () => {
    const size = getWindowSize(1) ?? getWindowSize(0);
    if (size) changed(size);
  };
  tell();
  process.on("SIGWINCH", tell);
}
