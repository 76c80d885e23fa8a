/** The last step: this process becomes the container's command. */
import { readdirSync } from "node:fs";
import { closeOnExecFrom } from "../../../ffi/fd.ts";
import { reasonOf, SyscallError } from "../../../ffi/libc.ts";
import { execve } from "../../../ffi/process.ts";
import { resetSignals } from "../../../ffi/signal.ts";
import { RuntimeFailure } from "../errors.ts";

/** What docker gives a container whose image says nothing. */
export const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/**
 * Replaces this process, searching PATH of `env` as execvp(3) does.
 *
 * @throws {RuntimeFailure} `not-found` or `not-executable`
 */
export function becomeCommand(args: string[], env: string[]): never {
  const [command = ""] = args;
  closeOnExecFrom(3, () => readdirSync("/proc/self/fd").map(Number));
  resetSignals();
  const path = env.findLast((v) => v.startsWith("PATH="))?.slice(5) ?? DEFAULT_PATH;
  const candidates = command.includes("/") ? [command] : path.split(":").map((folder) => `${folder || "."}/${command}`);
  let refused: SyscallError | undefined;
  for (const candidate of candidates) {
    try {
      execve(candidate, args, env);
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
      if (error.code === "ENOENT" || error.code === "ENOTDIR") continue;
      refused ??= error;
      if (error.code !== "EACCES") break;
    }
  }
  if (refused) throw new RuntimeFailure(`exec: "${command}": ${reasonOf(refused)}`, "not-executable");
  const why = command.includes("/") ? `stat ${command}: no such file or directory` : "executable file not found in $PATH";
  throw new RuntimeFailure(`exec: "${command}": ${why}`, "not-found");
}
