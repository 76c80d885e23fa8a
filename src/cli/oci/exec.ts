import { prepareExec } from "../../runtime/container/exec.ts";
import { checkProcess, readJson } from "../../runtime/container/load-config.ts";
import { readState } from "../../runtime/container/state-file.ts";
import { RuntimeFailure } from "../../runtime/errors.ts";
import type { Process } from "../../runtime/spec.ts";
import { parseCapability } from "../container-flags.ts";
import { defineRuntimeCommand, parseCount } from "./command.ts";
import { attend, OWN_STDIO } from "./foreground.ts";

const FLAGS = {
  process: { short: "p", type: "string", value: "FILE", help: "Read the process from a file, as in config.json" },
  "pid-file": { type: "string", value: "FILE", help: "Write the process id to this file" },
  "console-socket": { type: "string", value: "SOCKET", help: "Unix socket that gets the terminal's master" },
  detach: { short: "d", type: "boolean", help: "Leave it in the background" },
  tty: { short: "t", type: "boolean", help: "Give it a terminal" },
  user: { short: "u", type: "string", value: "UID[:GID]", help: "User and group" },
  "additional-gids": { short: "g", type: "list", value: "GID", help: "More groups" },
  cwd: { type: "string", value: "DIR", help: "Working folder" },
  env: { short: "e", type: "list", help: "Set environment variables" },
  cap: { short: "c", type: "list", help: "Add a capability" },
  "preserve-fds": { type: "string", value: "N", help: "Pass N more descriptors" },
  "no-new-privs": { type: "boolean", help: "Set no_new_privs" },
  "ignore-paused": { type: "boolean", help: "Accepted for runc's callers", hidden: true },
} as const;

export const exec = defineRuntimeCommand({
  summary: "Start one more process in a running container",
  usage: "[OPTIONS] ID [COMMAND [ARG...]]",
  flags: FLAGS,
  args: { min: 1 },
  stopAtFirstArgument: true,
  async run({ root }, flags, [id = "", ...args]) {
    const process = flags.process !== undefined ? readProcess(flags.process) : buildProcess(readState(root, id).spec.process, flags, args);
    const socket = flags["console-socket"];
    if (process.terminal && flags.detach && socket === undefined) {
      throw new RuntimeFailure("cannot allocate tty if runtime will detach without setting console socket");
    }
    const pending = prepareExec({
      root,
      id,
      process,
      pidFile: flags["pid-file"],
      consoleSocket: socket,
      preserveFds: parseCount(flags["preserve-fds"], "preserve-fds"),
      stdio: OWN_STDIO,
    });
    const running = pending.release();
    if (flags.detach) return 0;
    return attend(socket === undefined ? running : { ...running, terminal: undefined });
  },
});

function readProcess(path: string): Process {
  const process = readJson(path, "process");
  const check: typeof checkProcess = checkProcess;
  check(process, (why) => new RuntimeFailure(`process ${path}: ${why}`));
  return process as unknown as Process;
}

function buildProcess(
  base: Process,
  flags: {
    user: string | undefined;
    "additional-gids": string[];
    cwd: string | undefined;
    env: string[];
    cap: string[];
    tty: boolean;
    "no-new-privs": boolean;
  },
  args: string[],
): Process {
  if (args.length === 0) throw new RuntimeFailure("exec needs a command, or --process FILE");
  const process: Process = { ...base, args, terminal: flags.tty, env: [...base.env, ...flags.env] };
  if (flags.cwd !== undefined) process.cwd = flags.cwd;
  if (flags["no-new-privs"]) process.noNewPrivileges = true;
  if (flags.user !== undefined) {
    const [, uid, gid] = /^(\d+)(?::(\d+))?$/.exec(flags.user) ?? [];
    if (uid === undefined) throw new RuntimeFailure(`invalid user ${JSON.stringify(flags.user)}: expected UID[:GID]`);
    process.user = { ...process.user, uid: Number(uid), ...(gid !== undefined && { gid: Number(gid) }) };
  }
  if (flags["additional-gids"].length > 0) process.user = { ...process.user, additionalGids: flags["additional-gids"].map(Number) };
  if (flags.cap.length > 0) {
    const names = flags.cap.map(parseCapability);
    const add = (list: string[] | undefined) => [...new Set([...(list ?? []), ...names])];
    const own = process.capabilities ?? {};
    process.capabilities = { ...own, bounding: add(own.bounding), effective: add(own.effective), permitted: add(own.permitted) };
  }
  return process;
}
