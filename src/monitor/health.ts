/** Probes of a container's health, by its monitor. Loaded for containers that have some. */
import { AT_FDCWD, O_RDWR, openat, pipe } from "../../ffi/fd.ts";
import { kill } from "../../ffi/signal.ts";
import { joinCgroup } from "../runtime/cgroup/enter.ts";
import { openCgroup } from "../runtime/cgroup/open.ts";
import { joinContainer } from "../runtime/init/join.ts";
import { prepareProcess, type RunningProcess } from "../runtime/spawn.ts";
import { getContainer } from "../store/containers.ts";
import { getHealth, type Health, type Probe, putHealth } from "../store/health.ts";
import type { KeptStore } from "../store/kept-store.ts";
import type { HealthRequest, StartRequest } from "./protocol.ts";

/** As docker keeps them: how many probes, and how many bytes of what one says. */
const KEPT = 5;
const MAX_OUTPUT = 4096;

export interface ProbedProcess {
  pid: number;
  startTime: number;
}

/** What whoever goes on has to know besides the store; milliseconds since 1970. */
export interface Rhythm {
  startedAt: number;
  /** When it is to be probed next. */
  due: number;
}

/** A rest before a probe that comes sooner is not worth it; milliseconds. */
const SOON = 1000;

/** Probes until it is stopped; what it finds is in the store. */
export class HealthMonitor {
  readonly #store: KeptStore;
  readonly #request: StartRequest;
  readonly #health: HealthRequest;
  readonly #container: ProbedProcess;
  readonly #startedAt: number;
  #state: Health = { status: "starting", failingStreak: 0, log: [] };
  #due = 0;
  #timer: Timer | undefined;
  #isStopped = false;

  /** @param before of whoever this one goes on for */
  constructor(store: KeptStore, request: StartRequest, health: HealthRequest, container: ProbedProcess, before?: Rhythm) {
    this.#store = store;
    this.#request = request;
    this.#health = health;
    this.#container = container;
    this.#startedAt = before?.startedAt ?? Date.now();
    const found = before && getHealth(store.database, request.id);
    if (found) this.#state = found;
    else putHealth(store.database, request.id, this.#state);
    this.#wait(before?.due);
  }

  /** Whether nothing is to be done here soon. */
  get isIdle(): boolean {
    return this.#due - Date.now() > SOON;
  }

  get rhythm(): Rhythm {
    return { startedAt: this.#startedAt, due: this.#due };
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  get #isStarting(): boolean {
    return this.#state.status === "starting" && Date.now() - this.#startedAt < this.#health.check.startPeriod;
  }

  #wait(due?: number): void {
    const { interval, startInterval } = this.#health.check;
    const pause = this.#isStarting ? startInterval : interval;
    // The clock may have been set meanwhile.
    const left = due === undefined ? pause : Math.min(pause, Math.max(0, due - Date.now()));
    this.#due = Date.now() + left;
    this.#timer = setTimeout(() => void this.#next(), left);
  }

  async #next(): Promise<void> {
    // What stands still cannot answer.
    if (getContainer(this.#store.database, this.#request.id)?.status === "running") {
      const probe = await this.#probe();
      if (this.#isStopped) return;
      this.#judge(probe);
    }
    if (!this.#isStopped) this.#wait();
  }

  #judge(probe: Probe): void {
    const wasStarting = this.#isStarting;
    const { status, failingStreak, log } = this.#state;
    const next: Health = { status, failingStreak, log: [...log, probe].slice(-KEPT) };
    if (probe.exitCode === 0) {
      next.status = "healthy";
      next.failingStreak = 0;
    } else if (!wasStarting) {
      next.failingStreak++;
      if (next.failingStreak >= this.#health.check.retries) next.status = "unhealthy";
    }
    this.#state = next;
    putHealth(this.#store.database, this.#request.id, next);
  }

  async #probe(): Promise<Probe> {
    const start = Date.now();
    const finish = (exitCode: number, output: string): Probe => ({ start, end: Date.now(), exitCode, output });
    const output = pipe();
    let running: RunningProcess;
    try {
      running = this.#spawn(output.write.fd);
    } catch (error) {
      output.read.close();
      return finish(-1, error instanceof Error ? error.message : String(error));
    } finally {
      output.write.close();
    }
    const said = readSome(output.read.release());
    const { timeout } = this.#health.check;
    const timer = Promise.withResolvers<"late">();
    const alarm = setTimeout(() => timer.resolve("late"), timeout);
    const ended = await Promise.race([running.child.exited, timer.promise]);
    clearTimeout(alarm);
    if (ended === "late") {
      try {
        kill(running.pid, 9);
      } catch {
        // gone just now
      }
      await running.child.exited;
      return finish(-1, `Health check exceeded timeout (${durationText(timeout)})${said.text()}`);
    }
    await Promise.race([said.end, Bun.sleep(100)]); // what it started may hold its output
    return finish(ended, said.text());
  }

  #spawn(output: number): RunningProcess {
    using nothing = openat(AT_FDCWD, "/dev/null", O_RDWR);
    const { process, isInUserNamespace } = this.#health;
    const { spec, namedUser } = this.#request;
    const { seccomp } = spec.linux;
    const cgroup = openCgroup(spec.linux.cgroupsPath ?? "");
    return prepareProcess(
      joinContainer,
      { type: "exec", process, namedUser, ...(seccomp && { seccomp }), ...this.#container },
      { stdio: [nothing.fd, output, output], onSpawned: (pid) => joinCgroup(cgroup, isInUserNamespace, pid), onReady: () => {} },
    ).release();
  }
}

// The first bytes; the rest is read and forgotten, so that nobody waits to be read.
function readSome(fd: number): { text(): string; end: Promise<void> } {
  let kept = Buffer.alloc(0);
  const end = (async () => {
    for await (const chunk of Bun.file(fd).stream()) {
      if (kept.length < MAX_OUTPUT) kept = Buffer.concat([kept, chunk.subarray(0, MAX_OUTPUT - kept.length)]);
    }
  })().catch(() => {});
  return { text: () => kept.toString(), end };
}

// As Go writes them.
function durationText(milliseconds: number): string {
  if (milliseconds < 1000) return `${milliseconds}ms`;
  const minutes = Math.floor(milliseconds / 60_000);
  const seconds = `${(milliseconds % 60_000) / 1000}s`;
  if (minutes === 0) return seconds;
  return minutes < 60 ? `${minutes}m${seconds}` : `${Math.floor(minutes / 60)}h${minutes % 60}m${seconds}`;
}
