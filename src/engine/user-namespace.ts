/** Which of the host's ids a container with a user namespace of its own has (user_namespaces(7), subuid(5)). */
import type { Database } from "bun:sqlite";
import { type IdExtent, inUserNamespace, ownIdMaps } from "../../ffi/credentials.ts";
import { readFileSync } from "../../ffi/files.ts";
import type { ContainerConfig, IdRange } from "../store/container-config.ts";
import { type HostRange, takenRanges } from "../store/id-ranges.ts";
import type { Engine } from "./engine.ts";
import { EngineError } from "./errors.ts";
import { resolveContainer } from "./resolve-container.ts";

/** What `--userns`, `--uidmap` and `--gidmap` ask for. */
export interface UsernsOptions {
  /** `host`, `auto[:size=N]`, `remap[:USER]`, `container:NAME`; undefined with mappings means these. */
  mode: string | undefined;
  uids: IdRange[];
  gids: IdRange[];
}

/** What becomes of it: for the record, and the range to be taken with it. */
export interface Userns {
  userns?: string;
  idMappings?: NonNullable<ContainerConfig["idMappings"]>;
}

const DEFAULT_SIZE = 65536;
/** Whose entries in /etc/subuid are meant where nobody is named, the first that has some. */
const REMAP_USERS = ["berth", "dockremap", "containers"];
/** Where ranges are looked for that nobody has a say in: above what systemd gives to users and its own containers. */
const AUTO_FIRST = 0x7000_0000;
const AUTO_LAST = 0x7fff_0000;

/** Throws {@link EngineError} where it cannot be had. */
export function resolveUserns(engine: Engine, { mode, uids, gids }: UsernsOptions): Userns {
  const isAsked = uids.length > 0 || gids.length > 0 || !["", "host", undefined].includes(mode);
  if (mode === "nomap") return withoutOwnId();
  if (isAsked && inUserNamespace())
    throw new EngineError("a container's own range of ids needs root: an ordinary user's containers have a user namespace with his ids already");
  if (uids.length > 0 || gids.length > 0) {
    if (mode !== undefined && mode !== "private") throw new EngineError(`conflicting options: --userns=${mode} and mappings of ids`);
    const idMappings = { uids: uids.length > 0 ? uids : gids, gids: gids.length > 0 ? gids : uids };
    checkMappings("uidmap", idMappings.uids);
    checkMappings("gidmap", idMappings.gids);
    return { userns: "private", idMappings };
  }
  if (mode === undefined || mode === "host" || mode === "") return {};
  const [kind = "", argument] = mode.split(/:(.*)/s);
  switch (kind) {
    case "auto":
      autoSize(argument);
      return { userns: mode };
    case "remap":
      return { userns: "remap", idMappings: subordinateIds(argument) };
    case "container": {
      const { id, config } = resolveContainer(engine, argument ?? "");
      if (!config.userns) throw new EngineError(`container ${argument} has no user namespace of its own to be joined`);
      return { userns: `container:${id}`, ...(config.idMappings && { idMappings: config.idMappings }) };
    }
    default:
      throw new EngineError(`invalid user namespace mode ${JSON.stringify(mode)}: expected host, auto, remap[:USER], nomap, container:NAME`);
  }
}

// An ordinary user's subordinate ids alone: his own is nobody's in the container.
function withoutOwnId(): Userns {
  if (!inUserNamespace())
    throw new EngineError("--userns=nomap is for ordinary users, whose containers have his id as root else: root has --userns=auto");
  const { uids, gids } = ownIdMaps();
  const others = (extents: IdExtent[]) =>
    stack(extents.flatMap(({ first, size }) => (first > 0 ? [{ first, size }] : size > 1 ? [{ first: 1, size: size - 1 }] : [])));
  const idMappings = { uids: others(uids), gids: others(gids) };
  if (idMappings.uids.length === 0 || idMappings.gids.length === 0)
    throw new EngineError("--userns=nomap needs subordinate ids: entries in /etc/subuid and /etc/subgid, newuidmap and newgidmap");
  return { userns: "nomap", idMappings };
}

/** Of `auto`: how many ids. */
export function autoSize(argument: string | undefined): number {
  if (argument === undefined || argument === "") return DEFAULT_SIZE;
  const [, size] = /^size=(\d+)$/.exec(argument) ?? [];
  if (size === undefined || Number(size) < 1 || Number(size) > AUTO_LAST - AUTO_FIRST)
    throw new EngineError(`invalid option of --userns=auto ${JSON.stringify(argument)}: expected size=NUMBER`);
  return Number(size);
}

/** A range that no container and no user of the host has. Under the write lock. Throws {@link EngineError} where there is none left. */
export function chooseRange(db: Database, size: number): HostRange {
  const taken = [...takenRanges(db), ...["/etc/subuid", "/etc/subgid"].flatMap((file) => readSubordinate(file))].sort((a, b) => a.first - b.first);
  let first = AUTO_FIRST;
  for (const range of taken) if (range.first < first + size && first < range.first + range.size) first = range.first + range.size;
  if (first + size > AUTO_LAST) throw new EngineError(`there is no range of ${size} ids left for a user namespace`);
  return { first, size };
}

export const mappingOf = ({ first, size }: HostRange): IdRange[] => [{ containerID: 0, hostID: first, size }];

function subordinateIds(user: string | undefined): NonNullable<ContainerConfig["idMappings"]> {
  const users = user ? [user] : REMAP_USERS;
  for (const name of users) {
    const [uids, gids] = ["/etc/subuid", "/etc/subgid"].map((file) => readSubordinate(file).filter((range) => range.user === name));
    if (uids?.length && gids?.length) return { uids: stack(uids), gids: stack(gids) };
  }
  throw new EngineError(
    `no subuid and subgid ranges found for user ${users.map((name) => JSON.stringify(name)).join(" or ")} in /etc/subuid and /etc/subgid`,
  );
}

// One range after the other, as the container's ids from 0.
function stack(ranges: HostRange[]): IdRange[] {
  let containerID = 0;
  return ranges.map(({ first, size }) => {
    const mapping = { containerID, hostID: first, size };
    containerID += size;
    return mapping;
  });
}

function readSubordinate(file: string): (HostRange & { user: string })[] {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch {
    return []; // no such users here
  }
  return text.split("\n").flatMap((line) => {
    const [, user, first, size] = /^([^:#]+):(\d+):(\d+)$/.exec(line.trim()) ?? [];
    return user === undefined ? [] : [{ user, first: Number(first), size: Number(size) }];
  });
}

const MAX_ID = 2 ** 32 - 2;

function checkMappings(flag: string, ranges: IdRange[]): void {
  for (const { containerID, hostID, size } of ranges)
    if (size < 1 || containerID + size - 1 > MAX_ID || hostID + size - 1 > MAX_ID)
      throw new EngineError(`invalid --${flag} ${containerID}:${hostID}:${size}: ids go to ${MAX_ID}`);
  const overlap = (key: "containerID" | "hostID") =>
    ranges.some((a, i) => ranges.some((b, k) => k > i && a[key] < b[key] + b.size && b[key] < a[key] + a.size));
  if (overlap("containerID") || overlap("hostID")) throw new EngineError(`invalid --${flag}: two of its ranges overlap`);
  if (!ranges.some(({ containerID }) => containerID === 0)) throw new EngineError(`invalid --${flag}: the container needs a root, id 0`);
}
