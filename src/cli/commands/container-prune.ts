import { pruneContainers } from "../../engine/prune-containers.ts";
import { defineCommand } from "../command.ts";
import { confirm } from "../confirm.ts";
import { humanSize } from "../format/human.ts";
import { pruneFilter } from "../prune-filter.ts";

export default defineCommand({
  usage: "[OPTIONS]",
  flags: {
    filter: { type: "list", value: "filter", help: "Provide filter values (until=TIME, label=NAME[=VALUE], label!=…)" },
    force: { short: "f", type: "boolean", help: "Do not prompt for confirmation" },
  },
  args: { min: 0, max: 0 },
  async run({ engine }, flags) {
    const isWanted = pruneFilter(flags.filter);
    if (!flags.force && !confirm("WARNING! This will remove all stopped containers.")) return;
    const { ids, bytes } = pruneContainers(engine, isWanted);
    if (ids.length > 0) console.log(`Deleted Containers:\n${ids.join("\n")}\n`);
    console.log(`Total reclaimed space: ${humanSize(bytes)}`);
  },
});
