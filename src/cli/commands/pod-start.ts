import { startPod } from "../../engine/pods.ts";
import { defineCommand } from "../command.ts";
import { forEach } from "../each.ts";
import { warn } from "../warn.ts";

export default defineCommand({
  usage: "POD [POD...]",
  flags: {},
  args: { min: 1 },
  async run({ engine }, _flags, names) {
    return forEach(names, async (name) => {
      console.log((await startPod(engine, name, warn)).id);
    });
  },
});
