/** What is known of a container between two commands of the OCI runtime: one folder each under the runtime's root. */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "../../../ffi/files.ts";
import { hasCode, reasonOf } from "../../../ffi/libc.ts";
import { join } from "../../../ffi/path.ts";
import { processStartTime } from "../../../ffi/process.ts";
import type { Cgroup } from "../cgroup/cgroup.ts";
import { openCgroup } from "../cgroup/open.ts";
import { RuntimeFailure } from "../errors.ts";
import type { Spec, State } from "../spec.ts";

/** state.json. */
export interface ContainerState {
  id: string;
  pid: number;
  /** See `processStartTime`. */
  startTime: number;
  bundle: string;
  /** RFC 3339. */
  created: string;
  owner: string;
  cgroupsPath: string;
  spec: Spec;
}

export type Status = "created" | "running" | "paused" | "stopped";

const ID = /^[\w+.-]+$/;

/** Where a container's state is. Throws {@link RuntimeFailure} on an id that would lead elsewhere. */
export function stateFolder(root: string, id: string): string {
  if (!ID.test(id) || id === "." || id === "..")
    throw new RuntimeFailure(`invalid container id ${JSON.stringify(id)}: expected letters, digits, and + - . _`);
  return join(root, id);
}

export const fifoPath = (root: string, id: string) => join(stateFolder(root, id), "start.fifo");
const statePath = (root: string, id: string) => join(stateFolder(root, id), "state.json");

/** Makes the folder of a new container. */
export function makeStateFolder(root: string, id: string): string {
  const folder = stateFolder(root, id);
  try {
    mkdirSync(root, { recursive: true, mode: 0o711 });
    mkdirSync(folder, { mode: 0o711 });
  } catch (error) {
    if (hasCode(error, "EEXIST")) throw new RuntimeFailure(`container with id ${id} exists already`);
    throw new RuntimeFailure(`cannot make ${folder}: ${reasonOf(error)}`);
  }
  return folder;
}

export function writeState(root: string, state: ContainerState): void {
  const path = statePath(root, state.id);
  writeFileSync(`${path}.new`, JSON.stringify(state), { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

/** A container's state. Throws {@link RuntimeFailure} where there is none. */
export function readState(root: string, id: string): ContainerState {
  let text: string;
  try {
    text = readFileSync(statePath(root, id), "utf8");
  } catch (error) {
    if (!hasCode(error, "ENOENT")) throw error;
    throw new RuntimeFailure("container does not exist"); // runc's words, which its callers look for
  }
  return JSON.parse(text) as ContainerState;
}

export function listStates(root: string): ContainerState[] {
  if (!existsSync(root)) return [];
  return readdirSync(root)
    .filter((id) => ID.test(id) && existsSync(statePath(root, id)))
    .map((id) => readState(root, id));
}

export function removeState(root: string, id: string): void {
  rmSync(stateFolder(root, id), { recursive: true, force: true });
}

export function isAlive(state: ContainerState): boolean {
  return processStartTime(state.pid) === state.startTime;
}

/** What it is doing, told from its process and its cgroup. */
export function statusOf(root: string, state: ContainerState): Status {
  if (!isAlive(state)) return "stopped";
  if (existsSync(fifoPath(root, state.id))) return "created";
  return cgroupOf(state)?.isFrozen() ? "paused" : "running";
}

export function cgroupOf(state: ContainerState): Cgroup | undefined {
  return openCgroup(state.cgroupsPath);
}

/** As hooks get it. */
export function hookState(state: ContainerState, status: State["status"]): State {
  const { id, pid, bundle, spec } = state;
  return { ociVersion: spec.ociVersion, id, status, pid, bundle, ...(spec.annotations && { annotations: spec.annotations }) };
}
