import { NotFound } from "../../engine/errors.ts";
import { removeLink } from "../../engine/links.ts";
import { removeContainer } from "../../engine/remove-container.ts";
import { expectEnd } from "../../engine/signal-container.ts";
import { defineCommand } from "../command.ts";
import { forEach } from "../each.ts";
import { warn } from "../warn.ts";

export default defineCommand({
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  flags: {
    force: { short: "f", type: "boolean", help: "Force the removal of a running container (uses SIGKILL)" },
    link: { short: "l", type: "boolean", help: "Remove the specified link (CONTAINER/ALIAS), not a container" },
    volumes: { short: "v", type: "boolean", help: "Remove anonymous volumes associated with the container" },
  },
  args: { min: 1 },
  async run({ engine }, flags, args) {
    return forEach(args, (name, next) => {
      if (flags.force && next !== undefined) expectEnd(engine, next);
      if (flags.link) {
        for (const warning of removeLink(engine, name)) warn(warning);
        console.log(name);
        return;
      }
      try {
        removeContainer(engine, name, flags);
      } catch (error) {
        // Forced, what is not there is as good as removed.
        if (!(flags.force && error instanceof NotFound)) throw error;
        console.error(`berth: ${error.message}`);
        return;
      }
      console.log(name);
    });
  },
});
