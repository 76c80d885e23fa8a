import { pruneImages } from "../../engine/prune-images.ts";
import { defineCommand } from "../command.ts";
import { confirm } from "../confirm.ts";
import { humanSize } from "../format/human.ts";
import { pruneFilter } from "../prune-filter.ts";

export default defineCommand({
  usage: "[OPTIONS]",
  flags: {
    all: { short: "a", type: "boolean", help: "Remove all unused images, not just dangling ones" },
    filter: { type: "list", value: "filter", help: "Only what fits (until=TIME, label=NAME[=VALUE], label!=…)" },
    force: { short: "f", type: "boolean", help: "Do not prompt for confirmation" },
  },
  args: { min: 0, max: 0 },
  async run({ engine }, flags) {
    const isWanted = pruneFilter(flags.filter);
    const what = flags.all ? "all images without at least one container associated to them" : "all dangling images";
    if (!flags.force && !confirm(`WARNING! This will remove ${what}.`)) return;
    const { untagged, deleted, bytes } = pruneImages(engine, { all: flags.all, isWanted });
    const lines = [...untagged.map((name) => `untagged: ${name}`), ...deleted.map((id) => `deleted: ${id}`)];
    if (lines.length > 0) console.log(`Deleted Images:\n${lines.join("\n")}\n`);
    console.log(`Total reclaimed space: ${humanSize(bytes)}`);
  },
});
