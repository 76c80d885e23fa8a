import { storeCredentials } from "../../image/registry/credentials.ts";
import { defineCommand } from "../command.ts";

export default defineCommand({
  usage: "[SERVER]",
  flags: {},
  args: { min: 0, max: 1 },
  async run(_context, _flags, [server = "docker.io"]) {
    console.log(storeCredentials(server, undefined) ? `Removing login credentials for ${server}` : `Not logged in to ${server}`);
  },
});
