import { stopPod } from "../../engine/pods.ts";
import { defineCommand } from "../command.ts";
import { forEach } from "../each.ts";
import { STOP_FLAGS, stopOptions } from "../stop-flags.ts";

export default defineCommand({
  usage: "[OPTIONS] POD [POD...]",
  flags: STOP_FLAGS,
  args: { min: 1 },
  async run({ engine }, flags, names) {
    const options = stopOptions(flags);
    return forEach(names, async (name) => console.log(stopPod(engine, name, options).id));
  },
});
