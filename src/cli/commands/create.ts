import { defineCommand } from "../command.ts";
import { CONTAINER_FLAGS, containerOptions } from "../container-flags.ts";
import { makeContainer } from "./run.ts";

export default defineCommand({
  usage: "[OPTIONS] IMAGE [COMMAND] [ARG...]",
  flags: CONTAINER_FLAGS,
  args: { min: 0 },
  stopAtFirstArgument: true,
  async run({ engine }, flags, args) {
    const options = containerOptions(flags, args);
    options.attachStdin = flags.interactive;
    options.attachStdout = true;
    console.log((await makeContainer(engine, options, flags, true)).id);
  },
});
