/** When a monitor gives back memory, and when it rests: its container has been quiet, and nothing is on its way. */
import { blockSignals, unblockSignals } from "../../ffi/signal.ts";
import { OF_MONITORS } from "./protocol.ts";

// Milliseconds. A start leaves memory behind; a short-lived container is gone before it matters.
const COLLECT_AFTER = 300;
/** How long its container has to be quiet the first time, and at most: each time that was too short it is twice as long. */
export const PATIENCE = 2000;
const MOST_PATIENCE = 600_000;
/** Milliseconds in which what a signal said is heard of, and turns of the event loop after that. */
export const HEARING = 10;
const TURNS = 3;
/** A rest so many times as long as the quiet before it was none too soon. */
const WORTH_IT = 10;

/** What is asked and told while a container runs. */
export interface Quiet {
  /** Milliseconds of quiet before it does. */
  patience: number;
  /** Milliseconds since the container wrote. */
  quietFor(): number;
  /** Whether there is nothing else to wait for. */
  isIdle(): boolean;
  collect(): void;
  /** Returns where it cannot; told the patience. */
  rest(patience: number): void;
}

/** Of one that has rested: it is not to get up at once. */
export function nextPatience(patience: number, rested: number): number {
  return rested > WORTH_IT * patience ? PATIENCE : Math.min(patience * 2, MOST_PATIENCE);
}

// A signal that came is told to its handler in a turn of the event loop; where many processes want to run, that may be late.
async function heard(): Promise<void> {
  for (let turn = 0; turn < TURNS; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** Looks until it is disposed of. */
export function restWhenQuiet(quiet: Quiet): Disposable {
  let { patience } = quiet;
  let isOver = false;
  let isCollected = false;
  const collectOnce = () => {
    if (!isCollected) quiet.collect();
    isCollected = true;
  };
  const look = () => {
    const missing = patience - quiet.quietFor();
    if (missing <= 0 && quiet.isIdle()) {
      // What comes from now on finds it at rest; what came before, and was not heard of yet, is heard of until then.
      blockSignals(OF_MONITORS);
      later = setTimeout(() => void heard().then(rest), HEARING);
      return;
    }
    if (missing <= 0) patience = Math.min(patience * 2, MOST_PATIENCE);
    later = setTimeout(look, missing > 0 ? missing : patience);
    collectOnce();
  };
  const rest = () => {
    if (isOver) return;
    const isStill = quiet.isIdle() && quiet.quietFor() > HEARING;
    if (isStill) quiet.rest(patience);
    unblockSignals();
    if (isStill) collectOnce();
    else look();
  };
  // One that rests soon need not be made small before.
  const collecting = patience === PATIENCE ? undefined : setTimeout(collectOnce, COLLECT_AFTER);
  let later = setTimeout(look, patience);
  return {
    [Symbol.dispose]() {
      isOver = true;
      unblockSignals(); // a restart's program would have them blocked, too
      clearTimeout(collecting);
      clearTimeout(later);
    },
  };
}
