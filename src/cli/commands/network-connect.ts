import { connectNetwork } from "../../engine/connect-network.ts";
import { defineCommand } from "../command.ts";
import { readValue } from "../container-flags.ts";
import { parseIp } from "../network-flags.ts";

const FLAGS = {
  alias: { type: "list", help: "Add network-scoped alias for the container" },
  ip: { type: "string", help: "IPv4 address (e.g., 172.30.100.104)" },
} as const;

export default defineCommand({
  names: ["network connect"],
  summary: "Connect a container to a network",
  usage: "[OPTIONS] NETWORK CONTAINER",
  flags: FLAGS,
  args: { min: 2, max: 2 },
  async run({ engine }, flags, [network = "", container = ""]) {
    const ip = flags.ip === undefined ? undefined : readValue(FLAGS, "ip", flags.ip, parseIp);
    connectNetwork(engine, network, container, { aliases: flags.alias, ...(ip !== undefined && { ip }) });
  },
});
