import { connectNetwork } from "../../engine/connect-network.ts";
import { defineCommand } from "../command.ts";
import { readValue } from "../container-flags.ts";
import { parseIp, parseIp6 } from "../network-flags.ts";
import { warn } from "../warn.ts";

const FLAGS = {
  alias: { type: "list", help: "Add network-scoped alias for the container" },
  ip: { type: "string", help: "IPv4 address (e.g., 172.30.100.104)" },
  ip6: { type: "string", help: "IPv6 address (e.g., 2001:db8::33)" },
  link: { type: "list", help: "Understood; names are found on networks without", hidden: true },
} as const;

export default defineCommand({
  names: ["network connect"],
  summary: "Connect a container to a network",
  usage: "[OPTIONS] NETWORK CONTAINER",
  flags: FLAGS,
  args: { min: 2, max: 2 },
  async run({ engine }, flags, [network = "", container = ""]) {
    const ip = flags.ip === undefined ? undefined : readValue(FLAGS, "ip", flags.ip, parseIp);
    const ip6 = flags.ip6 === undefined ? undefined : readValue(FLAGS, "ip6", flags.ip6, parseIp6);
    const config = { aliases: flags.alias, ...(ip !== undefined && { ip }), ...(ip6 !== undefined && { ip6 }) };
    for (const warning of connectNetwork(engine, network, container, config)) warn(warning);
  },
});
