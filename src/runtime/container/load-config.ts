/** Reads a bundle's config.json (OCI runtime-spec, config.md and config-linux.md) and refuses what cannot be honoured. */
import { existsSync, readFileSync, statSync } from "../../../ffi/files.ts";
import { reasonOf } from "../../../ffi/libc.ts";
import { isAbsolute, join, resolve } from "../../../ffi/path.ts";
import { DEFAULT_RULES } from "../default-devices.ts";
import { RuntimeFailure } from "../errors.ts";
import type { NamespaceType, Process, Resources, Spec } from "../spec.ts";

const NAMESPACES: NamespaceType[] = ["pid", "network", "mount", "ipc", "uts", "cgroup", "time", "user"];

type Json = Record<string, unknown>;
const isObject = (value: unknown): value is Json => typeof value === "object" && value !== null && !Array.isArray(value);
const isFilled = (value: unknown) =>
  value !== undefined &&
  value !== null &&
  value !== "" &&
  value !== 0 &&
  value !== false &&
  !(Array.isArray(value) && value.length === 0) &&
  !(isObject(value) && Object.keys(value).length === 0);

/** Fields that a configuration may have and this runtime does not do; each with where it stands. */
const REFUSED: [path: string, get: (config: Json) => unknown][] = [
  ["process.selinuxLabel", (c) => (c.process as Json)?.selinuxLabel],
  ["process.execCPUAffinity", (c) => (c.process as Json)?.execCPUAffinity],
  ["linux.mountLabel", (c) => (c.linux as Json)?.mountLabel],
  ["linux.intelRdt", (c) => (c.linux as Json)?.intelRdt],
  ["linux.netDevices", (c) => (c.linux as Json)?.netDevices],
  ["linux.memoryPolicy", (c) => (c.linux as Json)?.memoryPolicy],
  ["linux.resources.rdma", (c) => ((c.linux as Json)?.resources as Json)?.rdma],
  ["vm", (c) => c.vm],
  ["windows", (c) => c.windows],
  ["solaris", (c) => c.solaris],
  ["zos", (c) => c.zos],
];

/** Reads a JSON file. Throws {@link RuntimeFailure} naming it. */
export function readJson(path: string, what: string): Json {
  let text: string;
  try {
    text = readFileSync(path === "-" ? "/dev/stdin" : path, "utf8");
  } catch (error) {
    throw new RuntimeFailure(`cannot read ${what} ${path}: ${reasonOf(error)}`);
  }
  try {
    const value: unknown = JSON.parse(text);
    if (isObject(value)) return value;
  } catch (error) {
    throw new RuntimeFailure(`${what} ${path} is not JSON: ${error instanceof Error ? error.message : error}`);
  }
  throw new RuntimeFailure(`${what} ${path} is not a JSON object`);
}

/** The configuration of a bundle, with the root's path absolute. Throws {@link RuntimeFailure}. */
export function loadConfig(bundle: string): Spec {
  const path = join(bundle, "config.json");
  const config = readJson(path, "configuration");
  const invalid = (why: string) => new RuntimeFailure(`${path}: ${why}`);
  if (typeof config.ociVersion !== "string" || !/^1\.\d+\.\d+/.test(config.ociVersion)) {
    throw invalid(`ociVersion is ${JSON.stringify(config.ociVersion ?? null)}, expected 1.x.y`);
  }
  if (!isObject(config.process)) throw invalid("process is missing");
  if (!isObject(config.root) || typeof config.root.path !== "string" || config.root.path === "") throw invalid("root.path is missing");
  checkProcess(config.process, (why) => invalid(`process.${why}`));
  for (const [name, get] of REFUSED) if (isFilled(get(config))) throw invalid(`${name} is not supported by this runtime`);
  const linux = isObject(config.linux) ? config.linux : {};
  const namespaces = Array.isArray(linux.namespaces) ? (linux.namespaces as Json[]) : [];
  checkNamespaces(namespaces, invalid);
  const isMapped = isFilled(linux.uidMappings) || isFilled(linux.gidMappings);
  const user = namespaces.find(({ type }) => type === "user");
  if (isMapped && !user) throw invalid("linux.uidMappings and gidMappings need a user namespace");
  if (user && !user.path && !(isFilled(linux.uidMappings) && isFilled(linux.gidMappings))) {
    throw invalid("a new user namespace needs linux.uidMappings and linux.gidMappings");
  }
  const rootPath = resolve(bundle, config.root.path);
  if (!existsSync(rootPath) || !statSync(rootPath).isDirectory()) throw invalid(`root.path ${rootPath} is not a directory`);
  const spec = { ...config, mounts: Array.isArray(config.mounts) ? config.mounts : [], linux: { ...linux, namespaces } } as unknown as Spec;
  spec.root = { ...spec.root, path: rootPath };
  checkHooks(spec, invalid);
  if (spec.linux.resources) {
    spec.linux.resources = withoutZeros(spec.linux.resources);
    const { devices } = spec.linux.resources;
    if (devices) spec.linux.resources.devices = [...devices, ...DEFAULT_RULES];
  }
  return spec;
}

/** runc's callers write 0 and "" for limits that are not set. */
export function withoutZeros(resources: Resources): Resources {
  const clean = <T extends object>(limits: T | undefined) =>
    limits && (Object.fromEntries(Object.entries(limits).filter(([, value]) => value !== 0 && value !== "" && value !== null)) as T);
  const result: Resources = { ...resources };
  if (resources.memory) result.memory = clean(resources.memory) as NonNullable<Resources["memory"]>;
  if (resources.cpu) result.cpu = clean(resources.cpu) as NonNullable<Resources["cpu"]>;
  for (const name of ["memory", "cpu", "blockIO", "network", "unified"] as const) {
    if (result[name] && !isFilled(clean(result[name]))) delete result[name];
  }
  if (!result.pids?.limit) delete result.pids;
  return result;
}

/** Checks what every process needs, of config.json or of `exec --process`. */
export function checkProcess(process: Json, invalid: (why: string) => Error): asserts process is Json & Process {
  if (!Array.isArray(process.args) || process.args.length === 0) throw invalid("args is empty");
  if (typeof process.cwd !== "string" || !isAbsolute(process.cwd))
    throw invalid(`cwd is ${JSON.stringify(process.cwd ?? null)}, expected an absolute path`);
  process.env ??= [];
  process.user = { uid: 0, gid: 0, ...(isObject(process.user) ? process.user : {}) };
}

function checkNamespaces(namespaces: Json[], invalid: (why: string) => Error): void {
  const seen = new Set<unknown>();
  for (const { type, path } of namespaces) {
    if (!NAMESPACES.includes(type as NamespaceType))
      throw invalid(`linux.namespaces: ${JSON.stringify(type)} is no namespace, expected one of ${NAMESPACES.join(", ")}`);
    if (seen.has(type)) throw invalid(`linux.namespaces: ${type} stands there twice`);
    seen.add(type);
    if (path !== undefined && path !== "" && !existsSync(String(path))) throw invalid(`linux.namespaces: ${type} namespace ${path} does not exist`);
  }
  if (!seen.has("mount")) throw invalid("linux.namespaces: a mount namespace is needed");
  for (const namespace of namespaces) if (namespace.path === "") delete namespace.path;
}

function checkHooks(spec: Spec, invalid: (why: string) => Error): void {
  for (const [kind, hooks] of Object.entries(spec.hooks ?? {})) {
    for (const hook of hooks ?? []) {
      if (!isAbsolute(hook.path ?? "")) throw invalid(`hooks.${kind}: path ${JSON.stringify(hook.path ?? null)} is not absolute`);
      if (hook.timeout !== undefined && hook.timeout <= 0) throw invalid(`hooks.${kind}: timeout must be greater than zero`);
    }
  }
}
