/**
 * What comes on sockets that Bun does not know: a signal tells it (fcntl(2), O_ASYNC). Bun polls sockets only of its own making,
 * and those it cannot take up again after execve(2).
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

/**
 * Calls back when something waits there, also what did before; `look` is to take all of it.
 *
 * @returns ends that
 */
export function onArrival(socket: OwnedFd, look: () => void): () => void {
  if (!isHandled) process.on(ARRIVAL, lookAtAll);
  isHandled = true;
  watched.set(socket, look);
  call("fcntl", socket.fd, F_SETOWN, process.pid);
  call("fcntl", socket.fd, F_SETSIG, signalNumber(ARRIVAL) as number);
  call("fcntl", socket.fd, F_SETFL, call("fcntl", socket.fd, F_GETFL, 0) | O_ASYNC);
  if (!isDue) setImmediate(lookAtAll);
  isDue = true;
  return () => void watched.delete(socket);
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
