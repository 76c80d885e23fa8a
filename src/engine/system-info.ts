/** `version` and `info`. */

import { arch, cpus, hostname, release, totalmem } from "node:os";
import { readFileSync } from "../../ffi/files.ts";
import { cgroupMode, findHierarchies } from "../runtime/cgroup/hierarchy.ts";
import { listContainers } from "../store/containers.ts";
import { listImages } from "../store/images.ts";
import { containerState } from "./container-state.ts";
import type { Engine } from "./engine.ts";
import { reconcileAll } from "./reconcile.ts";
import { storageDriver } from "./storage-driver.ts";

interface Version {
  Version: string;
  ApiVersion: string;
  GitCommit: string;
  BunVersion: string;
  Os: string;
  Arch: string;
  KernelVersion: string;
}

/** What scripts ask docker's client and its daemon for; here both are one. */
export interface SystemVersion {
  Client: Version & { Context: string };
  Server: Version & { Platform: { Name: string }; MinAPIVersion: string; Experimental: boolean };
}

/** That of docker's API whose shapes `inspect` and templates follow. */
const API_VERSION = "1.47";

const architecture = () => (arch() === "x64" ? "amd64" : arch());

export function systemVersion(): SystemVersion {
  const version: Version = {
    Version: BERTH_VERSION,
    ApiVersion: API_VERSION,
    GitCommit: BERTH_COMMIT,
    BunVersion: Bun.version,
    Os: "linux",
    Arch: architecture(),
    KernelVersion: release(),
  };
  return {
    Client: { ...version, Context: "default" },
    Server: { ...version, Platform: { Name: "berth" }, MinAPIVersion: API_VERSION, Experimental: false },
  };
}

/** What `info` tells, under docker's names. */
export function systemInfo(engine: Engine): Record<string, unknown> {
  reconcileAll(engine);
  const states = listContainers(engine.db).map(containerState);
  const count = (...wanted: string[]) => states.filter((state) => wanted.includes(state)).length;
  const mode = cgroupMode();
  return {
    Containers: states.length,
    ContainersRunning: count("running"),
    ContainersPaused: count("paused"),
    ContainersStopped: count("exited", "created"),
    Images: listImages(engine.db).length,
    Driver: storageDriver(engine),
    LoggingDriver: "json-file",
    CgroupDriver: mode === "none" ? "none" : "cgroupfs",
    CgroupVersion: mode === "v2" ? "2" : mode === "v1" ? "1" : "",
    CgroupControllers: controllers(),
    KernelVersion: release(),
    OperatingSystem: operatingSystem(),
    OSType: "linux",
    Architecture: arch() === "x64" ? "x86_64" : "aarch64",
    NCPU: cpus().length,
    MemTotal: totalmem(),
    Name: hostname(),
    DockerRootDir: engine.layout.data,
    RunRoot: engine.layout.run,
    ServerVersion: BERTH_VERSION,
  };
}

function controllers(): string[] {
  const { v1, v2 } = findHierarchies();
  return cgroupMode() === "v2" ? (v2?.controllers ?? []) : [...v1.keys()].filter((name) => !name.startsWith("name="));
}

function operatingSystem(): string {
  try {
    return /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1] ?? "Linux";
  } catch {
    return "Linux";
  }
}
