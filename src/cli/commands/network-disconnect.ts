import { disconnectNetwork } from "../../engine/connect-network.ts";
import { defineCommand } from "../command.ts";

export default defineCommand({
  usage: "[OPTIONS] NETWORK CONTAINER",
  flags: { force: { short: "f", type: "boolean", help: "Do so also where the container cannot be reached" } },
  args: { min: 2, max: 2 },
  run: async ({ engine }, flags, [network = "", container = ""]) => disconnectNetwork(engine, network, container, flags.force),
});
