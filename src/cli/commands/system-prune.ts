import { pruneNetworks } from "../../engine/networks.ts";
import { pruneContainers } from "../../engine/prune-containers.ts";
import { pruneBuildCache, pruneImages } from "../../engine/prune-images.ts";
import { pruneVolumes } from "../../engine/volumes.ts";
import { defineCommand } from "../command.ts";
import { confirm } from "../confirm.ts";
import { humanSize } from "../format/human.ts";
import { pruneFilter } from "../prune-filter.ts";

export default defineCommand({
  usage: "[OPTIONS]",
  flags: {
    all: { short: "a", type: "boolean", help: "Remove all unused images not just dangling ones" },
    filter: { type: "list", value: "filter", help: "Provide filter values (until=TIME, label=NAME[=VALUE], label!=…)" },
    force: { short: "f", type: "boolean", help: "Do not prompt for confirmation" },
    volumes: { type: "boolean", help: "Prune anonymous volumes" },
  },
  args: { min: 0, max: 0 },
  async run({ engine }, flags) {
    const isWanted = pruneFilter(flags.filter);
    const what = [
      "all stopped containers",
      "all networks not used by at least one container",
      ...(flags.volumes ? ["all anonymous volumes not used by at least one container"] : []),
      flags.all ? "all images without at least one container associated to them" : "all dangling images",
      "unused build cache",
    ];
    if (!flags.force && !confirm(`WARNING! This will remove:\n${what.map((line) => `  - ${line}`).join("\n")}\n`)) return;
    const report = (title: string, names: string[]) => {
      if (names.length > 0) console.log(`Deleted ${title}:\n${names.join("\n")}\n`);
    };
    const containers = pruneContainers(engine, isWanted);
    report("Containers", containers.ids);
    // Where nothing of networks is there, nothing of the host's is touched for them.
    report(
      "Networks",
      process.env.BERTH_ROOTLESS_UID === undefined
        ? pruneNetworks(engine, ({ config, createdAt }) => isWanted({ labels: config.labels, createdAt }))
        : [],
    );
    const volumes = flags.volumes ? pruneVolumes(engine, false, isWanted) : { names: [], bytes: 0 };
    report("Volumes", volumes.names);
    const images = pruneImages(engine, { all: flags.all, isWanted });
    report("Images", [...images.untagged.map((name) => `untagged: ${name}`), ...images.deleted.map((id) => `deleted: ${id}`)]);
    const cache = pruneBuildCache(engine, isWanted);
    report(
      "build cache objects",
      cache.deleted.map((id) => id.slice(7)),
    );
    console.log(`Total reclaimed space: ${humanSize(containers.bytes + volumes.bytes + images.bytes + cache.bytes)}`);
  },
});
