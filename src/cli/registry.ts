/** All commands: names, what they do, and where they are; each is loaded only when it is used. */
import type { Command } from "./command.ts";

export interface CommandEntry {
  /** A line. */
  summary: string;
  /** Docker's other spellings. */
  aliases?: string[];
  load(): Promise<Command>;
}

// The loaders' flags differ in type; what they share is all that a dispatcher needs.
const load = (module: Promise<{ default: unknown }>): Promise<Command> => module.then((m) => m.default as Command);

/** By the name that is usual; in the order of help. */
export const COMMANDS: Record<string, CommandEntry> = {
  run: { summary: "Create and run a new container from an image", aliases: ["container run"], load: () => load(import("./commands/run.ts")) },
  exec: { summary: "Execute a command in a running container", aliases: ["container exec"], load: () => load(import("./commands/exec.ts")) },
  ps: { summary: "List containers", aliases: ["container ls", "container list", "container ps"], load: () => load(import("./commands/ps.ts")) },
  logs: { summary: "Fetch the logs of a container", aliases: ["container logs"], load: () => load(import("./commands/logs.ts")) },
  attach: {
    summary: "Attach local standard input, output, and error streams to a running container",
    aliases: ["container attach"],
    load: () => load(import("./commands/attach.ts")),
  },
  create: { summary: "Create a new container", aliases: ["container create"], load: () => load(import("./commands/create.ts")) },
  start: { summary: "Start one or more stopped containers", aliases: ["container start"], load: () => load(import("./commands/start.ts")) },
  stop: { summary: "Stop one or more running containers", aliases: ["container stop"], load: () => load(import("./commands/stop.ts")) },
  restart: { summary: "Restart one or more containers", aliases: ["container restart"], load: () => load(import("./commands/restart.ts")) },
  kill: { summary: "Kill one or more running containers", aliases: ["container kill"], load: () => load(import("./commands/kill.ts")) },
  rm: { summary: "Remove one or more containers", aliases: ["container rm", "container remove"], load: () => load(import("./commands/rm.ts")) },
  wait: {
    summary: "Block until one or more containers stop, then print their exit codes",
    aliases: ["container wait"],
    load: () => load(import("./commands/wait.ts")),
  },
  inspect: {
    summary: "Return low-level information on containers, images and networks",
    aliases: ["container inspect", "image inspect", "network inspect", "volume inspect"],
    load: () => load(import("./commands/inspect.ts")),
  },
  images: { summary: "List images", aliases: ["image ls", "image list"], load: () => load(import("./commands/images.ts")) },
  import: {
    summary: "Import the contents from a tarball to create a filesystem image",
    aliases: ["image import"],
    load: () => load(import("./commands/import.ts")),
  },
  build: {
    summary: "Build an image from a Dockerfile",
    aliases: ["image build", "builder build", "buildx build"],
    load: () => load(import("./commands/build.ts")),
  },
  "builder prune": { summary: "Remove build cache", aliases: ["buildx prune"], load: () => load(import("./commands/builder-prune.ts")) },
  pull: { summary: "Download an image from a registry", aliases: ["image pull"], load: () => load(import("./commands/pull.ts")) },
  push: { summary: "Upload an image to a registry", aliases: ["image push"], load: () => load(import("./commands/push.ts")) },
  search: {
    summary: "Search a registry for images (Docker Hub unless the term begins with another one's host)",
    load: () => load(import("./commands/search.ts")),
  },
  login: { summary: "Authenticate to a registry", load: () => load(import("./commands/login.ts")) },
  logout: { summary: "Log out from a registry", load: () => load(import("./commands/logout.ts")) },
  tag: { summary: "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE", aliases: ["image tag"], load: () => load(import("./commands/tag.ts")) },
  load: {
    summary: "Load images from a tar archive, an OCI layout, or STDIN",
    aliases: ["image load"],
    load: () => load(import("./commands/load.ts")),
  },
  save: {
    summary: "Save one or more images to a tar archive (streamed to STDOUT by default)",
    aliases: ["image save"],
    load: () => load(import("./commands/save.ts")),
  },
  commit: {
    summary: "Create a new image from a container's changes",
    aliases: ["container commit"],
    load: () => load(import("./commands/commit.ts")),
  },
  export: {
    summary: "Export a container's filesystem as a tar archive",
    aliases: ["container export"],
    load: () => load(import("./commands/export.ts")),
  },
  history: { summary: "Show the history of an image", aliases: ["image history"], load: () => load(import("./commands/history.ts")) },
  rmi: { summary: "Remove one or more images", aliases: ["image rm", "image remove"], load: () => load(import("./commands/rmi.ts")) },
  rename: { summary: "Rename a container", aliases: ["container rename"], load: () => load(import("./commands/rename.ts")) },
  diff: {
    summary: "Inspect changes to files or directories on a container's filesystem",
    aliases: ["container diff"],
    load: () => load(import("./commands/diff.ts")),
  },
  "container prune": { summary: "Remove all stopped containers", load: () => load(import("./commands/container-prune.ts")) },
  "image prune": { summary: "Remove unused images", load: () => load(import("./commands/image-prune.ts")) },
  "manifest inspect": {
    summary: "Display an image manifest, or manifest list, of a registry",
    load: () => load(import("./commands/manifest-inspect.ts")),
  },
  pause: {
    summary: "Pause all processes within one or more containers",
    aliases: ["container pause"],
    load: () => load(import("./commands/pause.ts")),
  },
  unpause: {
    summary: "Unpause all processes within one or more containers",
    aliases: ["container unpause"],
    load: () => load(import("./commands/unpause.ts")),
  },
  update: {
    summary: "Update configuration of one or more containers",
    aliases: ["container update"],
    load: () => load(import("./commands/update.ts")),
  },
  cp: {
    summary: "Copy files/folders between a container and the local filesystem",
    aliases: ["container cp"],
    load: () => load(import("./commands/cp.ts")),
  },
  top: { summary: "Display the running processes of a container", aliases: ["container top"], load: () => load(import("./commands/top.ts")) },
  stats: {
    summary: "Display a live stream of container(s) resource usage statistics",
    aliases: ["container stats"],
    load: () => load(import("./commands/stats.ts")),
  },
  events: {
    summary: "Get real time events of containers, images, networks and volumes",
    aliases: ["system events"],
    load: () => load(import("./commands/events.ts")),
  },
  port: {
    summary: "List port mappings or a specific mapping for the container",
    aliases: ["container port"],
    load: () => load(import("./commands/port.ts")),
  },
  "pod create": { summary: "Create a new pod: containers that share namespaces", load: () => load(import("./commands/pod-create.ts")) },
  "pod ls": { summary: "List pods", aliases: ["pod ps", "pod list"], load: () => load(import("./commands/pod-ls.ts")) },
  "pod inspect": { summary: "Display detailed information on one or more pods", load: () => load(import("./commands/pod-inspect.ts")) },
  "pod start": { summary: "Start all containers of one or more pods", load: () => load(import("./commands/pod-start.ts")) },
  "pod stop": { summary: "Stop all containers of one or more pods", load: () => load(import("./commands/pod-stop.ts")) },
  "pod rm": { summary: "Remove one or more pods with their containers", load: () => load(import("./commands/pod-rm.ts")) },
  "network create": { summary: "Create a network", load: () => load(import("./commands/network-create.ts")) },
  "network ls": { summary: "List networks", aliases: ["network list"], load: () => load(import("./commands/network-ls.ts")) },
  "network rm": { summary: "Remove one or more networks", aliases: ["network remove"], load: () => load(import("./commands/network-rm.ts")) },
  "network prune": { summary: "Remove all unused networks, and repair what is used", load: () => load(import("./commands/network-prune.ts")) },
  "network connect": { summary: "Connect a container to a network", load: () => load(import("./commands/network-connect.ts")) },
  "network disconnect": { summary: "Disconnect a container from a network", load: () => load(import("./commands/network-disconnect.ts")) },
  "volume create": { summary: "Create a volume", load: () => load(import("./commands/volume-create.ts")) },
  "volume ls": { summary: "List volumes", aliases: ["volume list"], load: () => load(import("./commands/volume-ls.ts")) },
  "volume rm": { summary: "Remove one or more volumes", aliases: ["volume remove"], load: () => load(import("./commands/volume-rm.ts")) },
  "volume prune": { summary: "Remove unused local volumes", load: () => load(import("./commands/volume-prune.ts")) },
  "volume update": { summary: "Update a volume (cluster volumes only)", load: () => load(import("./commands/volume-update.ts")) },
  "system df": { summary: "Show disk usage", load: () => load(import("./commands/system-df.ts")) },
  "system start": {
    summary: "Start what should run by its restart policy, after the machine was restarted",
    load: () => load(import("./commands/system-start.ts")),
  },
  "system service-file": {
    summary: "Print a service that starts containers by their restart policies when the machine starts, or one for a container",
    load: () => load(import("./commands/system-service-file.ts")),
  },
  "system prune": { summary: "Remove unused data", load: () => load(import("./commands/system-prune.ts")) },
  boot: { summary: "Be the first process of a machine, and run its containers", load: () => load(import("./commands/boot.ts")) },
  "vm image": { summary: "Write an initramfs that boots an image", load: () => load(import("./commands/vm-image.ts")) },
  completion: {
    summary: "Print the script with which a shell completes berth's command lines",
    load: () => load(import("./commands/completion.ts")),
  },
  doctor: { summary: "Tell what this host has and lacks, and what follows from it", load: () => load(import("./commands/doctor.ts")) },
  info: { summary: "Display system-wide information", aliases: ["system info"], load: () => load(import("./commands/info.ts")) },
  version: { summary: "Show the berth version information", load: () => load(import("./commands/version.ts")) },
};

/** The usual name of a command by any of its names. Called once a run: a map of all of them would take longer to make. */
export function usualName(spelling: string): string | undefined {
  if (Object.hasOwn(COMMANDS, spelling)) return spelling;
  for (const name in COMMANDS) if (COMMANDS[name]?.aliases?.includes(spelling)) return name;
  return undefined;
}

/** All names, each with the usual one. */
export const allNames = (): [spelling: string, name: string][] =>
  Object.entries(COMMANDS).flatMap(([name, { aliases = [] }]) => [name, ...aliases].map((spelling): [string, string] => [spelling, name]));

/** Words before which a second one is expected, and what is below them. */
export const GROUPS: Record<string, string> = {
  builder: "Manage builds",
  buildx: "Manage builds, by the name of docker's plugin",
  container: "Manage containers",
  image: "Manage images",
  network: "Manage networks",
  volume: "Manage volumes",
  pod: "Manage pods",
  system: "Manage berth",
  vm: "Images of virtual machines",
  manifest: "Look at manifests of images in registries",
};
