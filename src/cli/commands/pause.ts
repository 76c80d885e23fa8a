import { pauseContainer } from "../../engine/pause-container.ts";
import { defineCommand } from "../command.ts";
import { forEach } from "../each.ts";

export default defineCommand({
  names: ["pause", "container pause"],
  summary: "Pause all processes within one or more containers",
  usage: "CONTAINER [CONTAINER...]",
  flags: {},
  args: { min: 1 },
  run: ({ engine }, _flags, names) =>
    forEach(names, (name) => {
      pauseContainer(engine, name, true);
      console.log(name);
    }),
});
