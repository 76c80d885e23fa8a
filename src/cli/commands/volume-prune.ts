import { pruneVolumes } from "../../engine/volumes.ts";
import { defineCommand } from "../command.ts";
import { confirm } from "../confirm.ts";
import { humanSize } from "../format/human.ts";
import { pruneFilter } from "../prune-filter.ts";

export default defineCommand({
  usage: "[OPTIONS]",
  flags: {
    all: { short: "a", type: "boolean", help: "Remove all unused volumes, not just anonymous ones" },
    filter: { type: "list", value: "filter", help: "Provide filter values (label=NAME[=VALUE], label!=…)" },
    force: { short: "f", type: "boolean", help: "Do not prompt for confirmation" },
  },
  args: { min: 0, max: 0 },
  async run({ engine }, flags) {
    const isWanted = pruneFilter(flags.filter);
    const what = flags.all ? "all local volumes" : "anonymous local volumes";
    if (!flags.force && !confirm(`WARNING! This will remove ${what} not used by at least one container.`)) return;
    const { names, bytes } = pruneVolumes(engine, flags.all, isWanted);
    if (names.length > 0) console.log(`Deleted Volumes:\n${names.join("\n")}\n`);
    console.log(`Total reclaimed space: ${humanSize(bytes)}`);
  },
});
