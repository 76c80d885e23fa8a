import type { Engine } from "../../engine/engine.ts";
import { containerState, listContainers, shownImage } from "../../engine/list-containers.ts";
import { type ContainerRecord, isRestarting } from "../../store/containers.ts";
import { getHealth, type HealthStatus } from "../../store/health.ts";
import { endpointsOf, portsOf } from "../../store/networks.ts";
import { defineCommand } from "../command.ts";
import { readValue } from "../container-flags.ts";
import { goTime, humanDuration } from "../format/human.ts";
import { printListing } from "../format/output.ts";
import { formatPorts } from "../format/ports.ts";
import { parseInteger } from "../values.ts";

const HEADERS = {
  ID: "CONTAINER ID",
  Image: "IMAGE",
  Command: "COMMAND",
  CreatedAt: "CREATED AT",
  RunningFor: "CREATED",
  Status: "STATUS",
  State: "STATE",
  Ports: "PORTS",
  Names: "NAMES",
  Labels: "LABELS",
  Mounts: "MOUNTS",
  LocalVolumes: "LOCAL VOLUMES",
  Networks: "NETWORKS",
  Size: "SIZE",
};
const TABLE = "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}";

const FLAGS = {
  all: { short: "a", type: "boolean", help: "Show all containers (default shows just running)" },
  filter: { short: "f", type: "list", value: "filter", help: "Filter output based on conditions provided" },
  format: { type: "string", help: "Format output using a Go template, 'table TEMPLATE', or 'json'" },
  last: { short: "n", type: "string", value: "int", help: "Show n last created containers (includes all states)" },
  latest: { short: "l", type: "boolean", help: "Show the latest created container (includes all states)" },
  "no-trunc": { type: "boolean", help: "Don't truncate output" },
  quiet: { short: "q", type: "boolean", help: "Only display container IDs" },
} as const;

export default defineCommand({
  names: ["ps", "container ls", "container list", "container ps"],
  summary: "List containers",
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
    const listing = { headers: HEADERS, table: TABLE, rows: records.map((record) => toRow(engine, record, !flags["no-trunc"])) };
    printListing(listing, flags.quiet ? (flags.format ?? "{{.ID}}") : flags.format);
  },
});

const shorten = (text: string, length: number) => (text.length > length ? `${text.slice(0, length - 1)}…` : text);

function toRow({ db }: Engine, record: ContainerRecord, truncate: boolean): Record<string, unknown> {
  const { config } = record;
  const command = [...config.entrypoint, ...config.cmd].join(" ");
  const names = config.mounts.flatMap((mount) => (mount.type === "volume" ? [mount.name] : mount.type === "bind" ? [mount.source] : []));
  return {
    ID: truncate ? record.id.slice(0, 12) : record.id,
    Image: shownImage(record),
    Command: JSON.stringify(truncate ? shorten(command, 20) : command),
    CreatedAt: goTime(record.createdAt),
    RunningFor: `${humanDuration(Date.now() - record.createdAt)} ago`,
    Status: containerStatus(record, record.config.healthcheck && getHealth(db, record.id)?.status),
    State: containerState(record),
    Ports: record.process ? formatPorts(portsOf(db, record.id), record.config.exposedPorts) : "",
    Names: record.name,
    Labels: Object.entries(config.labels)
      .map(([name, value]) => `${name}=${value}`)
      .join(","),
    Mounts: names.map((name) => (truncate ? shorten(name, 15) : name)).join(","),
    LocalVolumes: String(config.mounts.filter((mount) => mount.type === "volume").length),
    Networks:
      endpointsOf(db, record.id)
        .map(({ network }) => network.name)
        .join(",") || config.network,
    Size: "0B",
  };
}

function containerStatus(record: ContainerRecord, health: HealthStatus | undefined): string {
  const since = (time: number | undefined) => humanDuration(Date.now() - (time ?? Date.now()));
  if (isRestarting(record)) return `Restarting (${record.exitCode}) ${since(record.finishedAt)} ago`;
  switch (record.status) {
    case "running":
      return `Up ${since(record.startedAt)}${health ? ` (${health === "starting" ? "health: starting" : health})` : ""}`;
    case "paused":
      return `Up ${since(record.startedAt)} (Paused)`;
    case "exited":
      return `Exited (${record.exitCode}) ${since(record.finishedAt ?? record.createdAt)} ago`;
    case "removing":
      return "Removal In Progress";
    default:
      return "Created";
  }
}
