import { getWindowSize } from "../../../ffi/tty.ts";
import { StartError } from "../../engine/errors.ts";
import { execInContainer } from "../../engine/exec-container.ts";
import { ContainerStdio } from "../../runtime/stdio.ts";
import { DETACH_FLAG, detachKeysOf, outcomeCode, requireTerminal } from "../attach-flags.ts";
import { attendProcess } from "../attend.ts";
import { defineCommand } from "../command.ts";
import { CommandFailure } from "../errors.ts";
import { readValue } from "../values.ts";
import { environment, parseVariable } from "../variable-flags.ts";

const FLAGS = {
  ...DETACH_FLAG,
  detach: { short: "d", type: "boolean", help: "Detached mode: run command in the background" },
  env: { short: "e", type: "list", help: "Set environment variables" },
  "env-file": { type: "list", help: "Read in a file of environment variables" },
  interactive: { short: "i", type: "boolean", help: "Keep STDIN open even if not attached" },
  privileged: { type: "boolean", help: "Give extended privileges to the command" },
  tty: { short: "t", type: "boolean", help: "Allocate a pseudo-TTY" },
  user: { short: "u", type: "string", help: "Username or UID (format: <name|uid>[:<group|gid>])" },
  workdir: { short: "w", type: "string", help: "Working directory inside the container" },
} as const;

export default defineCommand({
  usage: "[OPTIONS] CONTAINER COMMAND [ARG...]",
  flags: FLAGS,
  args: { min: 2 },
  stopAtFirstArgument: true,
  examples: ["berth exec -it web sh", "berth exec -u 1000 -w /tmp -e A=B web id"],
  async run({ engine }, flags, [name = "", ...args]) {
    const stdin = flags.interactive && !flags.detach;
    requireTerminal(flags.tty && !flags.detach, stdin);
    const detachKeys = detachKeysOf(flags["detach-keys"], flags.tty);
    const size = flags.tty ? getWindowSize(1) : undefined;
    const stdio = new ContainerStdio({ terminal: flags.tty, stdin });
    try {
      const running = execInContainer(engine, name, {
        args,
        env: environment(
          flags["env-file"],
          flags.env.map((text) => readValue(FLAGS, "env", text, parseVariable)),
        ),
        tty: flags.tty,
        user: flags.user,
        workingDir: flags.workdir,
        privileged: flags.privileged,
        consoleSize: size && { height: size.rows, width: size.columns },
        stdio: stdio.forInit,
      });
      if (flags.detach) return 0;
      stdio.started(running);
      const outcome = await attendProcess(stdio, running.child, { tty: flags.tty, stdin, detachKeys });
      if (outcome !== "detached") running.ended(outcome);
      return outcomeCode(outcome);
    } catch (error) {
      if (error instanceof StartError) throw new CommandFailure(error.message, error.kind === "not-found" ? 127 : 126);
      throw error;
    }
  },
});
