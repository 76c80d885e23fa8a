import { NotFound } from "../../engine/errors.ts";
import { removeImage } from "../../engine/remove-image.ts";
import { requirePlatform, resolveImage } from "../../engine/resolve-image.ts";
import { defineCommand } from "../command.ts";
import { forEach } from "../each.ts";

export default defineCommand({
  usage: "[OPTIONS] IMAGE [IMAGE...]",
  flags: {
    force: { short: "f", type: "boolean", help: "Force removal of the image" },
    "no-prune": { type: "boolean", help: "Do not delete untagged parents (none are ever kept here)" },
    platform: { type: "list", help: "Only if the image is for this platform (OS/ARCH[/VARIANT])" },
  },
  args: { min: 1 },
  async run({ engine }, flags, args) {
    return forEach(args, (name) => {
      try {
        for (const platform of flags.platform) requirePlatform(resolveImage(engine, name).image, name, platform);
        const { untagged, deleted } = removeImage(engine, name, flags.force);
        for (const tag of untagged) console.log(`Untagged: ${tag}`);
        for (const id of deleted) console.log(`Deleted: ${id}`);
      } catch (error) {
        // Forced, what is not there is as good as removed.
        if (!(flags.force && error instanceof NotFound)) throw error;
        console.error(`berth: ${error.message}`);
      }
    });
  },
});
