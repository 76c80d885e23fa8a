/** `start`: hands a container to a monitor of its own, and stays in touch where asked to. */

import type { OwnedFd } from "../../ffi/fd.ts";
import { findProgram } from "../../ffi/host.ts";
import { mark } from "../../ffi/trace.ts";
import { FrameType, type StartRequest, writeFrame } from "../monitor/protocol.ts";
import { IS_RESTART } from "../monitor/restart.ts";
import { type ContainerConfig, type NetworkSettings, USUAL_NETWORKING } from "../store/container-config.ts";
import type { ContainerRecord } from "../store/containers.ts";
import { writeTransaction } from "../store/database.ts";
import { forgetLostEndpoint, insertEndpoint, isUserNetwork, lostEndpoints, type PortRequest, type UserNetwork } from "../store/networks.ts";
import { getPod } from "../store/pods.ts";
import { type AttachedContainer, attached, type ConnectionOptions, connectToMonitor } from "./container-connection.ts";
import { buildContainerSpec } from "./container-spec.ts";
import type { Engine } from "./engine.ts";
import { StartError } from "./errors.ts";
import { logRequest } from "./log-settings.ts";
import { buildProcess, hasUserNamespace } from "./process-spec.ts";
import { resolveContainer } from "./resolve-container.ts";
import { networkForContainer } from "./resolve-network.ts";

export interface StartOptions extends ConnectionOptions {
  /** One that was launched before; else it is now. */
  monitor?: OwnedFd;
  /** Whether output comes to `onOutput`. */
  attach: boolean;
  /** Whether the container's standard input is written by this process, and ends with it. */
  stdin: boolean;
  /** Told what was changed on the host for it, in words. */
  warn(text: string): void;
}

// With a port of the host for each exposed one that has none, where all are wanted.
function networkingOf(config: ContainerConfig): NetworkSettings {
  const networking = config.networking ?? USUAL_NETWORKING;
  if (!networking.publishAll) return networking;
  const missing = config.exposedPorts.flatMap((text): PortRequest[] => {
    const [port, protocol = "tcp"] = text.split("/");
    const containerPort = Number(port);
    if (networking.ports.some((p) => p.containerPort === containerPort && p.protocol === protocol)) return [];
    return [{ protocol: protocol as PortRequest["protocol"], hostIp: "", hostPort: 0, containerPort }];
  });
  return { ...networking, ports: [...networking.ports, ...missing] };
}

function findUserNetwork(kind: UserNetwork): NonNullable<StartRequest["userNetwork"]> {
  const program = findProgram(kind);
  if (program === null) throw new StartError(`${kind} is not installed: --network none or host does without`, "setup");
  return { kind, program };
}

// Networks that were removed while it did not run: those that are there again are as good.
function restoreEndpoints(engine: Engine, id: string): void {
  for (const { network, config } of lostEndpoints(engine.db, id)) {
    const found = networkForContainer(engine, network, config);
    writeTransaction(engine.db, () => {
      if (forgetLostEndpoint(engine.db, id, network)) insertEndpoint(engine.db, id, found.id, config);
    });
  }
}

/** What a monitor is told. */
export function startRequest(engine: Engine, record: ContainerRecord, { attach }: { attach: boolean }): StartRequest {
  const { config, id } = record;
  return {
    id,
    layout: engine.layout.arguments,
    ...buildContainerSpec(engine, record),
    reap: config.init || config.isInfra === true,
    hostname: config.hostname,
    domainname: config.domainname,
    hostNetwork: config.network === "host",
    userNetwork: isUserNetwork(config.network) ? findUserNetwork(config.network) : undefined,
    networking: networkingOf(config),
    autoRemove: record.autoRemove,
    health: config.healthcheck && {
      check: config.healthcheck,
      process: buildProcess({ ...config, tty: false }, config.healthcheck.test),
      isInUserNamespace: hasUserNamespace(config),
    },
    log: logRequest(engine, record),
    isRestart: process.env[IS_RESTART] !== undefined,
    takesOver: false,
    stdin: !config.openStdin ? "none" : config.attachStdin ? "once" : "open",
    attach,
  };
}

// Not needed where one was launched with the process.
const loadLauncher = () => require("./launch-monitor.ts") as typeof import("./launch-monitor.ts");

// A container of a pod joins what the pod's first one holds.
async function startInfra(engine: Engine, podId: string, warn: (text: string) => void): Promise<void> {
  const infraId = getPod(engine.db, podId)?.infraId;
  const infra = infraId === undefined ? undefined : resolveContainer(engine, infraId);
  if (!infra || infra.status === "running" || infra.status === "paused") return;
  await startContainer(engine, infra, { attach: false, stdin: false, warn });
}

/**
 * Starts a container.
 *
 * @throws {StartError} where it cannot be
 */
export async function startContainer(engine: Engine, record: ContainerRecord, options: StartOptions): Promise<AttachedContainer> {
  restoreEndpoints(engine, record.id);
  if (record.podId !== undefined && !record.config.isInfra) await startInfra(engine, record.podId, options.warn);
  const request = startRequest(engine, record, options);
  mark("describe it");
  const monitor = options.monitor ?? loadLauncher().launchMonitor();
  try {
    // It has begun before there is more of a connection.
    writeFrame(monitor.fd, FrameType.start, request);
  } catch {} // it is gone: so says the connection
  const connection = await connectToMonitor(monitor, options);
  const started = await connection.started;
  mark("wait for its start");
  for (const warning of started.warnings) options.warn(warning);
  return attached(connection, started);
}
