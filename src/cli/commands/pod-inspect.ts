import { inspectPod } from "../../engine/pods.ts";
import { defineCommand } from "../command.ts";
import { printFormatted } from "../format/output.ts";
import { printBlocking } from "../streams.ts";

export default defineCommand({
  usage: "[OPTIONS] POD [POD...]",
  flags: { format: { short: "f", type: "string", help: "Format output using a Go template, or 'json'" } },
  args: { min: 1 },
  async run({ engine }, flags, names) {
    const pods = names.map((name) => inspectPod(engine, name));
    if (flags.format !== undefined) for (const pod of pods) printFormatted(flags.format, pod);
    else printBlocking(`${JSON.stringify(pods, null, 4)}\n`);
  },
});
