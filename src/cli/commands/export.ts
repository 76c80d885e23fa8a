import { isTerminal } from "../../../ffi/tty.ts";
import { exportContainer } from "../../engine/export-container.ts";
import { defineCommand } from "../command.ts";
import { CommandFailure } from "../errors.ts";
import { writeOutput } from "../output-file.ts";

export default defineCommand({
  usage: "[OPTIONS] CONTAINER",
  flags: { output: { short: "o", type: "string", value: "FILE", help: "Write to a file, instead of STDOUT" } },
  args: { min: 1, max: 1 },
  examples: ["berth export $(berth create bb) -o root.tar"],
  async run({ engine }, flags, [name = ""]) {
    if (flags.output === undefined && isTerminal(1))
      throw new CommandFailure("cowardly refusing to save to a terminal. Use the -o flag or redirect", 1);
    await writeOutput(flags.output, (write) => exportContainer(engine, name, write));
  },
});
