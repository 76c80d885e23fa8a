import { pauseContainer } from "../../engine/pause-container.ts";
import { defineCommand } from "../command.ts";
import { forEach } from "../each.ts";

export default defineCommand({
  usage: "CONTAINER [CONTAINER...]",
  flags: {},
  args: { min: 1 },
  run: ({ engine }, _flags, names) =>
    forEach(names, (name) => {
      pauseContainer(engine, name, false);
      console.log(name);
    }),
});
