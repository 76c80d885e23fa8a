import { pruneNetworks } from "../../engine/networks.ts";
import { defineCommand } from "../command.ts";
import { confirm } from "../confirm.ts";
import { pruneFilter } from "../prune-filter.ts";

export default defineCommand({
  usage: "[OPTIONS]",
  flags: {
    filter: { type: "list", value: "filter", help: "Provide filter values (label, until)" },
    force: { short: "f", type: "boolean", help: "Do not prompt for confirmation" },
  },
  args: { min: 0, max: 0 },
  async run({ engine }, flags) {
    const isWanted = pruneFilter(flags.filter);
    if (!flags.force && !confirm("WARNING! This will remove all custom networks not used by at least one container.")) return;
    const removed = pruneNetworks(engine, ({ config, createdAt }) => isWanted({ labels: config.labels, createdAt }));
    if (removed.length > 0) console.log(`Deleted Networks:\n${removed.join("\n")}\n`);
  },
});
