/** All commands; each is loaded only when it is used. */
import type { Command } from "./command.ts";

type Load = () => Promise<Command>;

// The loaders' flags differ in type; what they share is all that a dispatcher needs.
const load = (module: Promise<{ default: unknown }>): Promise<Command> => module.then((m) => m.default as Command);

/** By the name that is usual; in the order of help. */
export const COMMANDS: Record<string, Load> = {
  run: () => load(import("./commands/run.ts")),
  exec: () => load(import("./commands/exec.ts")),
  ps: () => load(import("./commands/ps.ts")),
  logs: () => load(import("./commands/logs.ts")),
  create: () => load(import("./commands/create.ts")),
  start: () => load(import("./commands/start.ts")),
  stop: () => load(import("./commands/stop.ts")),
  restart: () => load(import("./commands/restart.ts")),
  kill: () => load(import("./commands/kill.ts")),
  rm: () => load(import("./commands/rm.ts")),
  wait: () => load(import("./commands/wait.ts")),
  inspect: () => load(import("./commands/inspect.ts")),
  images: () => load(import("./commands/images.ts")),
  import: () => load(import("./commands/import.ts")),
  pull: () => load(import("./commands/pull.ts")),
  push: () => load(import("./commands/push.ts")),
  search: () => load(import("./commands/search.ts")),
  login: () => load(import("./commands/login.ts")),
  logout: () => load(import("./commands/logout.ts")),
  tag: () => load(import("./commands/tag.ts")),
  load: () => load(import("./commands/load.ts")),
  save: () => load(import("./commands/save.ts")),
  commit: () => load(import("./commands/commit.ts")),
  export: () => load(import("./commands/export.ts")),
  history: () => load(import("./commands/history.ts")),
  rmi: () => load(import("./commands/rmi.ts")),
  "image prune": () => load(import("./commands/image-prune.ts")),
  "manifest inspect": () => load(import("./commands/manifest-inspect.ts")),
  pause: () => load(import("./commands/pause.ts")),
  unpause: () => load(import("./commands/unpause.ts")),
  update: () => load(import("./commands/update.ts")),
  stats: () => load(import("./commands/stats.ts")),
  port: () => load(import("./commands/port.ts")),
  "network create": () => load(import("./commands/network-create.ts")),
  "network ls": () => load(import("./commands/network-ls.ts")),
  "network rm": () => load(import("./commands/network-rm.ts")),
  "network prune": () => load(import("./commands/network-prune.ts")),
  "network connect": () => load(import("./commands/network-connect.ts")),
  "network disconnect": () => load(import("./commands/network-disconnect.ts")),
  info: () => load(import("./commands/info.ts")),
  version: () => load(import("./commands/version.ts")),
};

/** Docker's other spellings. */
export const ALIASES: Record<string, string> = {
  "container run": "run",
  "container exec": "exec",
  "container ls": "ps",
  "container list": "ps",
  "container ps": "ps",
  "container logs": "logs",
  "container create": "create",
  "container start": "start",
  "container stop": "stop",
  "container restart": "restart",
  "container kill": "kill",
  "container rm": "rm",
  "container remove": "rm",
  "container wait": "wait",
  "container inspect": "inspect",
  "image ls": "images",
  "image list": "images",
  "image import": "import",
  "image rm": "rmi",
  "image remove": "rmi",
  "image inspect": "inspect",
  "image pull": "pull",
  "image push": "push",
  "image tag": "tag",
  "image load": "load",
  "image save": "save",
  "image history": "history",
  "container commit": "commit",
  "container export": "export",
  "container pause": "pause",
  "container unpause": "unpause",
  "container port": "port",
  "container stats": "stats",
  "container update": "update",
  "network list": "network ls",
  "network remove": "network rm",
  "network inspect": "inspect",
  "system info": "info",
};

/** Words before which a second one is expected. */
export const GROUPS = [
  ...new Set([...Object.keys(ALIASES), ...Object.keys(COMMANDS)].filter((name) => name.includes(" ")).map((name) => name.split(" ")[0] as string)),
];
