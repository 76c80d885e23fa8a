import { waitContainer, waitHealthy } from "../../engine/wait-container.ts";
import { defineCommand } from "../command.ts";
import { forEach } from "../each.ts";
import { UsageError } from "../errors.ts";

export default defineCommand({
  names: ["wait", "container wait"],
  summary: "Block until one or more containers stop, then print their exit codes",
  usage: "CONTAINER [CONTAINER...]",
  flags: { condition: { type: "string", value: "stopped|healthy", help: "What to wait for (default stopped)" } },
  args: { min: 1 },
  async run({ engine }, flags, args) {
    const { condition = "stopped" } = flags;
    if (condition !== "stopped" && condition !== "healthy")
      throw new UsageError(`invalid condition ${JSON.stringify(condition)}: expected stopped or healthy`, 1);
    return forEach(args, (name) => {
      if (condition === "healthy") waitHealthy(engine, name);
      console.log(condition === "healthy" ? 0 : waitContainer(engine, name));
    });
  },
});
