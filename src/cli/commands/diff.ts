import { diffContainer } from "../../engine/diff-container.ts";
import { defineCommand } from "../command.ts";
import { printBlocking } from "../streams.ts";

export default defineCommand({
  usage: "CONTAINER",
  flags: {},
  args: { min: 1, max: 1 },
  async run({ engine }, _flags, [name = ""]) {
    printBlocking(
      diffContainer(engine, name)
        .map(({ kind, path }) => `${kind} ${path}\n`)
        .join(""),
    );
  },
});
