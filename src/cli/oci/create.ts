/** `create`, `run`. */
import { createContainer } from "../../runtime/container/create.ts";
import { afterStart, deleteContainer } from "../../runtime/container/verbs.ts";
import { defineRuntimeCommand, parseCount } from "./command.ts";
import { attend, OWN_STDIO } from "./foreground.ts";

const CREATE_FLAGS = {
  bundle: { short: "b", type: "string", value: "DIR", help: "Folder of config.json (default: the current one)" },
  "pid-file": { type: "string", value: "FILE", help: "Write the process id to this file" },
  "console-socket": { type: "string", value: "SOCKET", help: "Unix socket that gets the terminal's master" },
  "no-pivot": { type: "boolean", help: "Do not use pivot_root(2)" },
  "no-new-keyring": { type: "boolean", help: "Do not make a session keyring" },
  "preserve-fds": { type: "string", value: "N", help: "Pass N more descriptors to the container" },
} as const;

export const create = defineRuntimeCommand({
  summary: "Create a container; its command waits for start",
  usage: "[OPTIONS] ID",
  flags: CREATE_FLAGS,
  args: { min: 1, max: 1 },
  run({ root, systemdCgroup, warn }, flags, [id = ""]) {
    const { pending } = createContainer({
      warn,
      ...readFlags(flags),
      root,
      systemdCgroup,
      id,
      stdio: OWN_STDIO,
      waitForStart: true,
      keepTerminal: false,
    });
    pending.leave();
  },
});

export const run = defineRuntimeCommand({
  summary: "Create a container and start it",
  usage: "[OPTIONS] ID",
  flags: {
    ...CREATE_FLAGS,
    detach: { short: "d", type: "boolean", help: "Leave it in the background" },
    keep: { type: "boolean", help: "Do not delete it when it ends" },
  },
  args: { min: 1, max: 1 },
  async run({ root, systemdCgroup, warn }, flags, [id = ""]) {
    const foreground = !flags.detach && flags["console-socket"] === undefined;
    const options = { ...readFlags(flags), warn, root, systemdCgroup, id, stdio: OWN_STDIO, waitForStart: false, keepTerminal: foreground };
    const { state, pending } = createContainer(options);
    let running: ReturnType<typeof pending.release>;
    try {
      running = pending.release();
    } catch (error) {
      deleteContainer(root, id, true, warn);
      throw error;
    }
    afterStart(state, warn);
    if (flags.detach) return 0;
    const code = await attend(running);
    if (!flags.keep) deleteContainer(root, id, true, warn);
    return code;
  },
});

function readFlags(flags: { [K in keyof typeof CREATE_FLAGS]: (typeof CREATE_FLAGS)[K]["type"] extends "boolean" ? boolean : string | undefined }) {
  return {
    bundle: flags.bundle ?? ".",
    pidFile: flags["pid-file"],
    consoleSocket: flags["console-socket"],
    noPivot: flags["no-pivot"],
    noNewKeyring: flags["no-new-keyring"],
    preserveFds: parseCount(flags["preserve-fds"], "preserve-fds"),
  };
}
