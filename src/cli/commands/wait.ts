import { CONDITIONS, type Condition, waitContainer } from "../../engine/wait-container.ts";
import { defineCommand } from "../command.ts";
import { forEach } from "../each.ts";
import { UsageError } from "../errors.ts";

export default defineCommand({
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  flags: { condition: { type: "list", value: CONDITIONS.join("|"), help: "What to wait for; of several any will do (default stopped)" } },
  args: { min: 1 },
  examples: ["berth wait web", "berth wait --condition healthy db"],
  async run({ engine }, flags, args) {
    const conditions = flags.condition.map(parseCondition);
    return forEach(args, (name) =>
      // A number would be coloured on a terminal.
      console.log(String(waitContainer(engine, name, conditions.length > 0 ? conditions : ["stopped"]))),
    );
  },
});

function parseCondition(text: string): Condition {
  const found = CONDITIONS.find((condition) => condition === text);
  if (!found) throw new UsageError(`invalid condition ${JSON.stringify(text)}: expected ${CONDITIONS.join(", ")}`, 1);
  return found;
}
