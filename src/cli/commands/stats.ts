import { type ContainerStats, readContainerStats } from "../../engine/container-stats.ts";
import type { Engine } from "../../engine/engine.ts";
import { listContainers } from "../../engine/list-containers.ts";
import { resolveContainer } from "../../engine/resolve-container.ts";
import type { ContainerRecord } from "../../store/containers.ts";
import { clientSetting } from "../client-config.ts";
import { defineCommand } from "../command.ts";
import { humanMemory, humanRate, humanSize } from "../format/human.ts";
import { printListing } from "../format/output.ts";

const HEADERS = {
  ID: "CONTAINER ID",
  Container: "CONTAINER",
  Name: "NAME",
  CPUPerc: "CPU %",
  MemUsage: "MEM USAGE / LIMIT",
  MemPerc: "MEM %",
  NetIO: "NET I/O",
  NetLimit: "NET LIMIT",
  BlockIO: "BLOCK I/O",
  PIDs: "PIDS",
};
const FIRST = "{{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}";
const LAST = "{{.BlockIO}}\t{{.PIDs}}";
const CLEAR = "\x1b[2J\x1b[H";
/** Milliseconds over which the first use of CPUs is taken, and between two pictures. */
const FIRST_INTERVAL = 200;
const INTERVAL = 1000;

export default defineCommand({
  usage: "[OPTIONS] [CONTAINER...]",
  flags: {
    all: { short: "a", type: "boolean", help: "Show all containers (default shows just running)" },
    format: { type: "string", help: "Format output using a Go template, 'table TEMPLATE', or 'json'" },
    "no-stream": { type: "boolean", help: "Disable streaming stats and only pull the first result" },
    "no-trunc": { type: "boolean", help: "Do not truncate output" },
  },
  args: { min: 0 },
  examples: ["berth stats --no-stream web", "berth stats --format '{{.Name}}: {{.CPUPerc}} {{.NetIO}}'"],
  async run({ engine }, flags, names) {
    let before = sample(engine, names, flags.all);
    for (let interval = FIRST_INTERVAL; ; interval = INTERVAL) {
      await Bun.sleep(interval);
      const now = sample(engine, names, flags.all);
      const rows = [...now.values()].map(({ record, asked, stats }) => {
        const row = toRow(record, stats, before.get(record.id)?.stats, !flags["no-trunc"]);
        return asked === undefined ? row : { ...row, Container: asked };
      });
      const isLimited = [...now.values()].some(({ stats }) => stats.bandwidth);
      // Docker has no such column: it is there where it says something.
      const table = isLimited ? `${FIRST}\t{{.NetLimit}}\t${LAST}` : `${FIRST}\t${LAST}`;
      if (!flags["no-stream"]) process.stdout.write(CLEAR);
      printListing({ headers: HEADERS, rows, table }, flags.format ?? clientSetting("statsFormat"));
      if (flags["no-stream"]) return;
      before = now;
    }
  },
});

/** By id; `asked` is what the user called it. */
type Sample = Map<string, { record: ContainerRecord; asked: string | undefined; stats: ContainerStats }>;

function sample(engine: Engine, names: string[], all: boolean): Sample {
  const found: [ContainerRecord, string | undefined][] =
    names.length > 0
      ? names.map((name) => [resolveContainer(engine, name), name])
      : listContainers(engine, { all, last: undefined, filters: [] }).map((record) => [record, undefined]);
  return new Map(found.map(([record, asked]) => [record.id, { record, asked, stats: readContainerStats(record) }]));
}

const percent = (value: number) => `${value.toFixed(2)}%`;

function toRow(record: ContainerRecord, now: ContainerStats, before: ContainerStats | undefined, truncate: boolean): Record<string, unknown> {
  const nanoseconds = before ? (now.at - before.at) * 1e6 : 0;
  const cpu = before && nanoseconds > 0 ? Math.max(0, now.cpu - before.cpu) / nanoseconds : 0;
  const id = truncate ? record.id.slice(0, 12) : record.id;
  const { bandwidth } = now;
  const rate = (value: number | undefined) => (value ? humanRate(value) : "--");
  return {
    ID: id,
    Container: id,
    Name: record.name,
    CPUPerc: record.process ? percent(cpu * 100) : "--",
    MemUsage: record.process ? `${humanMemory(now.memory)} / ${humanMemory(now.memoryLimit)}` : "-- / --",
    MemPerc: record.process && now.memoryLimit > 0 ? percent((100 * now.memory) / now.memoryLimit) : "--",
    NetIO: record.process ? `${humanSize(now.received)} / ${humanSize(now.sent)}` : "--",
    NetLimit: bandwidth ? `${rate(bandwidth.in)} / ${rate(bandwidth.out)}` : "--",
    BlockIO: record.process ? `${humanSize(now.read)} / ${humanSize(now.written)}` : "--",
    PIDs: record.process ? String(now.pids) : "--",
  };
}
