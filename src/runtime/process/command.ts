/** The last step: this process becomes the container's command. */
import { accessSync, constants, readdirSync, statSync } from "node:fs";
import { closeOnExecFrom, dup2, type OwnedFd } from "../../../ffi/fd.ts";
import { hasCode, reasonOf } from "../../../ffi/libc.ts";
import { execve, execveDescriptor } from "../../../ffi/process.ts";
import { resetSignals } from "../../../ffi/signal.ts";
import { RuntimeFailure } from "../errors.ts";

/** What docker gives a container whose image says nothing. */
export const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** How a process becomes its command. */
export interface BecomeOptions {
  /** An init that becomes this process instead and starts the command. */
  reaper: OwnedFd | undefined;
  /** How many descriptors from 3 on it keeps. */
  keep: number;
}

/**
 * Replaces this process, searching PATH of `env` as execvp(3) does.
 *
 * @throws {RuntimeFailure} `not-found` or `not-executable`
 */
export function becomeCommand(args: string[], env: string[], { reaper, keep }: BecomeOptions): never {
  closeOnExecFrom(3 + keep, () => readdirSync("/proc/self/fd").map(Number));
  for (let fd = 3; fd < 3 + keep; fd++) dup2(fd, fd);
  resetSignals();
  return tryCandidates(args, env, (candidate) => {
    if (!reaper) return execve(candidate, args, env);
    checkExecutable(candidate);
    return execveDescriptor(reaper.fd, ["berth-init", candidate, ...args], env);
  });
}

/** Fails as {@link becomeCommand} would, without becoming it. */
export function findCommand(args: string[], env: string[]): void {
  tryCandidates(args, env, checkExecutable);
}

function tryCandidates<T>([command = ""]: string[], env: string[], attempt: (path: string) => T): T {
  const path = env.findLast((v) => v.startsWith("PATH="))?.slice(5) ?? DEFAULT_PATH;
  const candidates = command.includes("/") ? [command] : path.split(":").map((folder) => `${folder || "."}/${command}`);
  let refused: unknown;
  for (const candidate of candidates) {
    try {
      return attempt(candidate);
    } catch (error) {
      if (hasCode(error, "ENOENT", "ENOTDIR")) continue;
      refused ??= error;
      if (!hasCode(error, "EACCES")) break;
    }
  }
  if (refused) throw new RuntimeFailure(`exec: "${command}": ${reasonOf(refused)}`, "not-executable");
  const why = command.includes("/") ? `stat ${command}: no such file or directory` : "executable file not found in $PATH";
  throw new RuntimeFailure(`exec: "${command}": ${why}`, "not-found");
}

// What execve(2) would say; with an init between, it would say so too late.
function checkExecutable(path: string): void {
  accessSync(path, constants.X_OK);
  if (!statSync(path).isFile()) throw Object.assign(new Error(`${path} is not a file`), { code: "EACCES" });
}
