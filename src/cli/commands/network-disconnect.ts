import { disconnectNetwork } from "../../engine/connect-network.ts";
import { defineCommand } from "../command.ts";
import { warn } from "../warn.ts";

export default defineCommand({
  usage: "[OPTIONS] NETWORK CONTAINER",
  flags: { force: { short: "f", type: "boolean", help: "Do so also where the container cannot be reached" } },
  args: { min: 2, max: 2 },
  async run({ engine }, flags, [network = "", container = ""]) {
    for (const warning of disconnectNetwork(engine, network, container, flags.force)) warn(warning);
  },
});
