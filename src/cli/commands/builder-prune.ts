import { pruneBuildCache } from "../../engine/prune-images.ts";
import { defineCommand } from "../command.ts";
import { confirm } from "../confirm.ts";
import { humanSize } from "../format/human.ts";
import { pruneFilter } from "../prune-filter.ts";

export default defineCommand({
  usage: "[OPTIONS]",
  flags: {
    all: { short: "a", type: "boolean", help: "Remove all unused build cache (it always is)" },
    filter: { type: "list", value: "filter", help: "Only what fits (until=TIME)" },
    force: { short: "f", type: "boolean", help: "Do not prompt for confirmation" },
  },
  args: { min: 0, max: 0 },
  async run({ engine }, flags) {
    const isWanted = pruneFilter(flags.filter);
    if (!flags.force && !confirm("WARNING! This will remove all build cache.")) return;
    const { deleted, bytes } = pruneBuildCache(engine, isWanted);
    if (deleted.length > 0) console.log(`Deleted build cache objects:\n${deleted.map((id) => id.slice(7)).join("\n")}\n`);
    console.log(`Total reclaimed space: ${humanSize(bytes)}`);
  },
});
