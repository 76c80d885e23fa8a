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
      const { Client } = version;
      const rows = [
        ["Version", Client.Version],
        ["API version", `${Client.ApiVersion} (of docker, whose shapes are followed)`],
        ["Bun version", Client.BunVersion],
        ["Git commit", Client.GitCommit],
        ["OS/Arch", `${Client.Os}/${Client.Arch}`],
        ["Kernel", Client.KernelVersion],
      ] as const;
      const lines = (indent: string) => rows.map(([name, value]) => `${indent}${`${name}:`.padEnd(18 - indent.length)} ${value}`);
      console.log(["Client: berth", ...lines(" "), "", "Server: berth (there is no daemon)", " Engine:", ...lines("  ")].join("\n"));
    }
  },
});
