import { resolveContainer } from "../../engine/resolve-container.ts";
import { stopContainer } from "../../engine/signal-container.ts";
import { startContainer } from "../../engine/start-container.ts";
import { defineCommand } from "../command.ts";
import { readValue } from "../container-flags.ts";
import { forEach } from "../each.ts";
import { STOP_FLAGS } from "../stop-flags.ts";
import { parseInteger } from "../values.ts";

export default defineCommand({
  names: ["restart", "container restart"],
  summary: "Restart one or more containers",
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  flags: STOP_FLAGS,
  args: { min: 1 },
  async run({ engine }, flags, args) {
    const text = flags.timeout ?? flags.time;
    const timeout = text === undefined ? undefined : readValue(STOP_FLAGS, "timeout", text, (t) => parseInteger(t, -1));
    return forEach(args, async (name) => {
      const { id } = resolveContainer(engine, name);
      stopContainer(engine, id, { timeout, signal: flags.signal });
      await startContainer(engine, resolveContainer(engine, id), { attach: false, stdin: false });
      console.log(name);
    });
  },
});
