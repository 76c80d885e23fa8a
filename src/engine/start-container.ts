/** `start`: hands a container to a monitor of its own, and stays in touch where asked to. */
import type { OwnedFd } from "../../ffi/fd.ts";
import { socketPair } from "../../ffi/socket.ts";
import {
  type Exited,
  FrameSocket,
  FrameType,
  parseFrame,
  type Resize,
  type Started,
  type StartFailed,
  type StartRequest,
} from "../monitor/protocol.ts";
import { IS_RESTART } from "../monitor/restart.ts";
import type { ContainerConfig, NetworkSettings } from "../store/container-config.ts";
import type { ContainerRecord } from "../store/containers.ts";
import { writeTransaction } from "../store/database.ts";
import { ROOTLESS_ALIVE, ROOTLESS_UID } from "../store/layout.ts";
import { forgetLostEndpoint, insertEndpoint, isUserNetwork, lostEndpoints, type PortRequest, type UserNetwork } from "../store/networks.ts";
import { buildContainerSpec, buildProcess, hasUserNamespace } from "./container-spec.ts";
import type { Engine } from "./engine.ts";
import { StartError } from "./errors.ts";
import { networkForContainer } from "./resolve-network.ts";

export interface StartOptions {
  /** One that was launched before; else it is now. */
  monitor?: OwnedFd;
  /** Whether output comes to `onOutput`. */
  attach: boolean;
  /** Whether the container's standard input is written by this process, and ends with it. */
  stdin: boolean;
  /** Told what was changed on the host for it, in words. */
  warn(text: string): void;
  /** Reading pauses until the promise resolves. */
  onOutput?: (stream: "stdout" | "stderr", chunk: Buffer) => Promise<void> | undefined;
}

/** A container that was started, and the way to it. */
export interface StartedContainer {
  /** Its first process, in this PID namespace. */
  pid: number;
  /** Resolves with the exit code once the container ended and is cleaned up; undefined if its monitor was killed. */
  exited: Promise<number | undefined>;
  /** Sends input; a promise means: wait for it before sending more. An empty buffer is the end of input. */
  write(bytes: Uint8Array): Promise<void> | undefined;
  resize(size: Resize): void;
}

// A monitor waits for most of its life: a small heap and fewer threads' buffers count
// for more than the speed of compiled JavaScript (JSC's Options.h).
const MONITOR_ENVIRONMENT = { BUN_JSC_forceMiniVMMode: "1", BUN_JSC_useConcurrentJIT: "0", BUN_JSC_useConcurrentGC: "0" };

// What a monitor needs to start the container again, and its helper programs.
function rootlessEnvironment(): Record<string, string> {
  const { [ROOTLESS_ALIVE]: alive, [ROOTLESS_UID]: uid, PATH = "" } = process.env;
  return alive === undefined || uid === undefined ? {} : { [ROOTLESS_ALIVE]: alive, [ROOTLESS_UID]: uid, PATH };
}

/**
 * Launches a monitor, which waits on the connection given back for what it is to do, and
 * ends with it. It takes a while to start up: whoever knows early that there will be a
 * container launches it before making that.
 */
export function launchMonitor(): OwnedFd {
  const [ours, theirs] = socketPair();
  const child = Bun.spawn(["/proc/self/exe", "monitor"], {
    argv0: "berth-monitor",
    cwd: "/",
    env: { ...MONITOR_ENVIRONMENT, ...rootlessEnvironment() },
    detached: true,
    stdio: ["ignore", "ignore", "ignore", theirs.fd],
  });
  child.unref();
  theirs.close();
  return ours;
}

// With a port of the host for each exposed one that has none, where all are wanted.
function networkingOf(config: ContainerConfig): NetworkSettings {
  const networking = config.networking ?? { ports: [], publishAll: false, extraHosts: [], dns: [], dnsSearch: [], dnsOptions: [] };
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
  const program = Bun.which(kind);
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

/**
 * Starts a container.
 *
 * @throws {StartError} where it cannot be
 */
export async function startContainer(engine: Engine, record: ContainerRecord, options: StartOptions): Promise<StartedContainer> {
  const { config, id } = record;
  restoreEndpoints(engine, id);
  const request: StartRequest = {
    id,
    layout: engine.layout.arguments,
    ...buildContainerSpec(engine, record),
    reap: config.init,
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
    isRestart: process.env[IS_RESTART] !== undefined,
    stdin: !config.openStdin ? "none" : config.attachStdin ? "once" : "open",
    attach: options.attach,
  };
  const started = Promise.withResolvers<Started>();
  const exited = Promise.withResolvers<number | undefined>();
  let waiting: Promise<void> = Promise.resolve();
  const socket = await FrameSocket.over(options.monitor ?? launchMonitor(), {
    frame(type, payload) {
      switch (type) {
        case FrameType.started:
          started.resolve(parseFrame<Started>(payload));
          break;
        case FrameType.failed: {
          const { message, kind } = parseFrame<StartFailed>(payload);
          started.reject(new StartError(message, kind));
          break;
        }
        case FrameType.exited: {
          const { exitCode } = parseFrame<Exited>(payload);
          void waiting.then(() => exited.resolve(exitCode));
          break;
        }
        default: {
          const full = options.onOutput?.(type === FrameType.stderr ? "stderr" : "stdout", payload);
          if (!full) break;
          socket.pause(true);
          waiting = full.then(() => socket.pause(false));
        }
      }
    },
    close() {
      started.reject(new StartError("the container's monitor was killed before it could start the container", "setup"));
      void waiting.then(() => exited.resolve(undefined));
    },
  });
  void socket.sendJson(FrameType.start, request);
  const { pid, warnings } = await started.promise;
  for (const warning of warnings) options.warn(warning);
  return {
    pid,
    exited: exited.promise,
    write: (bytes) => socket.send(FrameType.stdin, bytes),
    resize: (size) => {
      void socket.sendJson(FrameType.resize, size);
    },
  };
}
