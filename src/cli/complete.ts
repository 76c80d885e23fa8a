/** What may stand where the cursor is: for shells, from what commands say of themselves and from what the store has. */
import { CAPABILITIES } from "../../ffi/credentials.ts";
import { SIGNAL_NAMES } from "../../ffi/signal.ts";
import { LOG_DRIVERS } from "../engine/log-settings.ts";
import { familiarName } from "../image/reference.ts";
import { listContainers } from "../store/containers.ts";
import { listImages } from "../store/images.ts";
import { listNetworks } from "../store/networks.ts";
import { listPods } from "../store/pods.ts";
import { listVolumes } from "../store/volumes.ts";
import type { Command, Context, Flag, Flags } from "./command.ts";
import { shownFlags } from "./help.ts";
import { allNames, COMMANDS, GROUPS, usualName } from "./registry.ts";

/** A word, and a few more about it. */
export type Candidate = [word: string, about: string];

const RUNNING_ONLY = ["exec", "attach", "kill", "stop", "pause", "unpause", "top", "port", "stats"];
const STOPPED_ONLY = ["start"];
const words = (...list: string[]): Candidate[] => list.map((word) => [word, ""]);

/** Things of the store, by the word that stands for them in a command's usage. */
const KINDS: Record<string, (context: Context, command: string) => Candidate[]> = {
  CONTAINER: ({ engine }, command) =>
    listContainers(engine.db)
      .filter(({ process }) => !(RUNNING_ONLY.includes(command) && !process) && !(STOPPED_ONLY.includes(command) && process))
      .map(({ name, config, status }) => [name, `${config.image} (${status})`]),
  IMAGE: ({ engine }) =>
    listImages(engine.db).flatMap(({ names, id }) =>
      names.flatMap((full): Candidate[] => {
        const { repository, tag } = familiarName(full);
        const about = id.slice(7, 19);
        const tagged: Candidate = [`${repository}:${tag}`, about];
        return tag === "latest" ? [[repository, about], tagged] : [tagged];
      }),
    ),
  NETWORK: ({ engine }) => [...listNetworks(engine.db).map(({ name, config }): Candidate => [name, config.driver]), ["host", ""], ["none", ""]],
  VOLUME: ({ engine }) => listVolumes(engine.db).map(({ name }) => [name, ""]),
  POD: ({ engine }) => listPods(engine.db).map(({ name }) => [name, ""]),
};

/** Values of flags, by the flag's name. */
const VALUES: Record<string, (context: Context, command: string) => Candidate[]> = {
  network: (context) => [...(KINDS.NETWORK?.(context, "") ?? []), ["container:", ""]],
  net: (context) => VALUES.network?.(context, "") ?? [],
  "volumes-from": (context) => KINDS.CONTAINER?.(context, "") ?? [],
  link: (context) => KINDS.CONTAINER?.(context, "") ?? [],
  volume: (context) => KINDS.VOLUME?.(context, "").map(([name]) => [`${name}:`, "volume"]) ?? [],
  pod: (context) => KINDS.POD?.(context, "") ?? [],
  "cap-add": () => words("ALL", ...CAPABILITIES.map((name) => name.slice("CAP_".length))),
  "cap-drop": () => words("ALL", ...CAPABILITIES.map((name) => name.slice("CAP_".length))),
  signal: () => words(...SIGNAL_NAMES.map((name) => name.replace(/^SIG/, ""))),
  "stop-signal": () => words(...SIGNAL_NAMES),
  restart: () => words("no", "on-failure", "on-failure:", "always", "unless-stopped"),
  "log-driver": () => words(...LOG_DRIVERS),
  driver: (_, command) => (command === "network create" ? words("bridge", "macvlan", "ipvlan") : words("local")),
  ipc: () => words("private", "shareable", "none", "host", "container:"),
  pid: () => words("host", "container:"),
  uts: () => words("host"),
  userns: () => words("host", "auto", "remap", "nomap", "container:"),
  "security-opt": () => words("seccomp=", "no-new-privileges", "systempaths=unconfined", "apparmor=", "label=disable"),
  platform: () => words("linux/amd64", "linux/arm64"),
  format: () => words("json", "table", "{{"),
  type: (_, command) => (command === "inspect" ? words("container", "image", "network", "volume") : []),
};

/** @param line words behind the program's name, the last one as far as it is typed, and perhaps empty */
export async function complete(line: string[], context: Context, globals: Flags): Promise<Candidate[]> {
  const current = line.at(-1) ?? "";
  const fitting = (candidates: Candidate[]) => candidates.filter(([word]) => word.startsWith(current));
  const head = readFlags(line.slice(0, -1), globals, true);
  if (head.pending) return fitting(valuesOf(head.pending, context, ""));
  const [first, ...more] = head.rest;
  if (first === undefined) return fitting(current.startsWith("-") ? flagWords(globals) : topWords());
  if (GROUPS[first] && more.length === 0) return fitting(groupWords(first));
  const typed = GROUPS[first] ? `${first} ${more.shift()}` : first;
  const name = usualName(typed);
  if (name === undefined) return [];
  const command = (await COMMANDS[name]?.load()) as Command;
  const { pending, rest } = readFlags(more, command.flags, command.stopAtFirstArgument === true);
  if (pending) return fitting(valuesOf(pending, context, name));
  const isOver = command.stopAtFirstArgument === true && rest.length > 0;
  if (current.startsWith("-") && !isOver) {
    const [, flag = ""] = /^--([^=]+)=/.exec(current) ?? [];
    if (!command.flags[flag]) return fitting(flagWords({ ...command.flags, help: { type: "boolean", help: "Print usage" } }));
    return fitting(valuesOf([flag, command.flags[flag]], context, name).map(([value, about]) => [`--${flag}=${value}`, about]));
  }
  return fitting(argumentsAt(rest.length, command, typed, name, context));
}

// What is left without flags, and the flag whose value comes next.
function readFlags(given: string[], flags: Flags, stops: boolean): { rest: string[]; pending?: [string, Flag] } {
  const rest: string[] = [];
  for (let i = 0; i < given.length; i++) {
    const word = given[i] as string;
    if (!word.startsWith("-") || word === "-") {
      rest.push(word);
      if (stops) return { rest: [...rest, ...given.slice(i + 1)] };
      continue;
    }
    if (word === "--") return { rest: [...rest, ...given.slice(i + 1)] };
    // Of combined short flags the last one may want a value.
    const name = word.startsWith("--") ? word.slice(2) : Object.keys(flags).find((key) => flags[key]?.short === word.at(-1));
    const flag = name === undefined ? undefined : flags[name];
    if (name === undefined || !flag || flag.type === "boolean") continue;
    if (++i === given.length) return { rest, pending: [name, flag] };
  }
  return { rest };
}

function valuesOf([name, flag]: [string, Flag], context: Context, command: string): Candidate[] {
  const own = VALUES[name];
  if (own) return own(context, command);
  return flag.value?.includes("|") ? words(...flag.value.split("|")) : [];
}

const flagWords = (flags: Flags) =>
  shownFlags(flags).map(([name, { type, help }]): Candidate => [type === "boolean" ? `--${name}` : `--${name}=`, help]);

const topWords = () => [
  ...Object.entries(COMMANDS).flatMap(([name, { summary }]): Candidate[] => (name.includes(" ") ? [] : [[name, summary]])),
  ...Object.entries(GROUPS),
];

const groupWords = (group: string) =>
  allNames()
    .filter(([spelling]) => spelling.startsWith(`${group} `))
    .map(([spelling, name]): Candidate => [spelling.slice(group.length + 1), COMMANDS[name]?.summary ?? ""]);

// By the usage: `[OPTIONS] NETWORK CONTAINER`, the last one again and again where it says so.
function argumentsAt(position: number, { usage, args }: Command, typed: string, name: string, context: Context): Candidate[] {
  if (args.max !== undefined && position >= args.max) return [];
  const places = (usage.split("\n")[0] ?? "").split(" ").filter((word) => word !== "[OPTIONS]");
  const isRepeated = places.at(-1)?.endsWith("...]") === true;
  const place = places[position] ?? (isRepeated ? places.at(-1) : undefined) ?? "";
  const group = typed.split(" ")[0]?.toUpperCase() ?? "";
  if (/^\[?(NAME\|ID)/.test(place)) return group in KINDS ? (KINDS[group]?.(context, name) ?? []) : [...list("CONTAINER"), ...list("IMAGE")];
  if (/^(CONTAINER:|SRC)/.test(place) || name === "cp") return list("CONTAINER").map(([word, about]) => [`${word}:`, about]);
  const kind = /REPOSITORY|IMAGE|NAME\[:TAG/.test(place) ? "IMAGE" : (/CONTAINER|NETWORK|VOLUME|POD/.exec(place)?.[0] ?? "");
  return list(kind);

  function list(kind: string): Candidate[] {
    return KINDS[kind]?.(context, name) ?? [];
  }
}
