import { expectEnd, stopContainer } from "../../engine/signal-container.ts";
import { defineCommand } from "../command.ts";
import { forEach } from "../each.ts";
import { STOP_FLAGS, stopOptions } from "../stop-flags.ts";

export default defineCommand({
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  flags: STOP_FLAGS,
  args: { min: 1 },
  async run({ engine }, flags, args) {
    const options = stopOptions(flags);
    return forEach(args, (name, next) => {
      if (next !== undefined) expectEnd(engine, next);
      stopContainer(engine, name, options);
      console.log(name);
    });
  },
});
