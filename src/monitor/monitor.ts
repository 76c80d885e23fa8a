/** What a monitor does for its container: it is the parent of its init, reads its output, writes its log, and records how it ended. */

import type { Database } from "bun:sqlite";
import { Child, listenForEnds } from "../../ffi/child.ts";
import type { OwnedFd } from "../../ffi/fd.ts";
import { mkdirSync, writeFileSync } from "../../ffi/files.ts";
import { join } from "../../ffi/path.ts";
import { exitNow } from "../../ffi/process.ts";
import { mark } from "../../ffi/trace.ts";
import { disconnectContainer } from "../network/disconnect.ts";
import { type Cgroup, CgroupError } from "../runtime/cgroup/cgroup.ts";
import { enterCgroup } from "../runtime/cgroup/enter.ts";
import { openCgroup } from "../runtime/cgroup/open.ts";
import { RuntimeFailure } from "../runtime/errors.ts";
import { buildContainer } from "../runtime/init/create.ts";
import { type PendingProcess, prepareProcess, type RunningProcess } from "../runtime/spawn.ts";
import type { State } from "../runtime/spec.ts";
import { ContainerStdio, type OutputReceiver } from "../runtime/stdio.ts";
import {
  type ContainerRecord,
  claimForRemoval,
  claimForStart,
  claimForTakeover,
  getContainer,
  handOver,
  recordExit,
  recordRestarting,
  recordRunning,
  recordStartFailure,
} from "../store/containers.ts";
import { whenThereIsRoom, writeTransaction } from "../store/database.ts";
import { discardContainer, putContainerAside } from "../store/discard-container.ts";
import { addContainerEvent, addMountEvents } from "../store/events.ts";
import { KeptStore } from "../store/kept-store.ts";
import { Layout } from "../store/layout.ts";
import type { ProcessIdentity } from "../store/process-identity.ts";
import { Audience } from "./audience.ts";
import type { HealthMonitor, Rhythm } from "./health.ts";
import { ContainerLog } from "./log/container-log.ts";
import { Networking } from "./networking.ts";
import { Output } from "./output.ts";
import { FrameSocket, FrameType, type HealthRequest, parseFrame, type Resize, type Started, type StartRequest } from "./protocol.ts";
import { HEARING, nextPatience, PATIENCE, restWhenQuiet } from "./quiet.ts";
import { restartDelay, startAgain } from "./restart.ts";
import type { Held, RestingState } from "./resting.ts";
import { endOfChild, endOfOrphan, holdMounts, type Supervised } from "./supervised.ts";
import { keepNamespace } from "./user-namespace.ts";
import { Visitors } from "./visitors.ts";

// Seldom needed.
const loadHooks = () => require("../runtime/hooks.ts") as typeof import("../runtime/hooks.ts");

/** Gives back what is not needed any more: milliseconds, and megabytes. */
function collectGarbage(): void {
  Bun.gc(true);
  Bun.shrink();
}

/** Of one container; see `runMonitor`. */
export class Monitor {
  readonly #request: StartRequest;
  /** To whoever started it; undefined after a rest. */
  readonly #connection: OwnedFd | undefined;
  readonly #store: KeptStore;
  #client: Promise<FrameSocket> | undefined;
  readonly #layout: Layout;
  readonly #stdio: ContainerStdio;
  readonly #audience: Audience;
  #cgroup: Cgroup | undefined;
  readonly #network: Networking;
  #health: HealthMonitor | undefined;
  #process: { pid: number; startTime: number } | undefined;
  /** Its mount namespace. */
  #mounts: OwnedFd | undefined;
  #warnings: string[] = [];
  #patience = PATIENCE;
  /** Those that are being looked at. */
  #changes = 0;
  readonly #visitors: Visitors;
  #rhythm: Rhythm | undefined;
  /** While it waits to start the container again. */
  readonly #woken = Promise.withResolvers<void>();

  /**
   * @param connection to whoever asked for it
   * @param database one that is open already, if it is this engine's store
   * @param rested what it held while it rested
   */
  constructor(request: StartRequest, connection: OwnedFd | undefined, database: Database | undefined, rested?: Held) {
    this.#request = request;
    this.#connection = connection;
    this.#layout = Layout.fromArguments(...request.layout);
    this.#store = new KeptStore(this.#layout.database, database);
    const fifos = this.#layout.container(request.id);
    const terminal = request.spec.process.terminal === true;
    if (rested) this.#stdio = ContainerStdio.goOn(rested, terminal);
    else if (request.takesOver) this.#stdio = ContainerStdio.takeOver(fifos);
    else this.#stdio = new ContainerStdio({ terminal, stdin: request.stdin !== "none", fifos });
    this.#mounts = rested?.mounts;
    this.#network = new Networking(this.#store, this.#layout, request);
    this.#audience = new Audience(terminal);
    this.#visitors = new Visitors(this.#layout.callbacks, request.id, this.#audience, (...frame) => this.receive(...frame));
  }

  async run(): Promise<void> {
    const { id, takesOver } = this.#request;
    try {
      const db = this.#store.database;
      const orphan = takesOver ? claimForTakeover(db, id) : undefined;
      if (takesOver && !orphan) exitNow(0); // another one was faster
      await (orphan?.process ? this.#takeOver(orphan.process) : this.#superviseNew(db));
    } catch (error) {
      const failure = error instanceof RuntimeFailure ? error : new RuntimeFailure(error instanceof Error ? error.message : String(error));
      const client = await this.#connect();
      await client.sendJson(FrameType.failed, { kind: failure.kind, message: failure.message });
    }
    this.#store.end();
  }

  // A millisecond's work, for which there is no time before the container starts.
  #connect(): Promise<FrameSocket> {
    this.#client ??= this.#listen(this.#connection as OwnedFd);
    return this.#client;
  }

  async #listen(fd: OwnedFd): Promise<FrameSocket> {
    const client: FrameSocket = await FrameSocket.over(fd, {
      frame: (type, payload) => this.receive(client, type, payload),
      close: () => this.readerGone(client),
    });
    return client;
  }

  /**
   * After a rest.
   *
   * @param isChanged whether a command wants it to look at the record
   */
  async goOn(state: RestingState, { listening, bound, userNetwork, logSocket, end }: Held, isChanged: boolean): Promise<void> {
    const { pid, startTime, child, patience, since } = state;
    this.#patience = nextPatience(patience, Date.now() - since);
    this.#rhythm = state.rhythm;
    await this.#network.goOn({ network: state.network && { state: state.network, listening, bound }, userNetwork });
    const { spec, autoRemove } = this.#request;
    this.#cgroup = openCgroup(spec.linux.cgroupsPath ?? "");
    const log = await ContainerLog.open(this.#request.log, !autoRemove, { begun: state.begun, socket: logSocket });
    listenForEnds();
    const { hasEnded, ended } = child === undefined ? endOfOrphan(pid, startTime, end) : endOfChild(new Child(child));
    const supervision = this.#supervise(log, { pid, startTime, ended, ...(child !== undefined && { child }) });
    // Also what one wanted before there was a handler.
    if (isChanged && !hasEnded()) await this.changed();
    else if (!hasEnded()) {
      const later = setTimeout(() => void this.changed(), HEARING);
      void ended.then(() => clearTimeout(later));
    }
    await supervision;
    this.#store.end();
  }

  // A container that lives on leaves its monitor nothing to do for long: it gives back memory, or rests.
  #restWhenQuiet(log: ContainerLog, output: Output, running: Supervised): Disposable {
    return restWhenQuiet({
      patience: this.#patience,
      quietFor: () => output.quietFor,
      isIdle: () =>
        this.#audience.isEmpty &&
        this.#visitors.count + this.#changes === 0 &&
        this.#stdio.isIdle &&
        log.isIdle &&
        this.#network.isIdle &&
        this.#health?.isIdle !== false,
      collect: () => this.#collect(),
      rest: (patience) => this.#rest(log, running, patience),
    });
  }

  #collect(): void {
    this.#store.rest(this.#request.id);
    collectGarbage();
  }

  // Returns where it cannot.
  #rest(log: ContainerLog, { pid, startTime, child }: Supervised, patience: number): void {
    const { becomeResting, lasting } = require("./resting.ts") as typeof import("./resting.ts");
    const isOpen = this.#store.rest(this.#request.id);
    const { network: heldNetwork, userNetwork } = this.#network.held;
    const { state: network, listening = [], bound = [] } = heldNetwork ?? {};
    const { begun, socket: logSocket } = log.held;
    const request = lasting(this.#request);
    const state = { request, pid, startTime, child, patience, since: Date.now(), begun, network, rhythm: this.#health?.rhythm };
    const held = { ...this.#stdio.held, mounts: this.#mounts, userNetwork, logSocket, listening, bound };
    becomeResting(state, held, isOpen ? this.#layout.database : undefined);
  }

  // Claims the container and starts it.
  async #start(db: Database): Promise<{ record: ContainerRecord; log: ContainerLog; running: RunningProcess }> {
    const { id, isRestart } = this.#request;
    if (!claimForStart(db, id, isRestart)) throw new RuntimeFailure(`container ${id} is already running, being started or being removed`);
    mark("claim");
    const record = getContainer(db, id) as ContainerRecord;
    try {
      await this.#network.prepare();
      const log = await ContainerLog.open(this.#request.log, !this.#request.autoRemove);
      mark("log, addresses");
      return { record, log, running: this.#startProcess(db) };
    } catch (error) {
      this.#stdio.close();
      this.#releaseCgroup();
      const code = error instanceof RuntimeFailure ? { setup: 128, "not-found": 127, "not-executable": 126 }[error.kind] : 128;
      writeTransaction(db, () => {
        disconnectContainer(db, this.#layout.data, id);
        recordStartFailure(db, id, code, error instanceof Error ? error.message : String(error), record.startedAt);
      });
      if (this.#request.autoRemove && this.#claimForRemoval(db)) discardContainer(db, this.#layout, id, true);
      throw error;
    }
  }

  async #superviseNew(db: Database): Promise<void> {
    const { id, attach, stdin } = this.#request;
    const { record, log, running } = await this.#start(db);
    const { pid, child, startTime } = running;
    // Told first, so that nothing its starter does comes before it among the events.
    writeTransaction(db, () => {
      if (attach) addContainerEvent(db, id, "attach");
      addMountEvents(db, record, "mount");
      addContainerEvent(db, id, "start");
    });
    const client = await this.#connect();
    client.sendJson(FrameType.started, { pid, startTime, warnings: this.#warnings } satisfies Started);
    if (attach || stdin === "once") this.#audience.add({ socket: client, stdout: attach, stderr: attach, isWaitedFor: true });
    else client.close();
    const { ended } = endOfChild(child);
    const brief = attach && stdin === "none" ? { child, others: [client.descriptor] } : undefined;
    await this.#supervise(log, { pid, startTime, ended, child: child.pid, ...(brief && { brief }) });
  }

  async #takeOver({ pid, startTime }: ProcessIdentity): Promise<void> {
    const { spec } = this.#request;
    this.#cgroup = openCgroup(spec.linux.cgroupsPath ?? "");
    const log = await ContainerLog.open(this.#request.log, !this.#request.autoRemove);
    this.#process = { pid, startTime };
    await this.#network.takeOver(pid);
    await this.#supervise(log, { pid, startTime, ended: endOfOrphan(pid, startTime).ended });
  }

  async #supervise(log: ContainerLog, running: Supervised): Promise<void> {
    const { id, health: check } = this.#request;
    this.#process = running;
    this.#health = check && (await this.#probe(check, running));
    const receive: OutputReceiver = (stream, chunk) => {
      log.add(stream, chunk);
      return this.#audience.deliver(stream, chunk) as Promise<void> | undefined;
    };
    const output = new Output(this.#stdio, receive, running.brief);
    const resting = this.#restWhenQuiet(log, output, running);
    mark("tell the start");
    const { exitCode, error } = await running.ended;
    mark("wait for the end");
    resting[Symbol.dispose]();
    this.#health?.stop();
    const oomKilled = (this.#cgroup?.oomKills() ?? 0) > 0;
    // With a PID namespace of its own everything in it is dead already.
    this.#releaseCgroup();
    await output.drained();
    await log.close();
    mark("cgroup, output");
    // Nobody else knows its exit code: where the disk is full, it is kept until there is room. Who is attached need not wait.
    const tellBefore = () => void this.#audience.end({ exitCode });
    const db = await whenThereIsRoom(() => this.#store.database, tellBefore);
    // What stays may be started again at once. Not under the write lock: all that was written to its root goes to the disk first.
    if (!this.#request.autoRemove && !getContainer(db, id)?.autoRemove) this.#mounts?.close();
    this.#network.releasePorts();
    const end = { exitCode, oomKilled, error: error || output.failure };
    const { delay, removed } = await whenThereIsRoom(() => this.#writeEnd(db, end), tellBefore);
    const takeAway = removed ? putContainerAside(db, this.#layout, id) : undefined;
    mark("record, network");
    const told = this.#audience.end({ exitCode });
    if (delay !== undefined) await this.#restartAfter(delay);
    await told;
    mark("tell the end");
    this.#mounts?.close();
    takeAway?.();
    mark("folders");
  }

  /** @returns milliseconds until it is started again, if it is; or whether it is to be removed */
  #writeEnd(db: Database, end: Parameters<typeof recordExit>[2]): { delay?: number | undefined; removed?: boolean } {
    const { id } = this.#request;
    return writeTransaction(db, () => {
      const record = getContainer(db, id);
      if (!record) return {};
      disconnectContainer(db, this.#layout.data, id);
      recordExit(db, record, end);
      const delay = restartDelay(record, end.exitCode);
      if (delay !== undefined) recordRestarting(db, id, delay);
      // The record's word: a restart takes it back for a while.
      const removed = record.autoRemove && delay === undefined && claimForRemoval(db, { ...record, status: "exited", owner: undefined }, true);
      return { delay, removed };
    });
  }

  async #probe(health: HealthRequest, { pid, startTime }: Supervised): Promise<HealthMonitor> {
    const { HealthMonitor } = await import("./health.ts");
    return new HealthMonitor(this.#store, this.#request, health, { pid, startTime }, this.#rhythm);
  }

  // With a monitor of its own; this one ends. Somebody may want otherwise meanwhile, and says so in the record.
  async #restartAfter(delay: number): Promise<void> {
    await Promise.race([Bun.sleep(delay), this.#woken.promise]);
    const { id } = this.#request;
    const { database } = this.#store;
    if (getContainer(database, id)?.restarting) handOver(database, id, startAgain(id, this.#layout.arguments));
  }

  #startProcess(db: Database): RunningProcess {
    const { id, spec, root, namedUser, reap } = this.#request;
    const resources = spec.linux.resources ?? {};
    mkdirSync(this.#layout.mountPoint, { recursive: true, mode: 0o711 });
    using alive = keepNamespace();
    const pending: PendingProcess = prepareProcess(
      buildContainer,
      { type: "create", spec, root, namedUser, reap, mountPoint: this.#layout.mountPoint, ...(spec.hooks && { state: this.#hookState() }) },
      {
        stdio: this.#stdio.forInit,
        kept: alive,
        onSpawned: (pid) => {
          const { cgroup, files } = enterCgroup(spec.linux.cgroupsPath ?? "", spec, pid);
          this.#cgroup = cgroup;
          return files;
        },
        onNamespaces: (pid) => {
          this.#warnings = this.#network.connect(pid);
        },
        onMounted: (pid) => loadHooks().runHooks("createRuntime", spec.hooks?.createRuntime ?? [], { ...this.#hookState(), pid }),
        onReady: () => this.#cgroup?.apply(resources),
      },
    );
    try {
      // Before the command runs: killed right now, we leave a record that leads to the process.
      recordRunning(db, id, pending.pid, pending.startTime);
    } catch (error) {
      pending.abandon();
      throw error;
    }
    this.#mounts = holdMounts(pending.pid);
    const running = pending.release(() => void this.#connect());
    this.#stdio.started(running);
    return running;
  }

  // Hooks of CDI specifications find the root by the bundle's config.json.
  #hookState(): State {
    const { id, spec } = this.#request;
    const bundle = this.#layout.container(id);
    writeFileSync(join(bundle, "config.json"), JSON.stringify({ ...spec, root: { ...spec.root, path: this.#layout.mountPoint } }), { mode: 0o600 });
    return { ociVersion: spec.ociVersion, id, status: "creating", bundle };
  }

  /** Something about the container was changed by a command, or one wants to be called back. */
  async changed(): Promise<void> {
    this.#changes++;
    // Whoever comes after this look waits for the next.
    const waiting = this.#visitors.waitingForNetworks;
    try {
      if (this.#process) await this.#visitors.admit(this.#process);
      const record = await whenThereIsRoom(() => getContainer(this.#store.database, this.#request.id));
      if (!record?.process) this.#woken.resolve();
      else if (this.#process) await this.#network.refresh(this.#process.pid); // a start finds them as they are
    } finally {
      for (const connection of waiting) connection.close();
      this.#changes--;
    }
  }

  #releaseCgroup(): void {
    try {
      this.#cgroup?.kill();
      this.#cgroup?.remove();
    } catch (error) {
      if (!(error instanceof CgroupError)) throw error; // whoever removes the container tries again
    }
  }

  #claimForRemoval(db: Database): boolean {
    const record = getContainer(db, this.#request.id);
    return record !== undefined && claimForRemoval(db, record, true);
  }

  /** A frame of somebody who is attached. */
  receive(from: FrameSocket, type: FrameType, payload: Buffer): void {
    if (type === FrameType.resize) this.#stdio.resize(parseFrame<Resize>(payload));
    if (type !== FrameType.stdin) return;
    if (payload.length === 0) {
      if (this.#request.stdin === "once") this.#stdio.endInput();
      return;
    }
    const full = this.#stdio.write(payload);
    if (!full) return;
    from.pause(true);
    void full.then(() => from.pause(false));
  }

  /** Who started it is gone. */
  readerGone(socket: FrameSocket): void {
    this.#audience.remove(socket);
    if (this.#request.stdin === "once") this.#stdio.endInput();
  }
}
