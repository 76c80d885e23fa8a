import { defineCommand } from "../command.ts";
import { CommandFailure } from "../errors.ts";

export default defineCommand({
  usage: "[OPTIONS] [VOLUME]",
  flags: { availability: { type: "string", help: "Cluster Volume availability (active, pause, drain)" } },
  args: { min: 0, max: 1 },
  async run() {
    throw new CommandFailure("there are no cluster volumes to update: this node is not a swarm manager", 1);
  },
});
