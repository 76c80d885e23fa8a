import { restartContainer } from "../../engine/restart-container.ts";
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
      await restartContainer(engine, name, options, warn);
      console.log(name);
    });
  },
});
