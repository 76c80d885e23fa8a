import { waitContainer } from "../../engine/wait-container.ts";
import { defineCommand } from "../command.ts";
import { forEach } from "../each.ts";

export default defineCommand({
  names: ["wait", "container wait"],
  summary: "Block until one or more containers stop, then print their exit codes",
  usage: "CONTAINER [CONTAINER...]",
  flags: {},
  args: { min: 1 },
  async run({ engine }, _flags, args) {
    return forEach(args, (name) => console.log(waitContainer(engine, name)));
  },
});
