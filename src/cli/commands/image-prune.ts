import { pruneImages, pruneTest } from "../../engine/prune-images.ts";
import { defineCommand } from "../command.ts";
import { confirm } from "../confirm.ts";
import { UsageError } from "../errors.ts";
import { humanSize } from "../format/human.ts";
import { parseTime } from "../values.ts";

export default defineCommand({
  names: ["image prune"],
  summary: "Remove unused images",
  usage: "[OPTIONS]",
  flags: {
    all: { short: "a", type: "boolean", help: "Remove all unused images, not just dangling ones" },
    filter: { type: "list", value: "filter", help: "Only what fits (until=TIME, label=NAME[=VALUE], label!=…)" },
    force: { short: "f", type: "boolean", help: "Do not prompt for confirmation" },
  },
  args: { min: 0, max: 0 },
  async run({ engine }, flags) {
    const now = Date.now();
    const tests = flags.filter.map((filter) => {
      const [, key, value] = /^(\w+!?)=(.*)$/.exec(filter) ?? [];
      if (key === undefined || value === undefined) throw new UsageError(`invalid argument "${filter}" for "--filter" flag: expected NAME=VALUE`);
      return pruneTest(key, value, (text) => parseTime(text, now));
    });
    const what = flags.all ? "all images without at least one container associated to them" : "all dangling images";
    if (!flags.force && !confirm(`WARNING! This will remove ${what}.`)) return;
    const { untagged, deleted, bytes } = pruneImages(engine, { all: flags.all, tests });
    const lines = [...untagged.map((name) => `untagged: ${name}`), ...deleted.map((id) => `deleted: ${id}`)];
    if (lines.length > 0) console.log(`Deleted Images:\n${lines.join("\n")}\n`);
    console.log(`Total reclaimed space: ${humanSize(bytes)}`);
  },
});
