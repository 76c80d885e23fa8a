import { resolveContainer } from "../../engine/resolve-container.ts";
import { DETACH_FLAG, detachKeysOf, outcomeCode, requireTerminal } from "../attach-flags.ts";
import { defineCommand } from "../command.ts";
import { attachInForeground } from "../foreground.ts";

export default defineCommand({
  usage: "[OPTIONS] CONTAINER",
  flags: {
    ...DETACH_FLAG,
    "no-stdin": { type: "boolean", help: "Do not attach STDIN" },
    "sig-proxy": { type: "boolean", on: true, help: "Proxy all received signals to the process (on; --sig-proxy=false switches it off)" },
  },
  args: { min: 1, max: 1 },
  examples: ["berth attach web", "berth attach --detach-keys ctrl-x web"],
  async run({ engine }, flags, [name = ""]) {
    const record = resolveContainer(engine, name);
    const detachKeys = detachKeysOf(flags["detach-keys"], record.config.tty);
    const stdin = !flags["no-stdin"] && record.config.openStdin;
    requireTerminal(record.config.tty && record.status === "running", stdin);
    return outcomeCode(await attachInForeground(engine, record, { sigProxy: flags["sig-proxy"], stdin, stdout: true, stderr: true, detachKeys }));
  },
});
