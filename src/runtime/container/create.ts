/** `create`: everything but the command. */

import { AT_FDCWD, mknodat, type OwnedFd, S_IFIFO } from "../../../ffi/fd.ts";
import { renameSync, writeFileSync } from "../../../ffi/files.ts";
import { resolve } from "../../../ffi/path.ts";
import { connectUnix, sendWithDescriptors } from "../../../ffi/socket.ts";
import type { Cgroup } from "../cgroup/cgroup.ts";
import { enterCgroup } from "../cgroup/enter.ts";
import { RuntimeFailure } from "../errors.ts";
import { runHooks } from "../hooks.ts";
import { buildContainer } from "../init/create.ts";
import { unknownCapabilities } from "../process/privileges.ts";
import { type PendingProcess, prepareProcess, type Stdio } from "../spawn.ts";
import type { Spec } from "../spec.ts";
import { loadConfig } from "./load-config.ts";
import { type ContainerState, fifoPath, hookState, makeStateFolder, removeState, writeState } from "./state-file.ts";

export interface CreateOptions {
  /** The runtime's folder of states. */
  root: string;
  id: string;
  bundle: string;
  pidFile: string | undefined;
  consoleSocket: string | undefined;
  noPivot: boolean;
  noNewKeyring: boolean;
  preserveFds: number;
  systemdCgroup: boolean;
  stdio: Stdio;
  /** Whether `start` comes later, from another process. */
  waitForStart: boolean;
  warn(message: string): void;
  /** Whether whoever asks keeps the terminal; else there must be a console socket. */
  keepTerminal: boolean;
}

/** A created container, its init still a child of this process. */
export interface Created {
  state: ContainerState;
  pending: PendingProcess;
}

/** Makes a container. Throws {@link RuntimeFailure}; then nothing of it is left. */
export function createContainer(options: CreateOptions): Created {
  const { root, id } = options;
  const bundle = resolve(options.bundle);
  const spec = loadConfig(bundle);
  checkConsole(spec, options);
  for (const name of unknownCapabilities(spec.process.capabilities ?? {})) options.warn(`unknown capability ${name} is left out`);
  const folder = makeStateFolder(root, id);
  const cgroupsPath = cgroupPathOf(spec, options);
  let cgroup: Cgroup | undefined;
  let pending: PendingProcess | undefined;
  try {
    if (options.waitForStart) mknodat(AT_FDCWD, fifoPath(root, id), S_IFIFO | 0o600, 0);
    const state: ContainerState = {
      id,
      pid: 0,
      startTime: 0,
      bundle,
      created: new Date().toISOString(),
      owner: process.getuid?.() === 0 ? "root" : String(process.getuid?.()),
      cgroupsPath,
      spec,
    };
    const withPid = (pid: number) => ({ ...state, pid });
    pending = prepareProcess(
      buildContainer,
      {
        type: "create",
        spec: { ...spec, linux: { ...spec.linux, cgroupsPath } },
        root: { type: "folder", path: spec.root.path },
        mountPoint: spec.root.path,
        namedUser: undefined,
        reap: false,
        noPivot: options.noPivot,
        noNewKeyring: options.noNewKeyring,
        preserveFds: options.preserveFds,
        ...(spec.hooks && { state: hookState(state, "creating") }),
        ...(options.waitForStart && { startFifo: fifoPath(root, id) }),
      },
      {
        stdio: options.stdio,
        onSpawned: (pid) => {
          const entered = enterCgroup(cgroupsPath, spec, pid, true);
          cgroup = entered.cgroup;
          return entered.files;
        },
        onMounted: (pid) => {
          const known = hookState(withPid(pid), "creating");
          runHooks("prestart", spec.hooks?.prestart ?? [], known);
          runHooks("createRuntime", spec.hooks?.createRuntime ?? [], known);
        },
        onReady: () => cgroup?.apply(spec.linux.resources ?? {}),
      },
    );
    const complete = { ...state, pid: pending.pid, startTime: pending.startTime };
    if (pending.terminal && options.consoleSocket !== undefined) sendTerminal(options.consoleSocket, pending.terminal);
    writeState(root, complete);
    if (options.pidFile !== undefined) writePidFile(options.pidFile, pending.pid);
    return { state: complete, pending };
  } catch (error) {
    pending?.abandon();
    cgroup?.kill();
    cgroup?.remove();
    removeState(root, id);
    throw error instanceof Error ? error : new RuntimeFailure(`cannot create a container in ${folder}: ${error}`);
  }
}

function checkConsole(spec: Spec, { consoleSocket, keepTerminal }: CreateOptions): void {
  if (spec.process.terminal && consoleSocket === undefined && !keepTerminal) {
    throw new RuntimeFailure("cannot allocate tty if runtime will detach without setting console socket");
  }
  if (!spec.process.terminal && consoleSocket !== undefined)
    throw new RuntimeFailure("cannot use console socket if runtime will not detach or allocate tty");
}

// `slice:prefix:name` as --systemd-cgroup has it becomes the path systemd would make of it.
function cgroupPathOf(spec: Spec, { id, systemdCgroup }: CreateOptions): string {
  const path = spec.linux.cgroupsPath;
  if (path === undefined || path === "") return `/${id}`;
  const parts = path.split(":");
  if (systemdCgroup && parts.length === 3) return `/${parts[0]}/${parts[1]}-${parts[2]}.scope`;
  return resolve("/", path);
}

/** Hands a terminal's master to whoever listens there, as runc does (docs/terminals.md of runc). */
export function sendTerminal(path: string, terminal: OwnedFd): void {
  using socket = connectUnix(path);
  sendWithDescriptors(socket.fd, Buffer.from("/dev/ptmx"), [terminal.fd]);
  terminal.close();
}

/** Whoever waits for the file never sees it empty. */
export function writePidFile(path: string, pid: number): void {
  writeFileSync(`${path}.new`, String(pid));
  renameSync(`${path}.new`, path);
}
