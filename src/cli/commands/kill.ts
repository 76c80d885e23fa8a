import { killContainer, parseSignal } from "../../engine/signal-container.ts";
import { defineCommand } from "../command.ts";
import { forEach } from "../each.ts";

export default defineCommand({
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  flags: { signal: { short: "s", type: "string", help: "Signal to send to the container (default KILL)" } },
  args: { min: 1 },
  async run({ engine }, flags, args) {
    const signal = parseSignal(flags.signal ?? "KILL");
    return forEach(args, (name) => {
      killContainer(engine, name, signal);
      console.log(name);
    });
  },
});
