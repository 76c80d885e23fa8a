import { removeImage } from "../../engine/remove-image.ts";
import { defineCommand } from "../command.ts";
import { forEach } from "../each.ts";

export default defineCommand({
  names: ["rmi", "image rm", "image remove"],
  summary: "Remove one or more images",
  usage: "[OPTIONS] IMAGE [IMAGE...]",
  flags: { force: { short: "f", type: "boolean", help: "Force removal of the image" } },
  args: { min: 1 },
  async run({ engine }, flags, args) {
    return forEach(args, (name) => {
      const { untagged, deleted } = removeImage(engine, name, flags.force);
      for (const tag of untagged) console.log(`Untagged: ${tag}`);
      for (const id of deleted) console.log(`Deleted: ${id}`);
    });
  },
});
