/** Init is a stub (ffi/stub.ts): this process does its work, with its hands. */

import { OwnedFd } from "../../../ffi/fd.ts";
import { carriedBy } from "../../../ffi/libc.ts";
import { coverCommandLine, PR_SET_DUMPABLE, PR_SET_NAME, prctl, processStartTime } from "../../../ffi/process.ts";
import { socketPair } from "../../../ffi/socket.ts";
import type { Stub } from "../../../ffi/stub.ts";
import { mark } from "../../../ffi/trace.ts";
import { Channel, type GoOn, type InitReport } from "../channel.ts";
import { RuntimeFailure } from "../errors.ts";
import { buildContainer, type InitParent, waitsForGo } from "../init.ts";
import type { PendingProcess, Request, SpawnOptions } from "../spawn.ts";
import { pidNamespaceOf } from "./namespaces.ts";
import { Answers, awaitCommand, killed, openFifo, setOomScore, startStub } from "./parent.ts";

const SIGKILL = 9;

/** As `prepareProcess`. */
export function prepareHere(request: Request, options: SpawnOptions): PendingProcess {
  // Nobody inside may look into the stub, and so into this process (CVE-2019-5736).
  prctl(PR_SET_DUMPABLE, 0);
  const uncover = request.type === "exec" ? coverCommandLine("berth-init") : () => {};
  const [ours, theirs] = socketPair();
  const channel = new Channel(ours);
  let stub: Stub;
  try {
    stub = startStub(pidNamespaceOf(request), ours, theirs);
  } catch (error) {
    uncover();
    channel.close();
    throw error;
  }
  mark("start init");
  const answers = new Answers(request, options, channel, stub.pid, false);
  const abandon = () => {
    channel.close();
    answers.terminal?.close();
    stub.child.kill(SIGKILL);
    uncover();
  };
  try {
    const inits = stub.run(() => {
      prctl(PR_SET_NAME, "berth-init");
      return stub.arrange([...options.stdio, theirs.fd]).channel;
    });
    theirs.close();
    const cgroupFiles = options.onSpawned(stub.pid);
    mark("cgroup");
    const restoreOomScore = setOomScore(stub.pid, request);
    const parent = new NearParent(stub, inits, answers);
    const fifo = request.type === "create" ? request.startFifo : undefined;
    const last = stub.run(() => {
      const steps = buildContainer(parent, { ...request, cgroupFiles }, fifo === undefined ? [] : [openFifo(fifo)]);
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
      release() {
        try {
          mark("record");
          stub.run(last.prepare);
          stub.post(last.become);
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

  report(report: InitReport, fds: number[] = []): OwnedFd[] {
    this.#channel.send(report, fds);
    carriedBy(undefined, () => this.#answers.next());
    if (!waitsForGo(report)) return [];
    const go = this.#channel.receive<GoOn>();
    if (!go || this.#stub.isGone) throw killed();
    return go.fds;
  }
}
