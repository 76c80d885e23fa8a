import { resolveContainer } from "../../engine/resolve-container.ts";
import { stopContainer } from "../../engine/signal-container.ts";
import { startContainer } from "../../engine/start-container.ts";
import { addContainerEvent } from "../../store/events.ts";
import { defineCommand } from "../command.ts";
import { forEach } from "../each.ts";
import { STOP_FLAGS, stopOptions } from "../stop-flags.ts";
import { warn } from "../warn.ts";

export default defineCommand({
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  flags: STOP_FLAGS,
  args: { min: 1 },
  async run({ engine }, flags, args) {
    const options = stopOptions(flags);
    return forEach(args, async (name) => {
      const { id } = resolveContainer(engine, name);
      stopContainer(engine, id, options);
      await startContainer(engine, resolveContainer(engine, id), { attach: false, stdin: false, warn });
      addContainerEvent(engine.db, id, "restart");
      console.log(name);
    });
  },
});
