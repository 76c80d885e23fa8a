import { commitContainer } from "../../engine/export-container.ts";
import { defineCommand } from "../command.ts";

export default defineCommand({
  usage: "[OPTIONS] CONTAINER [REPOSITORY[:TAG]]",
  flags: {
    author: { short: "a", type: "string", help: "Author of the image" },
    change: { short: "c", type: "list", help: "Apply Dockerfile instruction to the created image" },
    message: { short: "m", type: "string", help: "Commit message" },
    pause: { short: "p", type: "boolean", on: true, help: "Pause container during commit (on; --pause=false switches it off)" },
  },
  args: { min: 1, max: 2 },
  async run({ engine }, flags, [container = "", name]) {
    const options = { name, author: flags.author ?? "", message: flags.message ?? "", changes: flags.change, pause: flags.pause };
    console.log(await commitContainer(engine, container, options));
  },
});
