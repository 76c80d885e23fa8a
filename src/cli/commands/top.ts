import { topContainer } from "../../engine/top-container.ts";
import { defineCommand } from "../command.ts";
import { alignTable } from "../format/output.ts";
import { printBlocking } from "../streams.ts";

const MIN_WIDTH = 20; // docker's

export default defineCommand({
  usage: "CONTAINER [ps OPTIONS]",
  flags: {},
  args: { min: 1 },
  stopAtFirstArgument: true,
  examples: ["berth top web", "berth top web -o pid,rss,cmd"],
  async run({ engine }, _flags, [name = "", ...options]) {
    const { titles, rows } = topContainer(engine, name, options);
    printBlocking(
      alignTable(
        [titles, ...rows].map((fields) => fields.join("\t")),
        MIN_WIDTH,
      ),
    );
  },
});
