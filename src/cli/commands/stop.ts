import { stopContainer } from "../../engine/signal-container.ts";
import { defineCommand } from "../command.ts";
import { readValue } from "../container-flags.ts";
import { forEach } from "../each.ts";
import { STOP_FLAGS } from "../stop-flags.ts";
import { parseInteger } from "../values.ts";

export default defineCommand({
  names: ["stop", "container stop"],
  summary: "Stop one or more running containers",
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  flags: STOP_FLAGS,
  args: { min: 1 },
  async run({ engine }, flags, args) {
    const text = flags.timeout ?? flags.time;
    const timeout = text === undefined ? undefined : readValue(STOP_FLAGS, "timeout", text, (t) => parseInteger(t, -1));
    return forEach(args, (name) => {
      stopContainer(engine, name, { timeout, signal: flags.signal });
      console.log(name);
    });
  },
});
