import { updateContainer } from "../../engine/update-container.ts";
import { defineCommand } from "../command.ts";
import { CONTAINER_FLAGS, parseRestart } from "../container-flags.ts";
import { forEach } from "../each.ts";
import { UsageError } from "../errors.ts";
import { limits } from "../limit-flags.ts";
import { bandwidthOf } from "../network-flags.ts";
import { readValue } from "../values.ts";

const NAMES = [
  ...(["bandwidth", "bandwidth-in", "bandwidth-out", "net-delay", "net-loss"] as const),
  ...(["blkio-weight", "cpu-period", "cpu-quota", "cpu-rt-period", "cpu-rt-runtime", "cpu-shares", "cpus", "cpuset-cpus", "cpuset-mems"] as const),
  ...(["memory", "memory-reservation", "memory-swap", "pids-limit", "restart"] as const),
];
type Name = (typeof NAMES)[number];
const FLAGS = Object.fromEntries(NAMES.map((name) => [name, CONTAINER_FLAGS[name]])) as { [K in Name]: (typeof CONTAINER_FLAGS)[K] };

export default defineCommand({
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  flags: FLAGS,
  args: { min: 1 },
  examples: ["berth update -m 256m --cpus 2 web", "berth update --bandwidth 16mbit web"],
  async run({ engine }, flags, names) {
    const read = <T>(name: string, parse: (text: string) => T): T | undefined => {
      const text = flags[name as Name];
      return text === undefined ? undefined : readValue(FLAGS, name, text, parse);
    };
    const bandwidth = bandwidthOf(read);
    const restart = flags.restart === undefined ? undefined : readValue(FLAGS, "restart", flags.restart, parseRestart);
    const changes = { limits: limits(read, () => [], false), bandwidth, restart };
    if (!bandwidth && !restart && Object.keys(changes.limits).length === 0)
      throw new UsageError("You must provide one or more flags when using this command.", 1);
    return forEach(names, (name) => {
      updateContainer(engine, name, changes);
      console.log(name);
    });
  },
});
