import { hasLabel } from "../../engine/list-containers.ts";
import { pruneNetworks } from "../../engine/networks.ts";
import { defineCommand } from "../command.ts";
import { confirm } from "../confirm.ts";
import { CommandFailure } from "../errors.ts";
import { parseTime } from "../values.ts";

export default defineCommand({
  names: ["network prune"],
  summary: "Remove all unused networks, and repair what is used",
  usage: "[OPTIONS]",
  flags: {
    filter: { type: "list", value: "filter", help: "Provide filter values (label, until)" },
    force: { short: "f", type: "boolean", help: "Do not prompt for confirmation" },
  },
  args: { min: 0, max: 0 },
  async run({ engine }, flags) {
    const tests = flags.filter.map((filter) => {
      const [, key, value = ""] = /^([^=]+)=(.*)$/.exec(filter) ?? [];
      if (key === "label") return ({ labels }: Tested) => hasLabel(labels, value);
      if (key === "label!") return ({ labels }: Tested) => !hasLabel(labels, value);
      if (key !== "until") throw new CommandFailure(`invalid filter '${filter}': expected label or until`, 1);
      const limit = parseTime(value, Date.now());
      return ({ createdAt }: Tested) => createdAt < limit;
    });
    if (!flags.force && !confirm("WARNING! This will remove all custom networks not used by at least one container.")) return;
    const removed = pruneNetworks(engine, ({ config, createdAt }) => tests.every((test) => test({ labels: config.labels, createdAt })));
    if (removed.length > 0) console.log(`Deleted Networks:\n${removed.join("\n")}\n`);
  },
});

interface Tested {
  labels: Record<string, string>;
  createdAt: number;
}
