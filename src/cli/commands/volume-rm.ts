import { NotFound } from "../../engine/errors.ts";
import { removeVolume } from "../../engine/volumes.ts";
import { defineCommand } from "../command.ts";
import { forEach } from "../each.ts";

export default defineCommand({
  usage: "[OPTIONS] VOLUME [VOLUME...]",
  flags: { force: { short: "f", type: "boolean", help: "Do not error if a volume does not exist" } },
  args: { min: 1 },
  run: ({ engine }, flags, names) =>
    forEach(names, (name) => {
      try {
        removeVolume(engine, name);
      } catch (error) {
        if (!(flags.force && error instanceof NotFound)) throw error;
      }
      console.log(name);
    }),
});
