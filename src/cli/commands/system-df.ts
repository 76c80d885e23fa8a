import { type DiskUsage, diskUsage } from "../../engine/disk-usage.ts";
import type { Engine } from "../../engine/engine.ts";
import { inspectVolume } from "../../engine/volumes.ts";
import { defineCommand } from "../command.ts";
import { containerRow } from "../format/container-row.ts";
import { humanSize } from "../format/human.ts";
import { imageRows } from "../format/image-rows.ts";
import { alignTable, printFormatted, printListing } from "../format/output.ts";
import { printBlocking } from "../streams.ts";

const HEADERS = { Type: "TYPE", TotalCount: "TOTAL", Active: "ACTIVE", Size: "SIZE", Reclaimable: "RECLAIMABLE" };
const TABLE = "{{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}";

export default defineCommand({
  usage: "[OPTIONS]",
  flags: {
    format: { type: "string", help: "Format output using a Go template, 'table TEMPLATE', or 'json'" },
    verbose: { short: "v", type: "boolean", help: "Show detailed information on space usage" },
  },
  args: { min: 0, max: 0 },
  async run({ engine }, flags) {
    const usage = diskUsage(engine);
    if (!flags.verbose) printListing({ headers: HEADERS, rows: summary(usage), table: TABLE }, flags.format);
    else if (flags.format) printFormatted(flags.format, details(engine, usage));
    else printDetails(details(engine, usage));
  },
});

function summary({ images, layers, reclaimableLayers, containers, volumes, cache }: DiskUsage): Record<string, unknown>[] {
  const total = (list: { size: number }[]) => list.reduce((sum, { size }) => sum + size, 0);
  const row = (Type: string, count: number, active: number, size: number, reclaimable: number) => ({
    Type,
    TotalCount: String(count),
    Active: String(active),
    Size: humanSize(size),
    Reclaimable: `${humanSize(reclaimable)}${size > 0 ? ` (${Math.floor((reclaimable * 100) / size)}%)` : ""}`,
  });
  const stopped = containers.filter(({ isActive }) => !isActive);
  const unused = volumes.filter(({ links }) => links === 0);
  const usedImages = images.filter((image) => image.containers > 0);
  return [
    row("Images", images.length, usedImages.length, layers, reclaimableLayers),
    row("Containers", containers.length, containers.length - stopped.length, total(containers), total(stopped)),
    row("Local Volumes", volumes.length, volumes.length - unused.length, total(volumes), total(unused)),
    row("Build Cache", cache.count, 0, cache.size, cache.size),
  ];
}

type Rows = Record<string, unknown>[];

function details(engine: Engine, usage: DiskUsage): { Images: Rows; Containers: Rows; Volumes: Rows; BuildCache: Rows } {
  return {
    Images: usage.images.flatMap(({ image, shared, unique, containers }) =>
      imageRows(image, true, undefined).map((row) => ({
        ...row,
        SharedSize: humanSize(shared),
        UniqueSize: humanSize(unique),
        Containers: String(containers),
      })),
    ),
    Containers: usage.containers.map(({ record, size }) => ({
      ...containerRow(engine, record, { truncate: true, withSize: false }),
      Size: humanSize(size),
    })),
    Volumes: usage.volumes.map(({ volume, size, links }) => ({ ...inspectVolume(engine, volume), Links: String(links), Size: humanSize(size) })),
    BuildCache: [],
  };
}

const SECTIONS = [
  [
    "Images",
    "Images space usage:",
    "Repository Tag ID CreatedSince Size SharedSize UniqueSize Containers",
    "REPOSITORY\tTAG\tIMAGE ID\tCREATED\tSIZE\tSHARED SIZE\tUNIQUE SIZE\tCONTAINERS",
  ],
  [
    "Containers",
    "Containers space usage:",
    "ID Image Command LocalVolumes Size RunningFor Status Names",
    "CONTAINER ID\tIMAGE\tCOMMAND\tLOCAL VOLUMES\tSIZE\tCREATED\tSTATUS\tNAMES",
  ],
  ["Volumes", "Local Volumes space usage:", "Name Links Size", "VOLUME NAME\tLINKS\tSIZE"],
  ["BuildCache", "Build cache usage: 0B", "", "CACHE ID\tCACHE TYPE\tSIZE\tCREATED\tLAST USED\tUSAGE\tSHARED"],
] as const;

function printDetails(all: ReturnType<typeof details>): void {
  const sections = SECTIONS.map(([key, title, fields, header]) => {
    const lines = all[key].map((row) =>
      fields
        .split(" ")
        .map((field) => String(row[field]))
        .join("\t"),
    );
    return `${title}\n\n${alignTable([header, ...lines])}`;
  });
  printBlocking(sections.join("\n"));
}
