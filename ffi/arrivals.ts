/**
 * What comes on sockets and pipes that Bun does not know: a signal tells it (fcntl(2), O_ASYNC). Bun polls sockets only of its own
 * making, and those it cannot take up again after execve(2); of pipes it reads ahead, into memory of its own.
 */
import { type OwnedFd, POLLIN, poll } from "./fd.ts";
import { call } from "./libc.ts";
import { signalNumber } from "./signal.ts";

/** Ignored where nobody has a handler for it. */
export const ARRIVAL = "SIGURG";

/** Milliseconds before those are looked at again that could not be served: of descriptors, for one, there may be none. */
const PAUSE = 100;

const F_GETFL = 3;
const F_SETFL = 4;
const F_SETOWN = 8;
const F_SETSIG = 10;
const O_ASYNC = 0o20000;

const watched = new Map<OwnedFd, () => void>();
let isHandled = false;
let isDue = false;

/** Those that somebody waits for, and what keeps this process meanwhile: Bun does not know of them. */
const pipes = new Set<OwnedFd>();
let keeper: Timer | undefined;
const LONG = 3_600_000;

/**
 * Calls back when something waits there, also what did before; `look` is to take all of it.
 *
 * @returns ends that
 */
export function onArrival(socket: OwnedFd, look: () => void): () => void {
  listen();
  watched.set(socket, look);
  tellArrivals(socket, true);
  if (!isDue) setImmediate(lookAtAll);
  isDue = true;
  return () => void watched.delete(socket);
}

/**
 * Resolves when something can be read from a pipe, or it is at its end. Nobody is told of more that comes before the next call:
 * each write of somebody who writes fast would be a signal.
 */
export async function arrival(pipe: OwnedFd): Promise<void> {
  listen();
  tellArrivals(pipe, true);
  if (!poll([{ fd: pipe.fd, events: POLLIN }], 0)[0]) {
    pipes.add(pipe);
    keeper ??= setInterval(() => {}, LONG);
    await new Promise<void>((resolve) => watched.set(pipe, resolve));
    watched.delete(pipe);
    pipes.delete(pipe);
    if (pipes.size === 0) {
      clearInterval(keeper);
      keeper = undefined;
    }
  }
  tellArrivals(pipe, false);
}

/**
 * Before execve(2), whose program would be told, too: nobody is told of what comes in pipes.
 *
 * @returns undoes it
 */
export function silencePipes(): () => void {
  const silenced = [...pipes];
  for (const pipe of silenced) tellArrivals(pipe, false);
  return () => {
    for (const pipe of silenced) tellArrivals(pipe, true);
    setImmediate(lookAtAll);
  };
}

function tellArrivals({ fd }: OwnedFd, on: boolean): void {
  const flags = call("fcntl", fd, F_GETFL, 0);
  if (on) {
    call("fcntl", fd, F_SETOWN, process.pid);
    call("fcntl", fd, F_SETSIG, signalNumber(ARRIVAL) as number);
  }
  call("fcntl", fd, F_SETFL, on ? flags | O_ASYNC : flags & ~O_ASYNC);
}

function listen(): void {
  if (!isHandled) process.on(ARRIVAL, lookAtAll);
  isHandled = true;
}

function lookAtAll(): void {
  isDue = false;
  const all = [...watched];
  const ready = poll(
    all.map(([{ fd }]) => ({ fd, events: POLLIN })),
    0,
  );
  for (const [, look] of all.filter((_, i) => ready[i])) {
    try {
      look();
    } catch {
      setTimeout(lookAtAll, PAUSE);
    }
  }
}
