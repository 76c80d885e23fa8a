import { connectNetwork } from "../../engine/connect-network.ts";
import { defineCommand } from "../command.ts";
import { endpointOptions, parseDriverOption, parseIp, parseIp6, parseLink, parseLinkLocal } from "../network-flags.ts";
import { optional, parseInteger, readValue } from "../values.ts";
import { warn } from "../warn.ts";

const FLAGS = {
  alias: { type: "list", help: "Add network-scoped alias for the container" },
  ip: { type: "string", help: "IPv4 address (e.g., 172.30.100.104)" },
  ip6: { type: "string", help: "IPv6 address (e.g., 2001:db8::33)" },
  "driver-opt": { type: "list", help: "Driver options for the network (com.docker.network.endpoint.sysctls=net.ipv4.conf.IFNAME.log_martians=1)" },
  "gw-priority": { type: "string", value: "int", help: "Highest gw-priority provides the default gateway. Accepts positive and negative values" },
  "link-local-ip": { type: "list", help: "Add a link-local address for the container" },
  link: { type: "list", help: "Add link to another container" },
} as const;

export default defineCommand({
  usage: "[OPTIONS] NETWORK CONTAINER",
  flags: FLAGS,
  args: { min: 2, max: 2 },
  async run({ engine }, flags, [network = "", container = ""]) {
    const ip = flags.ip === undefined ? undefined : readValue(FLAGS, "ip", flags.ip, parseIp);
    const ip6 = flags.ip6 === undefined ? undefined : readValue(FLAGS, "ip6", flags.ip6, parseIp6);
    const config = {
      aliases: flags.alias,
      ...optional("ip", ip),
      ...optional("ip6", ip6),
      ...endpointOptions(
        flags["driver-opt"].map((text) => readValue(FLAGS, "driver-opt", text, parseDriverOption)),
        flags["link-local-ip"].map((text) => readValue(FLAGS, "link-local-ip", text, parseLinkLocal)),
        flags["gw-priority"] === undefined ? undefined : readValue(FLAGS, "gw-priority", flags["gw-priority"], (t) => parseInteger(t)),
      ),
    };
    const links = flags.link.map((text) => readValue(FLAGS, "link", text, parseLink));
    for (const warning of connectNetwork(engine, network, container, config, links)) warn(warning);
  },
});
