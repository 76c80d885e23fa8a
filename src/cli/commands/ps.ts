import { listContainers } from "../../engine/list-containers.ts";
import { clientSetting } from "../client-config.ts";
import { defineCommand } from "../command.ts";
import { CONTAINER_HEADERS, containerRow } from "../format/container-row.ts";
import { printListing } from "../format/output.ts";
import { parseInteger, readValue } from "../values.ts";

const TABLE = "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}";

const FLAGS = {
  all: { short: "a", type: "boolean", help: "Show all containers (default shows just running)" },
  filter: { short: "f", type: "list", value: "filter", help: "Filter output based on conditions provided" },
  format: { type: "string", help: "Format output using a Go template, 'table TEMPLATE', or 'json'" },
  last: { short: "n", type: "string", value: "int", help: "Show n last created containers (includes all states)" },
  latest: { short: "l", type: "boolean", help: "Show the latest created container (includes all states)" },
  "no-trunc": { type: "boolean", help: "Don't truncate output" },
  quiet: { short: "q", type: "boolean", help: "Only display container IDs" },
  size: { short: "s", type: "boolean", help: "Display total file sizes" },
} as const;

export default defineCommand({
  usage: "[OPTIONS]",
  flags: FLAGS,
  args: { min: 0, max: 0 },
  examples: ["berth ps -a", "berth ps --filter status=exited --format '{{.Names}}: {{.Status}}'"],
  async run({ engine }, flags) {
    const last = flags.last === undefined ? undefined : readValue(FLAGS, "last", flags.last, (t) => parseInteger(t, -1));
    const records = listContainers(engine, {
      all: flags.all,
      last: flags.latest ? 1 : last === -1 ? undefined : last,
      filters: flags.filter,
    });
    const withSize = flags.size || /\.Size\b/.test(flags.format ?? "");
    const rows = records.map((record) => containerRow(engine, record, { truncate: !flags["no-trunc"], withSize }));
    const listing = { headers: CONTAINER_HEADERS, table: flags.size ? `${TABLE}\t{{.Size}}` : TABLE, rows };
    printListing(listing, flags.quiet ? (flags.format ?? "{{.ID}}") : (flags.format ?? clientSetting("psFormat")));
  },
});
