import { removePod } from "../../engine/pods.ts";
import { defineCommand } from "../command.ts";
import { forEach } from "../each.ts";

export default defineCommand({
  usage: "[OPTIONS] POD [POD...]",
  flags: { force: { short: "f", type: "boolean", help: "Remove running containers too" } },
  args: { min: 1 },
  async run({ engine }, flags, names) {
    return forEach(names, async (name) => console.log(removePod(engine, name, flags.force).id));
  },
});
