/** Containers as rows of a table. */

import { containerState, shownImage } from "../../engine/container-state.ts";
import type { Engine } from "../../engine/engine.ts";
import { type ContainerRecord, isRestarting } from "../../store/containers.ts";
import { getHealth, type HealthStatus } from "../../store/health.ts";
import { endpointsOf, portsOf } from "../../store/networks.ts";
import { goTime, humanDuration, humanSize } from "./human.ts";
import { withLabels } from "./output.ts";
import { formatPorts } from "./ports.ts";

export const CONTAINER_HEADERS = {
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

const shorten = (text: string, length: number) => (text.length > length ? `${text.slice(0, length - 1)}…` : text);

export interface RowOptions {
  truncate: boolean;
  /** Sizes are counted file by file. */
  withSize: boolean;
}

/** A container as `ps` shows it. What is not shown is not looked up. */
export function containerRow(engine: Engine, record: ContainerRecord, { truncate, withSize }: RowOptions): Record<string, unknown> {
  const { config } = record;
  const { db } = engine;
  const row = {
    ID: truncate ? record.id.slice(0, 12) : record.id,
    Image: shownImage(record),
    get Command() {
      const [path = "", ...args] = [...config.entrypoint, ...config.cmd];
      const command = [path, ...args.map((arg) => (arg.includes(" ") ? `'${arg}'` : arg))].join(" ");
      return JSON.stringify(truncate ? shorten(command, 20) : command);
    },
    get CreatedAt() {
      return goTime(record.createdAt);
    },
    get RunningFor() {
      return `${humanDuration(Date.now() - record.createdAt)} ago`;
    },
    get Status() {
      return containerStatus(record, config.healthcheck && getHealth(db, record.id)?.status);
    },
    State: containerState(record),
    get Ports() {
      return record.process ? formatPorts(portsOf(db, record.id), config.exposedPorts) : "";
    },
    Names: record.name,
    get Labels() {
      return Object.entries(config.labels)
        .map(([name, value]) => `${name}=${value}`)
        .join(",");
    },
    get Mounts() {
      const names = config.mounts.flatMap((mount) => (mount.type === "volume" ? [mount.name] : mount.type === "bind" ? [mount.source] : []));
      return names.map((name) => (truncate ? shorten(name, 15) : name)).join(",");
    },
    get LocalVolumes() {
      return String(config.mounts.filter((mount) => mount.type === "volume").length);
    },
    get Networks() {
      const endpoints = endpointsOf(db, record.id);
      return endpoints.map(({ network }) => network.name).join(",") || config.network;
    },
    get Size() {
      return withSize ? sizeText(engine, record) : "0B";
    },
  };
  return withLabels(row, config.labels);
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

function sizeText(engine: Engine, record: ContainerRecord): string {
  const { containerSize } = require("../../engine/disk-usage.ts") as typeof import("../../engine/disk-usage.ts"); // seldom asked for
  const { own, image } = containerSize(engine, record);
  return `${humanSize(own)} (virtual ${humanSize(own + image)})`;
}
