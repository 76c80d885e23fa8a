import { isFirstProcess } from "../../../ffi/machine.ts";
import { bootMachine } from "../../vm/boot.ts";
import { defineCommand } from "../command.ts";
import { CommandFailure } from "../errors.ts";

export default defineCommand({
  usage: "",
  flags: {},
  args: { min: 0, max: 0 },
  async run() {
    if (!isFirstProcess()) throw new CommandFailure("boot is for the first process of a machine, which this is not", 1);
    await bootMachine();
  },
});
