import { createVolume } from "../../engine/volumes.ts";
import { defineCommand } from "../command.ts";
import { UsageError } from "../errors.ts";
import { CLUSTER } from "../swarm.ts";
import { parsePair } from "../values.ts";

export default defineCommand({
  usage: "[OPTIONS] [VOLUME]",
  flags: {
    availability: { type: "string", help: "Cluster Volume availability (active, pause, drain)", ...CLUSTER },
    group: { type: "string", help: "Cluster Volume group (cluster volumes)", ...CLUSTER },
    "limit-bytes": { type: "string", value: "bytes", help: "Maximum size of the Cluster Volume in bytes", ...CLUSTER },
    "required-bytes": { type: "string", value: "bytes", help: "Minimum size of the Cluster Volume in bytes", ...CLUSTER },
    scope: { type: "string", help: "Cluster Volume access scope (single, multi)", ...CLUSTER },
    secret: { type: "list", value: "map", help: "Cluster Volume secrets", ...CLUSTER },
    sharing: { type: "string", help: "Cluster Volume access sharing (none, readonly, onewriter, all)", ...CLUSTER },
    "topology-preferred": { type: "list", help: "A topology that the Cluster Volume would be preferred in", ...CLUSTER },
    "topology-required": { type: "list", help: "A topology that the Cluster Volume must be accessible from", ...CLUSTER },
    type: { type: "string", help: "Cluster Volume access type (mount, block)", ...CLUSTER },
    driver: { short: "d", type: "string", help: "Specify volume driver name (local)" },
    label: { type: "list", help: "Set metadata for a volume" },
    name: { type: "string", help: "Same as the argument", hidden: true },
    opt: { short: "o", type: "list", value: "map", help: "Set driver specific options (type, device, o, as mount has them)" },
  },
  args: { min: 0, max: 1 },
  examples: ["berth volume create data", "berth volume create -o type=tmpfs -o device=tmpfs -o o=size=100m scratch"],
  async run({ engine }, flags, [name]) {
    if (flags.driver !== undefined && flags.driver !== "local") throw new UsageError(`could not find plugin ${flags.driver}: expected local`, 1);
    const pairs = (texts: string[], what: string) => Object.fromEntries(texts.map((text) => parsePair(text, what)));
    console.log(createVolume(engine, name ?? flags.name, { labels: pairs(flags.label, "a label"), options: pairs(flags.opt, "an option") }));
  },
});
