/**
 * Init: the process inside a new (or joined) PID namespace that builds the container around itself and becomes its command.
 * Its parent carries this out on a stub's behalf (ffi/stub.ts); or it is this executable, started again in the init role.
 */

import * as fd from "../../ffi/fd.ts";
import { PR_SET_DUMPABLE, prctl } from "../../ffi/process.ts";
import { resetSignals } from "../../ffi/signal.ts";
import { endTrace, mark } from "../../ffi/trace.ts";
import { Channel, type GoOn, type InitReport, type InitRequest } from "./channel.ts";
import { RuntimeFailure } from "./errors.ts";
import { buildContainer } from "./init/create.ts";
import { joinContainer } from "./init/join.ts";
import { type InitParent, type Meanwhile, waitsForGo } from "./init/parent.ts";

/**
 * Runs the role; returns only by ending the process.
 *
 * @param channelFd the descriptor on which it talks to its parent
 */
export function runInit(channelFd: number): never {
  const channel = new Channel(new fd.OwnedFd(channelFd));
  try {
    // Nobody inside may look into this process or reach the host's executable through it (CVE-2019-5736).
    prctl(PR_SET_DUMPABLE, 0);
    const received = channel.receive<InitRequest>();
    const request = received?.message;
    if (!received || !request) process.exit(1); // the parent died first
    mark("wait for the request");
    const parent = new DistantParent(channel);
    const last = request.type === "create" ? buildContainer(parent, request, received.fds, []) : joinContainer(parent, request, received.fds, []);
    resetSignals();
    channel.send({ stage: "ready" });
    if (request.type === "exec" || request.startFifo === undefined) waitForGo(channel);
    mark("wait for the record");
    last.prepare();
    endTrace();
    last.become();
  } catch (error) {
    const failure = error instanceof RuntimeFailure ? error : new RuntimeFailure(error instanceof Error ? error.message : String(error));
    channel.send({ stage: "failed", kind: failure.kind, message: failure.message });
  }
  process.exit(1);
}

/** At the other end of a channel. */
class DistantParent implements InitParent {
  readonly #channel: Channel;

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  get channel(): number {
    return this.#channel.fd;
  }

  report(report: InitReport, fds: number[] = [], meanwhile?: Meanwhile): fd.OwnedFd[] {
    this.#channel.send(report, fds);
    try {
      meanwhile?.call();
    } catch (error) {
      (meanwhile as Meanwhile).failure = error;
    }
    return waitsForGo(report) ? waitForGo(this.#channel) : [];
  }
}

// Gives the descriptors that come with the word.
function waitForGo(channel: Channel): fd.OwnedFd[] {
  // The end of the stream: the parent was killed, and nobody wants this container any more.
  return channel.receive<GoOn>()?.fds ?? process.exit(1);
}
