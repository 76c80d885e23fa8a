import { testOfFilters } from "../../engine/filters.ts";
import { inspectVolume, volumeTest } from "../../engine/volumes.ts";
import type { VolumeRecord } from "../../store/volumes.ts";
import { listVolumes } from "../../store/volumes.ts";
import { clientSetting } from "../client-config.ts";
import { defineCommand } from "../command.ts";
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
    const isWanted = testOfFilters<VolumeRecord>(flags.filter, (key, value) => volumeTest(engine, key, value));
    const rows = listVolumes(engine.db)
      .filter(isWanted)
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
