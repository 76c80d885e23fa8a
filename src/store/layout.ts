/** Where things of one engine are on disk. */
import { mkdirSync } from "../../ffi/files.ts";
import { join } from "../../ffi/path.ts";
import type { LogDriver } from "./container-config.ts";

/** Where an engine is that nobody put elsewhere. */
export const DEFAULT_DATA = "/var/lib/berth";

/** Set for commands of an ordinary user, which are root of his user namespace: who he is, and what keeps that there while it is open. */
export const ROOTLESS_UID = "BERTH_ROOTLESS_UID";
export const ROOTLESS_ALIVE = "BERTH_ROOTLESS_ALIVE";

/** Where the engine is, for commands that a monitor starts: JSON of `Layout.arguments`. */
export const ENGINE_LAYOUT = "BERTH_LAYOUT";

// By the XDG base directory specification.
function rootlessLayout(uid: string): [data: string, run: string] {
  const { XDG_DATA_HOME, XDG_RUNTIME_DIR, HOME = "/" } = process.env;
  return [join(XDG_DATA_HOME || join(HOME, ".local/share"), "berth"), XDG_RUNTIME_DIR ? join(XDG_RUNTIME_DIR, "berth") : `/tmp/berth-${uid}`];
}

/** The folders of one engine. Engines with different folders do not know each other. */
export class Layout {
  /** What must survive a reboot. */
  readonly data: string;
  /** What a reboot may take. */
  readonly run: string;

  private constructor(data: string, run: string) {
    this.data = data;
    this.run = run;
  }

  /** `root` puts everything under one folder; without it the system's places are used. */
  static of(root: string | undefined): Layout {
    if (root !== undefined) return new Layout(root, join(root, "run"));
    const given = process.env[ENGINE_LAYOUT];
    if (given !== undefined) return new Layout(...(JSON.parse(given) as [string, string]));
    const uid = process.env[ROOTLESS_UID];
    return uid === undefined ? new Layout(DEFAULT_DATA, "/run/berth") : new Layout(...rootlessLayout(uid));
  }

  /** As a child process is told: see {@link Layout.fromArguments}. */
  get arguments(): [data: string, run: string] {
    return [this.data, this.run];
  }

  static fromArguments(data: string, run: string): Layout {
    return new Layout(data, run);
  }

  get database(): string {
    return join(this.data, "berth.db");
  }
  /** Unpacked layers, a folder each, named by the hex of the diff id. */
  get layers(): string {
    return join(this.data, "layers");
  }
  /** Folders of what was removed, until their files are, too. */
  get removed(): string {
    return join(this.data, "removed");
  }
  blob(digest: string): string {
    const [algorithm = "", hex = ""] = digest.split(":");
    return join(this.blobs, algorithm, hex);
  }
  get blobs(): string {
    return join(this.data, "blobs");
  }
  /** Every init mounts its root here, in a mount namespace of its own. */
  get mountPoint(): string {
    return join(this.run, "rootfs");
  }
  /** What {@link makePrivateFolder} is for; where the last one is, all are. */
  get privateFolders(): string[] {
    return [this.blobs, join(this.data, "containers"), join(this.data, "volumes"), this.layers];
  }
  container(id: string): string {
    return join(this.data, "containers", id);
  }
  /** The youngest file of a container's log. */
  containerLog(id: string, driver: LogDriver = "json-file"): string {
    return join(this.container(id), driver === "json-file" ? `${id}-json.log` : "container.log");
  }
  /** Sockets on which commands wait for a container's monitor to call back: `CONTAINER.RANDOM`. */
  get callbacks(): string {
    return join(this.run, "callbacks");
  }
  volume(name: string): string {
    return join(this.data, "volumes", name, "_data");
  }
}

/** A container's cgroup, in whatever hierarchies the host has. */
export function containerCgroup({ id, config }: { id: string; config: { cgroupParent?: string } }): string {
  return join(config.cgroupParent ?? "/berth", id);
}

/**
 * Makes a folder that only root may enter: in it lie other systems' programs, setuid
 * ones too, which are not for the users of this one.
 */
export function makePrivateFolder(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 });
}

/** The folder name of a layer: the hex part of its diff id. */
export function layerFolder(diffId: string): string {
  return diffId.slice(diffId.indexOf(":") + 1);
}
