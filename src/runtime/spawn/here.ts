/** Init is a stub (ffi/stub.ts): this process does its work, with its hands. */

import { inUserNamespace } from "../../../ffi/credentials.ts";
import { OwnedFd } from "../../../ffi/fd.ts";
import { carriedBy, reasonOf } from "../../../ffi/libc.ts";
import { unshare } from "../../../ffi/namespace.ts";
import { coverCommandLine, PR_SET_DUMPABLE, PR_SET_NAME, prctl, processStartTime } from "../../../ffi/process.ts";
import { socketPair } from "../../../ffi/socket.ts";
import { type PidNamespace, Stub } from "../../../ffi/stub.ts";
import { mark } from "../../../ffi/trace.ts";
import { Channel, type GoOn, type InitReport } from "../channel.ts";
import { RuntimeFailure } from "../errors.ts";
import { type Builder, CLONE_FLAGS, type InitParent, type Meanwhile, waitsForGo } from "../init/parent.ts";
import type { PendingProcess, Request, SpawnOptions } from "../spawn.ts";
import type { NamespaceType } from "../spec.ts";
import { pidNamespaceOf } from "./namespaces.ts";
import { Answers, awaitCommand, cannotStart, killed, openFifo, setOomScore } from "./parent.ts";

const SIGKILL = 9;

/** A stub, and the two ends of the channel to it: ours, and the number of its own. */
interface StartedStub {
  stub: Stub;
  channel: Channel;
  end: number;
  /** Namespaces it has made by now, besides that of its PIDs. */
  made: readonly NamespaceType[];
}

/** What nearly all containers have for themselves. */
const USUAL: readonly NamespaceType[] = ["mount", "uts", "ipc", "network"];

let early: StartedStub | undefined;

/**
 * Starts a stub with the usual namespaces before there is a request: it makes them while this process does something else.
 * A request that needs others gets another stub.
 */
export function startEarly(): void {
  if (inUserNamespace()) return;
  try {
    const started = start("new", false);
    started.stub.begin(() => unshare(flagsOf(USUAL)));
    early = { ...started, made: USUAL };
  } catch {} // whoever asks for one is told why there can be none
}

const flagsOf = (types: readonly NamespaceType[]) => types.reduce((flags, type) => flags | CLONE_FLAGS[type], 0);

// Those of the usual ones that a request wants new.
function ownNamespaces(request: Request): NamespaceType[] {
  if (request.type === "exec") return [];
  const { namespaces } = request.spec.linux;
  return USUAL.filter((type) => namespaces.some((n) => n.type === type && n.path === undefined));
}

function settle(stub: Stub): void {
  try {
    stub.settle();
  } catch (error) {
    throw new RuntimeFailure(`cannot make namespaces: ${reasonOf(error)}`, "setup", { cause: error });
  }
}

function takeEarly(request: Request): StartedStub | undefined {
  const ready = early;
  early = undefined;
  if (!ready) return undefined;
  try {
    ready.stub.settle();
    if (ownNamespaces(request).length === USUAL.length && pidNamespaceOf(request) === "new") return ready;
  } catch {} // what it met, another one will meet and say
  discard(ready);
  return undefined;
}

/** Ends the stub that was started early, where its request is one for `prepareThere`. */
export function discardEarly(): void {
  if (early) discard(early);
  early = undefined;
}

function discard({ stub, channel }: StartedStub): void {
  channel.close();
  stub.child.kill(SIGKILL);
}

function start(pidNamespace: PidNamespace, isAlone: boolean): StartedStub {
  // Nobody inside may look into the stub, and so into this process (CVE-2019-5736).
  prctl(PR_SET_DUMPABLE, 0);
  const [ours, theirs] = socketPair();
  try {
    return { stub: Stub.start({ channel: theirs.fd, ourEnd: ours.fd, pidNamespace, isAlone }), channel: new Channel(ours), end: theirs.fd, made: [] };
  } catch (error) {
    ours.close();
    throw cannotStart(error);
  } finally {
    theirs.close();
  }
}

/** As `prepareProcess`. */
export function prepareHere<R extends Request>(build: Builder<R>, request: R, options: SpawnOptions): PendingProcess {
  const uncover = request.type === "exec" ? coverCommandLine("berth-init") : () => {};
  let started: StartedStub;
  try {
    started = takeEarly(request) ?? start(pidNamespaceOf(request), true);
  } catch (error) {
    uncover();
    throw error;
  }
  const { stub, channel, end, made } = started;
  mark("start init");
  const own = made.length > 0 ? made : ownNamespaces(request);
  const answers = new Answers(request, options, channel, stub.pid, false);
  const abandon = () => {
    channel.close();
    answers.terminal?.close();
    stub.child.kill(SIGKILL);
    uncover();
  };
  try {
    // It may have been started before they were there.
    channel.send({ go: true }, options.stdio);
    if (made.length === 0 && own.length > 0) stub.begin(() => unshare(flagsOf(own)));
    const cgroupFiles = options.onSpawned(stub.pid);
    mark("cgroup");
    settle(stub);
    const inits = stub.run(() => {
      prctl(PR_SET_NAME, "berth-init");
      const stdio = new Channel(new OwnedFd(end)).receive<GoOn>()?.fds ?? [];
      return stub.arrange([...stdio.map(({ fd }) => fd), end]).channel;
    });
    const restoreOomScore = setOomScore(stub.pid, request);
    const parent = new NearParent(stub, inits, answers);
    const fifo = request.type === "create" ? request.startFifo : undefined;
    const last = stub.run(() => {
      const steps = build(parent, { ...request, cgroupFiles }, fifo === undefined ? [] : [openFifo(fifo)], own);
      // Who leaves it waiting does not hear of what fails later.
      if (fifo !== undefined) steps.prepare();
      return steps;
    });
    options.onReady(stub.pid);
    mark("limits");
    const running = { pid: stub.pid, startTime: processStartTime(stub.pid) ?? 0, child: stub.child, terminal: answers.terminal };
    return {
      ...running,
      abandon,
      leave() {
        stub.post(last.become);
        channel.close();
      },
      release(meanwhile) {
        try {
          mark("record");
          stub.run(last.prepare);
          stub.post(last.become);
          meanwhile?.();
          awaitCommand(channel, request);
          const refused = stub.failure();
          if (refused) throw new RuntimeFailure(`cannot start the command: ${refused.message}`);
          restoreOomScore();
          uncover();
          return running;
        } catch (error) {
          abandon();
          throw stub.isGone ? killed() : error;
        }
      },
    };
  } catch (error) {
    abandon();
    throw stub.isGone ? killed() : error;
  }
}

/** In the same process as its init. */
class NearParent implements InitParent {
  readonly #stub: Stub;
  readonly #channel: Channel;
  readonly #answers: Answers;

  /** @param channel the stub's end */
  constructor(stub: Stub, channel: number, answers: Answers) {
    this.#stub = stub;
    this.#channel = new Channel(new OwnedFd(channel));
    this.#answers = answers;
  }

  get channel(): number {
    return this.#channel.fd;
  }

  report(report: InitReport, fds: number[] = [], meanwhile?: Meanwhile): OwnedFd[] {
    this.#channel.send(report, fds);
    if (meanwhile) this.#stub.begin(meanwhile.call);
    carriedBy(undefined, () => this.#answers.next());
    if (meanwhile) this.#await(meanwhile);
    if (!waitsForGo(report)) return [];
    const go = this.#channel.receive<GoOn>();
    if (!go || this.#stub.isGone) throw killed();
    return go.fds;
  }

  #await(meanwhile: Meanwhile): void {
    try {
      this.#stub.settle();
    } catch (error) {
      meanwhile.failure = error;
    }
  }
}
