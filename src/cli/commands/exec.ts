import { signalNumber } from "../../../ffi/signal.ts";
import { getWindowSize } from "../../../ffi/tty.ts";
import { StartError, startExitCode } from "../../engine/errors.ts";
import { execInContainer } from "../../engine/exec-container.ts";
import { ContainerStdio } from "../../monitor/stdio.ts";
import { defineCommand } from "../command.ts";
import { environment, parseVariable, readValue } from "../container-flags.ts";
import { CommandFailure } from "../errors.ts";
import { requireTerminal } from "../foreground.ts";
import { OutputStream, readInput } from "../streams.ts";
import { followWindowSize, holdRawMode } from "../terminal.ts";

const FLAGS = {
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
  names: ["exec", "container exec"],
  summary: "Execute a command in a running container",
  usage: "[OPTIONS] CONTAINER COMMAND [ARG...]",
  flags: FLAGS,
  args: { min: 2 },
  stopAtFirstArgument: true,
  examples: ["berth exec -it web sh", "berth exec -u 1000 -w /tmp -e A=B web id"],
  async run({ engine }, flags, [name = "", ...args]) {
    const stdin = flags.interactive && !flags.detach;
    requireTerminal(flags.tty && !flags.detach, stdin);
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
      return await attend(stdio, running.child, flags.tty, stdin);
    } catch (error) {
      if (error instanceof StartError) throw new CommandFailure(error.message, error.kind === "setup" ? 1 : startExitCode(error.kind));
      throw error;
    }
  },
});

// How long output is read on after the command's end, where what it left behind keeps the pipe open.
const LINGER = 200; // milliseconds without a byte

async function attend(stdio: ContainerStdio, child: Bun.Subprocess, tty: boolean, stdin: boolean): Promise<number> {
  const out = new OutputStream(1);
  const err = new OutputStream(2);
  const raw = tty && stdin ? holdRawMode() : undefined;
  if (tty) followWindowSize((size) => stdio.resize(size));
  if (stdin) void readInput((chunk) => stdio.write(Buffer.from(chunk))).then(() => stdio.endInput());
  let last = 0;
  let busy = 0;
  let finished = false;
  const output = stdio
    .readAll(async (stream, chunk) => {
      busy++;
      await (stream === "stdout" ? out : err).write(chunk);
      busy--;
      last = performance.now();
    })
    .then(() => {
      finished = true;
    });
  const code = await child.exited;
  last = performance.now();
  while (!finished && (busy > 0 || performance.now() - last < LINGER)) await Promise.race([output, Bun.sleep(10)]);
  raw?.restore();
  return child.signalCode ? 128 + (signalNumber(String(child.signalCode)) ?? 0) : code;
}
