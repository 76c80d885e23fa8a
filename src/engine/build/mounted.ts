/** What a RUN has mounted: made for it, and taken away again. */
import * as fd from "../../../ffi/fd.ts";
import { chmodSync, chownSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "../../../ffi/files.ts";
import { dirname, join } from "../../../ffi/path.ts";
import { DockerfileError } from "../../image/dockerfile.ts";
import type { ContainerMount } from "../../store/container-config.ts";
import { writeInto } from "../extract.ts";
import { contextOf, findSources, type Source, type SourceRoot, withSources, writeSources } from "./context.ts";
import type { RunMount } from "./run-mount.ts";
import { type BuildOfSteps, imageOf, withFiles } from "./steps.ts";

const OF_ROOT = { uid: 0, gid: 0, mode: undefined };
/** Milliseconds between looks at a cache that another build has for itself. */
const LOOK_INTERVAL = 50;

/** What a command sees: another time it is the same, or the command is run again. Secrets and caches are not part of it. */
export async function digestOfMounts(build: BuildOfSteps, mounts: RunMount[]): Promise<string> {
  const digests: string[] = [];
  for (const mount of mounts) {
    if (mount.type !== "bind") continue;
    if (contextOf(build.options, mount.from)) digests.push(await inContext(build, mount, digestOf));
    else digests.push((await imageOf(build, mount.from as string)).id);
  }
  return digests.join(" ");
}

function digestOf(root: SourceRoot, source: Source): string {
  const hasher = new Bun.CryptoHasher("sha256");
  writeSources((bytes) => hasher.update(bytes), root, [source], undefined, { ...OF_ROOT, timeless: true });
  return hasher.digest("hex");
}

function inContext<T>(build: BuildOfSteps, { source, from, text }: RunMount, action: (root: SourceRoot, source: Source) => T): Promise<T> {
  const fail = (why: string) => new DockerfileError(`${text}: ${why}`);
  return withSources(build, from, fail, (root) => action(root, findSources(root, source)[0] as Source));
}

export interface Mounted {
  mounts: ContainerMount[];
  /** `NAME=VALUE` each. */
  env: string[];
}

/**
 * Calls back with what they become.
 *
 * @param scratch a folder that is this step's own
 */
export async function withMounts<T>(build: BuildOfSteps, mounts: RunMount[], scratch: string, action: (mounted: Mounted) => Promise<T>): Promise<T> {
  const next = async ([mount, ...rest]: RunMount[], made: Mounted): Promise<T> => {
    if (!mount) return await action(made);
    const goOn = (mounts: ContainerMount[], env: string[] = []) => next(rest, { mounts: [...made.mounts, ...mounts], env: [...made.env, ...env] });
    return await MAKERS[mount.type](build, mount, join(scratch, `mount${rest.length}`), goOn);
  };
  return await next(mounts, { mounts: [], env: [] });
}

type Maker = <T>(build: BuildOfSteps, mount: RunMount, folder: string, goOn: (mounts: ContainerMount[], env?: string[]) => Promise<T>) => Promise<T>;

const MAKERS: Record<RunMount["type"], Maker> = {
  async bind(build, mount, folder, goOn) {
    mkdirSync(folder, { recursive: true, mode: 0o755 });
    const { from, source, isReadOnly } = mount;
    if (contextOf(build.options, from)) return await goOn([bind(await copyOfContext(build, mount, folder), mount.target, isReadOnly)]);
    const image = await imageOf(build, from as string);
    const mounted = { ...bind(folder, mount.target, isReadOnly), subpath: source };
    return await withFiles(build, image, () => goOn([mounted]), folder);
  },

  async cache({ engine }, { id, uid = 0, gid = 0, mode = 0o755, sharing, target, isReadOnly }, folder, goOn) {
    let cache = join(engine.layout.data, "build-cache", new Bun.CryptoHasher("sha256").update(id).digest("hex"));
    using lock = makeCache(cache, { uid, gid, mode });
    if (sharing === "locked") while (!fd.tryLock(lock.fd)) await Bun.sleep(LOOK_INTERVAL);
    if (sharing === "private" && !fd.tryLock(lock.fd)) {
      cache = folder;
      makeCache(cache, { uid, gid, mode }).close();
    }
    return await goOn([bind(cache, target, isReadOnly)]);
  },

  async tmpfs(_, { target, size }, _folder, goOn) {
    return await goOn([{ type: "tmpfs", target, options: ["nosuid", "nodev", ...(size === undefined ? [] : [`size=${size}`])] }]);
  },

  async secret({ options }, { id, target, env, isRequired, text, mode, uid, gid }, folder, goOn) {
    const file = options.secrets[id];
    if (file === undefined) {
      if (isRequired) throw new DockerfileError(`${text}: secret ${id}: not found`);
      return await goOn(target === "" ? [] : [{ type: "tmpfs", target: dirname(target), options: ["nosuid", "nodev", "noexec"] }]);
    }
    const variables = env === undefined ? [] : [`${env}=${readFileSync(file, "utf8")}`];
    if (target === "") return await goOn([], variables);
    if (mode === undefined && uid === undefined && gid === undefined) return await goOn([bind(file, target, true)], variables);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const own = join(folder, "secret");
    writeFileSync(own, readFileSync(file), { mode: 0o600 });
    chownSync(own, uid ?? 0, gid ?? 0);
    chmodSync(own, mode ?? 0o400);
    return await goOn([bind(own, target, true)], variables);
  },

  async ssh({ options }, { id, target, isRequired, text }, folder, goOn) {
    const agent = options.agents[id];
    if (agent === undefined && isRequired) throw new DockerfileError(`${text}: no agent ${id}: give --ssh ${id}`);
    if (agent === undefined) return await goOn([]);
    const path = target === "" ? `/run/buildkit/ssh_agent.${folder.at(-1)}` : target;
    return await goOn([bind(agent, path, false)], [`SSH_AUTH_SOCK=${path}`]);
  },
};

const bind = (source: string, target: string, readOnly: boolean): ContainerMount & { type: "bind" } => ({
  type: "bind",
  source,
  target,
  readOnly,
  propagation: "",
  recursive: true,
  createSource: false,
});

// Without what is ignored, and for the command to change if it may.
function copyOfContext(build: BuildOfSteps, mount: RunMount, folder: string): Promise<string> {
  return inContext(build, mount, (root, source) => {
    using into = fd.openat(fd.AT_FDCWD, folder, fd.O_RDONLY | fd.O_DIRECTORY);
    const fill = (write: (bytes: Uint8Array) => void) => writeSources(write, root, [source], source.isFolder ? undefined : "file", OF_ROOT);
    writeInto({ folder: into, owners: undefined }, fill);
    return source.isFolder ? folder : join(folder, "file");
  });
}

// Gives it open.
function makeCache(path: string, { uid, gid, mode }: { uid: number; gid: number; mode: number }): fd.OwnedFd {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  mkdirSync(path, { recursive: true, mode });
  // Also one of a build that was killed before it came to this.
  if (readdirSync(path).length === 0) {
    chownSync(path, uid, gid);
    chmodSync(path, mode);
  }
  return fd.openat(fd.AT_FDCWD, path, fd.O_RDONLY | fd.O_DIRECTORY);
}
