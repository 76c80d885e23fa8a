/** The last step: this process becomes the container's command. */
import { closeOnExecFrom, dup2, type OwnedFd } from "../../../ffi/fd.ts";
import { accessSync, readdirSync, statSync, X_OK } from "../../../ffi/files.ts";
import { errnoName, hasCode, reasonOf, SyscallError } from "../../../ffi/libc.ts";
import { execveDescriptor } from "../../../ffi/process.ts";
import { unblockSignals } from "../../../ffi/signal.ts";
import { RuntimeFailure } from "../errors.ts";

/** What docker gives a container whose image says nothing. */
export const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** How a process becomes its command. */
export interface BecomeOptions {
  /** What becomes it, see ffi/exec.c; or an init that starts it. */
  program: OwnedFd;
  isReaper: boolean;
  /** Where ffi/exec.c tells why it could not. */
  channel: number;
  /** How many descriptors from 3 on it keeps. */
  keep: number;
}

/**
 * Makes all ready for this process to be replaced, searching PATH of `env` as execvp(3) does; the result replaces it.
 *
 * @throws {RuntimeFailure} `not-found` or `not-executable`, with an init between; else the parent hears of that
 */
export function prepareCommand(args: string[], env: string[], options: BecomeOptions): () => void {
  const { program, channel, keep } = options;
  closeOnExecFrom(3 + keep, () => readdirSync("/proc/self/fd").map(Number));
  for (let fd = 3; fd < 3 + keep; fd++) dup2(fd, fd);
  if (!options.isReaper) dup2(channel, channel);
  const argv = argvOf(args, env, options);
  return () => {
    unblockSignals();
    execveDescriptor(program.fd, argv, env);
  };
}

function argvOf(args: string[], env: string[], { isReaper, channel }: BecomeOptions): string[] {
  if (isReaper) return args.length === 0 ? ["pause"] : ["berth-init", findCommand(args, env), ...args];
  const files = candidates(args, env);
  return ["berth-exec", String(channel), String(files.length), ...files, ...args];
}

/** What ffi/exec.c found: the errno of the first file that is there, 0 for none. */
export function execFailure([command = ""]: string[], errno: number): RuntimeFailure {
  if (errno !== 0) {
    return new RuntimeFailure(`exec: "${command}": ${reasonOf(new SyscallError("execve", errnoName(errno), []))}`, "not-executable");
  }
  return notFound(command);
}

function notFound(command: string): RuntimeFailure {
  const why = command.includes("/") ? `stat ${command}: no such file or directory` : "executable file not found in $PATH";
  return new RuntimeFailure(`exec: "${command}": ${why}`, "not-found");
}

function candidates([command = ""]: string[], env: string[]): string[] {
  const path = env.findLast((v) => v.startsWith("PATH="))?.slice(5) ?? DEFAULT_PATH;
  return command.includes("/") ? [command] : path.split(":").map((folder) => `${folder || "."}/${command}`);
}

/** Which file it will be. Fails as that would. */
export function findCommand(args: string[], env: string[]): string {
  const [command = ""] = args;
  let refused: unknown;
  for (const candidate of candidates(args, env)) {
    try {
      checkExecutable(candidate);
      return candidate;
    } catch (error) {
      if (hasCode(error, "ENOENT", "ENOTDIR")) continue;
      refused ??= error;
      if (!hasCode(error, "EACCES")) break;
    }
  }
  if (refused) throw new RuntimeFailure(`exec: "${command}": ${reasonOf(refused)}`, "not-executable");
  throw notFound(command);
}

// What execve(2) would say; with an init between, it would say so too late.
function checkExecutable(path: string): void {
  accessSync(path, X_OK);
  if (!statSync(path).isFile()) throw Object.assign(new Error(`${path} is not a file`), { code: "EACCES" });
}
