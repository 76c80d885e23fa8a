import { createNetwork } from "../../engine/networks.ts";
import { defineCommand } from "../command.ts";
import { UsageError } from "../errors.ts";
import { parsePair } from "../values.ts";

const CONFIG_ONLY = { hidden: true, refused: "is not supported: networks that are configurations only are there for swarms" } as const;

export default defineCommand({
  usage: "[OPTIONS] NETWORK",
  flags: {
    "aux-address": { type: "list", value: "map", help: "Auxiliary IPv4 or IPv6 addresses: somebody else's (NAME=ADDRESS)" },
    "config-from": { type: "string", help: "The network from which to copy the configuration", ...CONFIG_ONLY },
    "config-only": { type: "boolean", help: "Create a configuration only network", ...CONFIG_ONLY },
    driver: { short: "d", type: "string", help: "Driver to manage the network (bridge, macvlan, ipvlan)" },
    gateway: { type: "list", value: "ip", help: "Gateway of a subnet: the host's own address in it" },
    ingress: {
      type: "boolean",
      help: "Create swarm routing-mesh network",
      hidden: true,
      refused: "needs a swarm, and there is none: only a network of global scope can be one",
      refusedByDocker: "outside of a swarm",
    },
    internal: { type: "boolean", help: "Restrict external access to the network" },
    "ip-range": { type: "list", value: "subnet", help: "Allocate container ip from a sub-range" },
    "ipam-opt": { type: "list", value: "map", help: "Set IPAM driver specific options (kept; the default one has none)" },
    ipv4: {
      type: "boolean",
      on: true,
      help: "Enable IPv4 address assignment",
      hidden: true,
      refused: "cannot be switched off: every network has IPv4",
      differs: "is on and stays on",
    },
    ipv6: { type: "boolean", help: "Enable IPv6 on the network" },
    label: { type: "list", help: "Set metadata on a network" },
    opt: {
      short: "o",
      type: "list",
      value: "map",
      help: "Set driver specific options (com.docker.network.bridge.name, com.docker.network.bridge.gateway_mode_ipv6=nat|routed, com.docker.network.driver.mtu; parent, macvlan_mode, ipvlan_mode)",
    },
    subnet: { type: "list", value: "subnet", help: "Subnet in CIDR format that represents a network segment; one of IPv4 and one of IPv6" },
    attachable: { type: "boolean", help: "Enable manual container attachment (every network here has it)" },
    scope: { type: "string", help: "Understood; every network here is local", hidden: true },
    "ipam-driver": { type: "string", help: "Understood; there is only the default one", hidden: true },
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
      subnets: flags.subnet,
      gateways: flags.gateway,
      ipRanges: flags["ip-range"],
      ipv6: flags.ipv6,
      auxAddresses: pairs(flags["aux-address"], "an address by a name"),
      ...(flags["ipam-opt"].length > 0 && { ipamOptions: pairs(flags["ipam-opt"], "an option") }),
      internal: flags.internal,
      attachable: flags.attachable,
      labels: pairs(flags.label, "a label"),
      options: pairs(flags.opt, "an option"),
    });
    console.log(id);
  },
});
