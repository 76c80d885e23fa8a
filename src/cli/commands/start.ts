import { resolveContainer } from "../../engine/resolve-container.ts";
import { startContainer } from "../../engine/start-container.ts";
import { DETACH_FLAG, detachKeysOf, outcomeCode, requireTerminal } from "../attach-flags.ts";
import { defineCommand } from "../command.ts";
import { forEach } from "../each.ts";
import { CommandFailure } from "../errors.ts";
import { attachInForeground, runInForeground } from "../foreground.ts";
import { warn } from "../warn.ts";

const CHECKPOINTS = {
  hidden: true,
  refused: "is not supported: there are no checkpoints",
  refusedByDocker: "without experimental features",
} as const;

export default defineCommand({
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  flags: {
    attach: { short: "a", type: "boolean", help: "Attach STDOUT/STDERR and forward signals" },
    interactive: { short: "i", type: "boolean", help: "Attach container's STDIN" },
    ...DETACH_FLAG,
    checkpoint: { type: "string", help: "Restore from this checkpoint", ...CHECKPOINTS },
    "checkpoint-dir": { type: "string", help: "Use a custom checkpoint storage directory", ...CHECKPOINTS },
    "sig-proxy": { type: "boolean", on: true, help: "Proxy received signals to the process", hidden: true },
  },
  args: { min: 1 },
  async run({ engine }, flags, args) {
    if (!flags.attach && !flags.interactive) {
      return forEach(args, async (name) => {
        const record = resolveContainer(engine, name);
        // Docker's start of what runs already is no error.
        if (record.status !== "running" && record.status !== "paused") await startContainer(engine, record, { attach: false, stdin: false, warn });
        console.log(name);
      });
    }
    const [name = "", another] = args;
    if (another !== undefined) throw new CommandFailure("you cannot start and attach multiple containers at once", 1);
    const record = resolveContainer(engine, name);
    const stdin = flags.interactive && record.config.openStdin;
    requireTerminal(record.config.tty, stdin);
    const options = {
      sigProxy: flags["sig-proxy"],
      stdin,
      stdout: true,
      stderr: true,
      detachKeys: detachKeysOf(flags["detach-keys"], record.config.tty),
    };
    const runs = record.status === "running" || record.status === "paused";
    return outcomeCode(await (runs ? attachInForeground(engine, record, options) : runInForeground(engine, record, options)));
  },
});
