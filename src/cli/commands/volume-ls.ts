import { inspectVolume, volumeTest } from "../../engine/volumes.ts";
import { listVolumes } from "../../store/volumes.ts";
import { clientSetting } from "../client-config.ts";
import { defineCommand } from "../command.ts";
import { UsageError } from "../errors.ts";
import { printListing, withLabels } from "../format/output.ts";
import { CLUSTER } from "../swarm.ts";

const HEADERS = { Driver: "DRIVER", Name: "VOLUME NAME", Labels: "LABELS", Mountpoint: "MOUNTPOINT", Scope: "SCOPE" };

export default defineCommand({
  usage: "[OPTIONS]",
  flags: {
    cluster: { type: "boolean", help: "Display only cluster volumes, and use cluster volume list formatting", ...CLUSTER },
    filter: { short: "f", type: "list", value: "filter", help: "Provide filter values (dangling, driver, label, name)" },
    format: { type: "string", help: "Format output using a Go template, 'table TEMPLATE', or 'json'" },
    quiet: { short: "q", type: "boolean", help: "Only display volume names" },
  },
  args: { min: 0, max: 0 },
  async run({ engine }, flags) {
    const tests = flags.filter.map((filter) => {
      const [, key, value = ""] = /^([^=]+)=(.*)$/.exec(filter) ?? [];
      if (key === undefined) throw new UsageError(`invalid argument "${filter}" for "-f, --filter" flag: bad format of filter (expected name=value)`);
      return volumeTest(engine, key, value);
    });
    const rows = listVolumes(engine.db)
      .filter((volume) => tests.every((test) => test(volume)))
      .map((volume) => {
        const { Driver, Mountpoint, Name, Scope } = inspectVolume(engine, volume);
        const labels = Object.entries(volume.labels).map(([key, value]) => `${key}=${value}`);
        // The rest is known of clusters only, or by `system df`.
        const unknown = { Availability: "N/A", Group: "N/A", Links: "N/A", Size: "N/A", Status: "N/A" };
        return withLabels({ ...unknown, Driver, Labels: labels.join(","), Mountpoint, Name, Scope }, volume.labels);
      });
    printListing(
      { headers: HEADERS, rows, table: "{{.Driver}}\t{{.Name}}" },
      flags.quiet ? (flags.format ?? "{{.Name}}") : (flags.format ?? clientSetting("volumesFormat")),
    );
  },
});
