import { updateContainer } from "../../engine/update-container.ts";
import { defineCommand } from "../command.ts";
import { bandwidthOf, CONTAINER_FLAGS, readValue } from "../container-flags.ts";
import { forEach } from "../each.ts";
import { UsageError } from "../errors.ts";
import { parseRate } from "../network-flags.ts";

const { bandwidth, "bandwidth-in": bandwidthIn, "bandwidth-out": bandwidthOut } = CONTAINER_FLAGS;
const FLAGS = { bandwidth, "bandwidth-in": bandwidthIn, "bandwidth-out": bandwidthOut };

export default defineCommand({
  names: ["update", "container update"],
  summary: "Update configuration of one or more containers",
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  flags: FLAGS,
  args: { min: 1 },
  examples: ["berth update --bandwidth 16mbit web"],
  async run({ engine }, flags, names) {
    const rate = (name: keyof typeof FLAGS) => (flags[name] === undefined ? undefined : readValue(FLAGS, name, flags[name], parseRate));
    const wanted = bandwidthOf(rate("bandwidth"), rate("bandwidth-in"), rate("bandwidth-out"));
    if (!wanted) throw new UsageError("You must provide one or more flags when using this command.", 1);
    return forEach(names, (name) => {
      updateContainer(engine, name, { bandwidth: wanted });
      console.log(name);
    });
  },
});
