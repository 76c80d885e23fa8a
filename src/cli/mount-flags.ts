/** `-v`, `--mount`, `--tmpfs`, `--device`, `--ulimit`: values with a grammar of their own. */
import { normalize, resolve } from "../../ffi/path.ts";
import { RLIMITS } from "../../ffi/process.ts";
import type { ContainerMount, DeviceRequest, Ulimit } from "../store/container-config.ts";
import { ValueError } from "./errors.ts";
import { parseInteger, parseSize, splitCsv } from "./values.ts";

const PROPAGATIONS = ["private", "rprivate", "shared", "rshared", "slave", "rslave"];
const VOLUME_NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;

function checkTarget(path: string): string {
  if (!path.startsWith("/")) throw new ValueError(`mount path must be absolute, but "${path}" is not`);
  const clean = normalize(path);
  if (clean === "/") throw new ValueError("destination can't be '/'");
  return clean.replace(/\/$/, "");
}

function checkVolumeName(name: string): string {
  if (!VOLUME_NAME.test(name)) {
    throw new ValueError(
      `"${name}" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed; for a folder of the host give an absolute path`,
    );
  }
  return name;
}

/** `[SOURCE:]TARGET[:OPTIONS]`. */
export function parseVolume(text: string): ContainerMount {
  const parts = text.split(":");
  if (parts.length > 3 || parts.some((part) => part === "")) throw new ValueError("expected [SOURCE:]TARGET[:OPTIONS]");
  if (parts.length === 1) return { type: "volume", name: "", anonymous: true, target: checkTarget(text), readOnly: false, noCopy: false };
  const [source = "", path = "", options = ""] = parts;
  const target = checkTarget(path);
  const isPath = source.startsWith("/") || source.startsWith(".") || source.startsWith("~");
  let readOnly = false;
  let noCopy = false;
  let propagation = "";
  for (const option of options.split(",").filter(Boolean)) {
    if (option === "ro") readOnly = true;
    else if (PROPAGATIONS.includes(option) && isPath) propagation = option;
    else if (option === "nocopy" && !isPath) noCopy = true;
    else if (!["rw", "z", "Z", "cached", "delegated", "consistent"].includes(option)) {
      throw new ValueError(`unknown volume option "${option}": expected ${isPath ? `ro, rw, ${PROPAGATIONS.join(", ")}` : "ro, rw, nocopy"}`);
    }
  }
  if (!isPath) return { type: "volume", name: checkVolumeName(source), anonymous: false, target, readOnly, noCopy, given: text };
  const folder = resolve(source);
  const given = [folder, ...parts.slice(1)].join(":");
  return { type: "bind", source: folder, target, readOnly, propagation, recursive: true, createSource: true, given };
}

const MOUNT_KEYS: Record<string, string> = {
  type: "type",
  source: "source",
  src: "source",
  target: "target",
  destination: "target",
  dst: "target",
  readonly: "readonly",
  ro: "readonly",
  "bind-propagation": "bind-propagation",
  "bind-nonrecursive": "bind-nonrecursive",
  "bind-recursive": "bind-recursive",
  consistency: "consistency",
  "volume-nocopy": "volume-nocopy",
  "volume-driver": "volume-driver",
  "volume-label": "volume-label",
  "volume-opt": "volume-opt",
  "volume-subpath": "volume-subpath",
  "tmpfs-size": "tmpfs-size",
  "tmpfs-mode": "tmpfs-mode",
};

const isOn = (value: string | undefined, key: string): boolean => {
  if (value === undefined) return false;
  if (["", "true", "1"].includes(value)) return true;
  if (["false", "0"].includes(value)) return false;
  throw new ValueError(`invalid value for ${key}: ${value}, expected true or false`);
};

/** `type=bind,source=/a,target=/b,readonly` and so on. */
export function parseMount(text: string): ContainerMount {
  return { ...readMount(text), isMount: true };
}

interface MountFields {
  target: string;
  source: string;
  readOnly: boolean;
  get(key: string): string | undefined;
  /** Those of `volume-label` and `volume-opt`. */
  pairs: Record<"volume-label" | "volume-opt", Record<string, string>>;
}

function readMount(text: string): ContainerMount {
  const fields = new Map<string, string>();
  const pairs: MountFields["pairs"] = { "volume-label": {}, "volume-opt": {} };
  for (const field of splitCsv(text)) {
    const [key = "", ...rest] = field.split("=");
    const name = MOUNT_KEYS[key.toLowerCase()];
    if (!name) throw new ValueError(`unexpected key '${key}' in '${field}'`);
    if (rest.length === 0 && !["readonly", "bind-nonrecursive", "volume-nocopy"].includes(name))
      throw new ValueError(`invalid field '${field}' must be a key=value pair`);
    fields.set(name, rest.join("="));
    if (name === "volume-label" || name === "volume-opt") pairs[name][rest[0] ?? ""] = rest.slice(1).join("=");
  }
  const type = fields.get("type") ?? "volume";
  const path = fields.get("target");
  if (path === undefined || path === "") throw new ValueError("target is required");
  const target = checkTarget(path);
  if (!isMountType(type)) throw new ValueError(`unsupported mount type '${type}': expected bind, volume or tmpfs`);
  for (const key of fields.keys())
    if (/^(bind|volume|tmpfs)-/.test(key) && !key.startsWith(`${type}-`)) throw new ValueError(`cannot mix '${key}' with mount type '${type}'`);
  const readOnly = isOn(fields.get("readonly"), "readonly");
  return MOUNTS[type]({ target, source: fields.get("source") ?? "", readOnly, get: (key) => fields.get(key), pairs });
}

const MOUNTS = { bind: bindMount, volume: volumeMount, tmpfs: tmpfsMount };
const isMountType = (type: string): type is keyof typeof MOUNTS => Object.hasOwn(MOUNTS, type);

const BELOW = ["enabled", "disabled", "writable", "readonly"];

function bindMount({ target, source, readOnly, get }: MountFields): ContainerMount {
  if (source === "") throw new ValueError("source is required for a bind mount");
  if (!source.startsWith("/") && !source.startsWith(".")) throw new ValueError(`invalid mount path: '${source}' mount path must be absolute`);
  const propagation = get("bind-propagation") ?? "";
  if (propagation && !PROPAGATIONS.includes(propagation))
    throw new ValueError(`invalid bind-propagation ${propagation}: expected ${PROPAGATIONS.join(", ")}`);
  const below = get("bind-recursive") ?? "enabled";
  if (!BELOW.includes(below)) throw new ValueError(`invalid value for bind-recursive: ${below}, expected ${BELOW.join(", ")}`);
  const readOnlyBelow = below === "readonly";
  if (readOnlyBelow && (!readOnly || propagation !== "rprivate"))
    throw new ValueError("option 'bind-recursive=readonly' requires 'readonly' and 'bind-propagation=rprivate'");
  const recursive = !isOn(get("bind-nonrecursive"), "bind-nonrecursive") && below !== "disabled";
  const mount = { target, source: resolve(source), readOnly, propagation, recursive, createSource: false };
  return { type: "bind", ...mount, ...(readOnlyBelow && { readOnlyBelow }) };
}

function volumeMount({ target, source, readOnly, get, pairs }: MountFields): ContainerMount {
  const driver = get("volume-driver");
  if (driver !== undefined && driver !== "" && driver !== "local") throw new ValueError(`could not find plugin ${driver}: expected local`);
  const anonymous = source === "";
  if (anonymous && readOnly) throw new ValueError("must not set ReadOnly mode when using anonymous volumes");
  const subpath = get("volume-subpath");
  if (subpath !== undefined && (subpath.startsWith("/") || subpath.split("/").includes("..")))
    throw new ValueError(`invalid value for volume-subpath: ${subpath}, expected a path in the volume`);
  const { "volume-label": labels, "volume-opt": options } = pairs;
  const name = anonymous ? "" : checkVolumeName(source);
  return {
    type: "volume",
    name,
    anonymous,
    target,
    readOnly,
    noCopy: isOn(get("volume-nocopy"), "volume-nocopy"),
    ...(subpath && { subpath }),
    ...(Object.keys(labels).length > 0 && { labels }),
    ...(Object.keys(options).length > 0 && { options }),
  };
}

function tmpfsMount({ target, source, readOnly, get }: MountFields): ContainerMount {
  if (source !== "") throw new ValueError("a tmpfs mount has no source");
  const size = get("tmpfs-size");
  const mode = get("tmpfs-mode");
  if (mode !== undefined && !/^[0-7]{1,4}$/.test(mode)) throw new ValueError(`invalid value for tmpfs-mode: ${mode}, expected an octal mode`);
  const own = [readOnly && "ro", size !== undefined && `size=${parseSize(size)}`, mode !== undefined && `mode=${mode}`];
  return { type: "tmpfs", target, options: ["nosuid", "nodev", "noexec", ...own.filter((option) => option !== false)] };
}

const TMPFS_OPTION =
  /^(rw|ro|exec|noexec|suid|nosuid|dev|nodev|async|sync|dirsync|noatime|atime|nodiratime|diratime|relatime|strictatime|size=\d+[kmg%]?|mode=[0-7]+|uid=\d+|gid=\d+|nr_inodes=\d+[kmg]?|nr_blocks=\d+[kmg]?)$/i;

/** `TARGET[:OPTIONS]`. */
export function parseTmpfs(text: string): ContainerMount {
  const colon = text.indexOf(":");
  const target = checkTarget(colon < 0 ? text : text.slice(0, colon));
  const own =
    colon < 0
      ? []
      : text
          .slice(colon + 1)
          .split(",")
          .filter(Boolean);
  for (const option of own) if (!TMPFS_OPTION.test(option)) throw new ValueError(`invalid tmpfs option ["${option}"]`);
  return { type: "tmpfs", target, options: ["noexec", "nosuid", "nodev", ...own], given: own.join(",") };
}

/** `HOST[:CONTAINER][:rwm]`. */
export function parseDevice(text: string): DeviceRequest {
  const parts = text.split(":");
  const [host = ""] = parts;
  let container = host;
  let access = "rwm";
  const isAccess = (part: string) => /^[rwm]{1,3}$/.test(part);
  if (parts.length === 3) [, container = host, access = access] = parts;
  else if (parts.length === 2) {
    const [, second = ""] = parts;
    if (isAccess(second)) access = second;
    else container = second;
  }
  if (parts.length > 3 || !host.startsWith("/") || !container.startsWith("/") || !isAccess(access))
    throw new ValueError("expected HOST[:CONTAINER][:rwm] with absolute paths");
  return { host, container, access };
}

/** `NAME=SOFT[:HARD]`. */
export function parseUlimit(text: string): Ulimit {
  const [, name = "", soft = "", hard = soft] = /^([a-z]+)=(-?\d+|unlimited)(?::(-?\d+|unlimited))?$/.exec(text) ?? [];
  const known = Object.keys(RLIMITS).map((rlimit) => rlimit.slice("RLIMIT_".length).toLowerCase());
  if (!known.includes(name)) throw new ValueError(`invalid ulimit argument: expected NAME=SOFT[:HARD] with NAME one of ${known.join(", ")}`);
  const number = (value: string) => (value === "unlimited" ? -1 : parseInteger(value, -1));
  const limit = { name, soft: number(soft), hard: number(hard) };
  if (limit.hard !== -1 && (limit.soft === -1 || limit.soft > limit.hard))
    throw new ValueError("ulimit soft limit must be less than or equal to hard limit");
  return limit;
}
