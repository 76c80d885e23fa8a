import { createVolume } from "../../engine/volumes.ts";
import { defineCommand } from "../command.ts";
import { UsageError } from "../errors.ts";
import { parsePair } from "../values.ts";

export default defineCommand({
  names: ["volume create"],
  summary: "Create a volume",
  usage: "[OPTIONS] [VOLUME]",
  flags: {
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
