import { removeNetwork } from "../../engine/networks.ts";
import { defineCommand } from "../command.ts";
import { forEach } from "../each.ts";

export default defineCommand({
  usage: "NETWORK [NETWORK...]",
  flags: { force: { short: "f", type: "boolean", help: "Do not error if the network does not exist" } },
  args: { min: 1 },
  run: ({ engine }, flags, names) =>
    forEach(names, (name) => {
      try {
        removeNetwork(engine, name);
      } catch (error) {
        if (!(flags.force && error instanceof Error && error.message.endsWith("not found"))) throw error;
      }
      console.log(name);
    }),
});
