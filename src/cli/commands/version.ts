import { systemVersion } from "../../engine/system-info.ts";
import { defineCommand } from "../command.ts";
import { printFormatted } from "../format/output.ts";

export default defineCommand({
  usage: "[OPTIONS]",
  flags: {
    format: { short: "f", type: "string", help: "Format output using a Go template, or 'json'" },
    short: { type: "boolean", help: "Print one line", hidden: true },
  },
  args: { min: 0, max: 0 },
  async run(_context, flags) {
    const version = systemVersion();
    if (flags.short) console.log(`berth version ${version.Client.Version}, build ${version.Client.GitCommit}`);
    else if (flags.format !== undefined) printFormatted(flags.format, version);
    else {
      const rows = Object.entries(version.Client);
      const width = Math.max(...rows.map(([name]) => name.length)) + 3;
      console.log(["berth:", ...rows.map(([name, value]) => ` ${`${name}:`.padEnd(width)} ${value}`)].join("\n"));
    }
  },
});
