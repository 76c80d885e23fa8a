import { createNetwork } from "../../engine/networks.ts";
import { defineCommand } from "../command.ts";
import { UsageError } from "../errors.ts";
import { parsePair } from "../values.ts";

export default defineCommand({
  names: ["network create"],
  summary: "Create a network",
  usage: "[OPTIONS] NETWORK",
  flags: {
    driver: { short: "d", type: "string", help: "Driver to manage the network (bridge, macvlan, ipvlan)" },
    gateway: { type: "string", help: "IPv4 gateway for the subnet" },
    internal: { type: "boolean", help: "Restrict external access to the network" },
    "ip-range": { type: "string", help: "Allocate container ip from a sub-range" },
    label: { type: "list", help: "Set metadata on a network" },
    opt: {
      short: "o",
      type: "list",
      value: "map",
      help: "Set driver specific options (com.docker.network.bridge.name, com.docker.network.driver.mtu; parent, macvlan_mode, ipvlan_mode)",
    },
    subnet: { type: "string", help: "Subnet in CIDR format that represents a network segment" },
    attachable: { type: "boolean", help: "Understood; every network here is", hidden: true },
  },
  args: { min: 1, max: 1 },
  examples: ["berth network create backend", "berth network create --subnet 10.9.0.0/24 --internal db"],
  async run({ engine }, flags, [name = ""]) {
    const driver = flags.driver ?? "bridge";
    if (driver !== "bridge" && driver !== "macvlan" && driver !== "ipvlan")
      throw new UsageError(`could not find plugin ${driver}: expected bridge, macvlan or ipvlan`, 1);
    const pairs = (texts: string[], what: string) => Object.fromEntries(texts.map((text) => parsePair(text, what)));
    const { id } = createNetwork(engine, name, {
      driver,
      subnet: flags.subnet,
      gateway: flags.gateway,
      ipRange: flags["ip-range"],
      internal: flags.internal,
      labels: pairs(flags.label, "a label"),
      options: pairs(flags.opt, "an option"),
    });
    console.log(id);
  },
});
