/** What a parent does for an init that starts up, wherever that runs. */
import { AT_FDCWD, O_NONBLOCK, O_RDONLY, type OwnedFd, openat } from "../../../ffi/fd.ts";
import { readFileSync, writeFileSync } from "../../../ffi/files.ts";
import { reasonOf } from "../../../ffi/libc.ts";
import { mark } from "../../../ffi/trace.ts";
import type { Channel, InitReport } from "../channel.ts";
import { RuntimeFailure } from "../errors.ts";
import { execFailure } from "../process/command.ts";
import type { Request, SpawnOptions } from "../spawn.ts";
import { isIdMapped } from "../spec.ts";

/** Answers what init reports, up to the point at which it is ready. */
export class Answers {
  terminal: OwnedFd | undefined;

  constructor(
    readonly request: Request,
    readonly options: SpawnOptions,
    readonly channel: Channel,
    readonly pid: number,
    readonly hasOpenedBinds: boolean,
  ) {}

  // Most containers need nothing opened.
  #opened(): OwnedFd[] {
    const { request, pid, hasOpenedBinds } = this;
    if (request.type === "exec" || !(hasOpenedBinds || request.spec.mounts.some(isIdMapped))) return [];
    const { openForInit } = require("./opened.ts") as typeof import("./opened.ts");
    return openForInit(request, pid, hasOpenedBinds);
  }

  /** Takes the next report; false where it was the last. */
  next(): boolean {
    const report = nextReport(this.channel);
    const { options, pid, channel } = this;
    if (report.stage === "namespaces") {
      options.onNamespaces?.(pid);
      // Files of its own that it mounts are there by now.
      sendWith(channel, { go: true }, this.#opened());
    } else if (report.stage === "mounted") {
      options.onMounted?.(pid);
      channel.send({ go: true });
    } else if (report.stage === "terminal") {
      this.terminal = report.fds[0];
    } else {
      options.onReady(pid);
      return false;
    }
    return true;
  }
}

export const killed = () => new RuntimeFailure("the container's init was killed before it could start the command");

/** What init could not open as another user: it belongs to root on the host. */
export const openFifo = (path: string) => openat(AT_FDCWD, path, O_RDONLY | O_NONBLOCK);

/** The end of the stream is that of what could have failed. Throws {@link RuntimeFailure}. */
export function awaitCommand(channel: Channel, request: Request): void {
  const report = channel.receive<InitReport>();
  mark("wait for execve");
  if (report) throw report.message.stage === "exec" ? execFailure(argsOf(request), report.message.errno) : failureOf(report.message);
  channel.close();
}

/** Sends a message, and closes the descriptors that go with it. */
export function sendWith(channel: Channel, message: Parameters<Channel["send"]>[0], passed: OwnedFd[]): void {
  channel.send(
    message,
    passed.map(({ fd }) => fd),
  );
  for (const fd of passed) fd.close();
}

const argsOf = (request: Request) => (request.type === "create" ? request.spec.process : request.process).args;

/**
 * Sets it by its number: init is not dumpable, so its own files in /proc are not its to write.
 *
 * @returns what gives this process back its own, which is set with that of whoever shares its memory (proc(5))
 */
export function setOomScore(pid: number, request: Request): () => void {
  const { oomScoreAdj } = request.type === "create" ? request.spec.process : request.process;
  if (oomScoreAdj === undefined) return () => {};
  try {
    const own = readFileSync(OWN_OOM_SCORE, "latin1").trim();
    if (own === String(oomScoreAdj)) return () => {}; // it is inherited
    writeFileSync(`/proc/${pid}/oom_score_adj`, String(oomScoreAdj));
    return () => writeFileSync(OWN_OOM_SCORE, own);
  } catch (error) {
    throw new RuntimeFailure(`cannot set oom_score_adj to ${oomScoreAdj}: ${reasonOf(error)}`);
  }
}

const OWN_OOM_SCORE = "/proc/self/oom_score_adj";

/** Throws {@link RuntimeFailure} where init says that it failed, or is gone. */
export function nextReport(channel: Channel): Exclude<InitReport, { stage: "failed" }> & { fds: OwnedFd[] } {
  const received = channel.receive<InitReport>();
  if (!received) throw killed();
  const { message, fds } = received;
  if (message.stage === "failed") throw failureOf(message);
  return { ...message, fds };
}

function failureOf(report: InitReport): RuntimeFailure {
  return report.stage === "failed" ? new RuntimeFailure(report.message, report.kind) : new RuntimeFailure(`unexpected report ${report.stage}`);
}

export const cannotStart = (error: unknown) => new RuntimeFailure(`cannot start the container's init: ${reasonOf(error)}`, "setup", { cause: error });
