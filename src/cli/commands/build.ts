import * as fd from "../../../ffi/fd.ts";
import { mkdirSync, readFileSync, rmSync, statIfThere, writeFileSync } from "../../../ffi/files.ts";
import { openInRoot } from "../../../ffi/in-root.ts";
import { reasonOf } from "../../../ffi/libc.ts";
import { join, resolve } from "../../../ffi/path.ts";
import { isTerminal } from "../../../ffi/tty.ts";
import { buildImage } from "../../engine/build/build-image.ts";
import { type BuildOptions, type NamedContext, type RunRequest, temporaryFolder } from "../../engine/build/steps.ts";
import type { ContainerOptions } from "../../engine/create-container.ts";
import type { Engine } from "../../engine/engine.ts";
import { NotFound } from "../../engine/errors.ts";
import { extractIntoFolder } from "../../engine/extract.ts";
import { resolveImage } from "../../engine/resolve-image.ts";
import { parseDockerfile } from "../../image/dockerfile.ts";
import { IgnoreFile } from "../../image/dockerignore.ts";
import { familiarName, formatReference, InvalidReference, parseReference, type Reference, repositoryOf } from "../../image/reference.ts";
import { type Bytes, isArchive } from "../../image/unpack.ts";
import { flagValues, type GivenFlag } from "../arguments.ts";
import { parseBuildOutput, writeBuildOutput } from "../build-output.ts";
import { defineCommand, type FlagValues } from "../command.ts";
import { CONTAINER_FLAGS, type ContainerFlagValues, containerOptions } from "../container-flags.ts";
import { CommandFailure, UsageError, ValueError } from "../errors.ts";
import { Progress } from "../format/progress.ts";
import { TRUST_FLAG } from "../registry-flags.ts";
import { openInput, printBlocking } from "../streams.ts";
import { parsePair, readValue } from "../values.ts";
import { pull } from "./pull.ts";
import { push } from "./push.ts";

const { "add-host": addHost, "cgroup-parent": cgroupParent, isolation, memory, ulimit } = CONTAINER_FLAGS;
/** Those that mean for each RUN what they mean to `run`. */
const RUN_FLAGS = {
  "add-host": addHost,
  "cgroup-parent": cgroupParent,
  "cpu-period": CONTAINER_FLAGS["cpu-period"],
  "cpu-quota": CONTAINER_FLAGS["cpu-quota"],
  "cpu-shares": CONTAINER_FLAGS["cpu-shares"],
  "cpuset-cpus": CONTAINER_FLAGS["cpuset-cpus"],
  "cpuset-mems": CONTAINER_FLAGS["cpuset-mems"],
  isolation,
  memory,
  "memory-swap": CONTAINER_FLAGS["memory-swap"],
  "security-opt": CONTAINER_FLAGS["security-opt"],
  "shm-size": CONTAINER_FLAGS["shm-size"],
  ulimit,
} as const;

const FLAGS = {
  ...RUN_FLAGS,
  ...TRUST_FLAG,
  "build-arg": { type: "list", help: "Set build-time variables" },
  "build-context": { type: "list", value: "NAME=FOLDER", help: "Additional build contexts (a folder, or docker-image://REFERENCE)" },
  "cache-from": {
    type: "list",
    help: "Images to consider as cache sources",
    hidden: true,
    differs: "has no effect: what this host built before is the cache",
  },
  "cache-to": {
    type: "list",
    help: "Cache export destinations",
    hidden: true,
    differs: "has no effect: what this host built is its cache",
  },
  compress: { type: "boolean", help: "Compress the build context using gzip (it is read where it lies)" },
  file: { short: "f", type: "string", help: "Name of the Dockerfile (default PATH/Dockerfile; - for standard input)" },
  "force-rm": { type: "boolean", help: "Always remove intermediate containers (they always are)" },
  iidfile: { type: "string", help: "Write the image ID to the file" },
  label: { type: "list", help: "Set metadata for an image" },
  load: { type: "boolean", help: "Put the image into the store (it always is)", hidden: true },
  "metadata-file": { type: "string", value: "FILE", help: "Write the image's ID and names to a file, as JSON" },
  network: { type: "string", help: "Set the networking mode for the RUN instructions during build (default bridge)" },
  "no-cache": { type: "boolean", help: "Do not use cache when building the image" },
  output: {
    short: "o",
    type: "string",
    value: "DEST",
    help: "Write the files that were built (FOLDER, type=local,dest=FOLDER or type=tar,dest=FILE; - for a tar on standard output)",
  },
  platform: { type: "string", help: "Set platform if the base has several (OS/ARCH[/VARIANT])" },
  // Statements about how an image was made, which nothing here makes.
  provenance: { type: "string", hidden: true, help: "Provenance attestation (only false)" },
  sbom: { type: "string", hidden: true, help: "SBOM attestation (only false)" },
  progress: { type: "string", value: "auto|plain|quiet", help: "Type of progress output" },
  pull: { type: "boolean", help: "Always attempt to pull a newer version of the image" },
  push: { type: "boolean", help: "Push the image to its registry, under each of its names" },
  quiet: { short: "q", type: "boolean", help: "Suppress the build output and print image ID on success" },
  rm: { type: "boolean", on: true, help: "Remove intermediate containers after a successful build (they always are)" },
  secret: { type: "list", value: "id=ID,src=FILE", help: "Secret to expose to RUN --mount=type=secret (id=ID,src=FILE or id=ID,env=NAME)" },
  ssh: { type: "list", value: "default|ID[=SOCKET]", help: "Socket of an ssh-agent to expose to RUN --mount=type=ssh" },
  squash: {
    type: "boolean",
    help: "Squash newly built layers into a single new layer",
    hidden: true,
    refused: "is not supported",
    refusedByDocker: "without experimental features",
  },
  tag: { short: "t", type: "list", help: "Name and optionally a tag (NAME:TAG)" },
  target: { type: "string", help: "Set the target build stage to build" },
} as const;

export default defineCommand({
  usage: "[OPTIONS] PATH | -",
  flags: FLAGS,
  args: { min: 1, max: 1 },
  examples: ["berth build -t app .", "berth build -t app:test --target test --build-arg VERSION=1.2 .", "berth build -t app - < Dockerfile"],
  async run({ engine }, flags, [path = ""]) {
    const isQuiet = flags.quiet || flags.progress === "quiet";
    if (/^(https?|git|ssh):\/\/|^git@|^github\.com\//.test(path))
      throw new CommandFailure(`a context from a URL is not supported: ${path}; clone it, and build from the folder`, 1);
    for (const name of ["provenance", "sbom"] as const)
      if (!["false", "0", undefined].includes(flags[name])) throw new CommandFailure(`--${name}=${flags[name]} is not supported: expected false`, 1);
    const output = flags.output === undefined ? undefined : readValue(FLAGS, "output", flags.output, parseBuildOutput);
    const isImage = output === undefined || output.type === "image";
    if (output?.type === "tar" && output.dest === undefined && isTerminal(1))
      throw new CommandFailure("refusing to write a tar to a terminal: give a file, or redirect", 1);
    const isPushed = flags.push || output?.push === true;
    if (isPushed && (flags.tag.length === 0 || !isImage)) throw new CommandFailure("--push needs an image with a name (-t), and no other output", 1);
    const names = flags.tag.map((tag) => formatReference(readValue(FLAGS, "tag", tag, parseTag)));
    const temporary = temporaryFolder(engine);
    try {
      const source = await readContext(path, flags.file, temporary);
      const kept: Buffer[] = [];
      const tell = (bytes: Uint8Array): undefined => {
        if (isQuiet) kept.push(Buffer.from(bytes));
        else fd.writeAll(2, bytes);
      };
      const say = (line: string) => tell(Buffer.from(`${line}\n`));
      const options: BuildOptions = {
        ...source,
        args: buildArgs(flags["build-arg"]),
        labels: Object.fromEntries(flags.label.map((text) => parsePair(text, "a label"))),
        target: flags.target,
        useCache: !flags["no-cache"],
        platform: flags.platform,
        secrets: secrets(flags.secret, temporary),
        contexts: Object.fromEntries(flags["build-context"].map(namedContext)),
        agents: agents(flags.ssh),
        names: isImage ? names : [],
        containerOptions: (request) => stepOptions(flags, request),
        fetch: (reference, platform) => fetchImage(engine, reference, platform, flags.pull, isQuiet),
        say,
        output: tell,
      };
      let id: string;
      try {
        id = await buildImage(engine, options);
      } catch (error) {
        fd.writeAll(2, Buffer.concat(kept)); // what went before it tells why
        throw error;
      }
      say(`Successfully built ${id.slice(7, 19)}`);
      for (const name of options.names) {
        const { repository, tag } = familiarName(name);
        say(`Successfully tagged ${repository}:${tag}`);
      }
      if (output) await writeBuildOutput(engine, options, id, output);
      if (flags.iidfile !== undefined) writeFileSync(flags.iidfile, id);
      if (flags["metadata-file"] !== undefined)
        writeFileSync(
          flags["metadata-file"],
          `${JSON.stringify({ "containerimage.config.digest": id, "image.name": options.names.join(",") }, null, 2)}\n`,
        );
      if (isPushed) for (const name of names) await pushBuilt(engine, name, isQuiet);
      // Unless a tar is there.
      if (isQuiet && (isImage || output.dest !== undefined)) printBlocking(`${id}\n`);
    } finally {
      rmSync(temporary, { recursive: true, force: true });
    }
  },
});

async function pushBuilt(engine: Engine, name: string, isQuiet: boolean): Promise<void> {
  const progress = isQuiet ? undefined : new Progress(2);
  const reference = parseReference(name);
  progress?.say(`The push refers to repository [${repositoryOf(reference)}]`);
  await push(engine, reference, { tlsVerify: true, compression: undefined }, progress);
}

function parseTag(text: string): Reference {
  try {
    return parseReference(text);
  } catch (error) {
    throw error instanceof InvalidReference ? new ValueError(error.message) : error;
  }
}

// What flags of the build, and a step, ask of a container.
function stepOptions(flags: FlagValues<typeof FLAGS>, { image, command, env, labels, mounts, network }: RunRequest): ContainerOptions {
  const given: GivenFlag[] = Object.keys(RUN_FLAGS).flatMap((name) => {
    const value = flags[name as keyof typeof RUN_FLAGS];
    return (Array.isArray(value) ? value : value === undefined ? [] : [value]).map((one) => ({ name, value: one }));
  });
  const own = network ?? flags.network;
  if (own !== undefined && own !== "default") given.push({ name: "network", value: own });
  for (const variable of env) given.push({ name: "env", value: variable });
  const values = flagValues(CONTAINER_FLAGS, given) as ContainerFlagValues;
  const options = containerOptions(values, [image]);
  // Not through the flags: both may hold anything.
  return { ...options, command, entrypoint: [], labels, mounts, health: { isOff: true }, log: { driver: "none", options: {} } };
}

async function fetchImage(engine: Engine, reference: string, platform: string | undefined, always: boolean, isQuiet: boolean): Promise<void> {
  if (!always)
    try {
      resolveImage(engine, reference);
      return;
    } catch (error) {
      if (!(error instanceof NotFound)) throw error;
    }
  const progress = isQuiet ? undefined : new Progress(2);
  await pull(engine, parseReference(reference), { connection: { tlsVerify: true }, platform, progress });
}

// `NAME=VALUE`, or `NAME` with the value it has here.
function buildArgs(texts: string[]): Record<string, string> {
  return Object.fromEntries(
    texts.flatMap((text): [string, string][] => {
      const [name, value] = parsePair(text, "a build argument");
      if (text.includes("=")) return [[name, value]];
      const own = process.env[name];
      return own === undefined ? [] : [[name, own]];
    }),
  );
}

function secrets(texts: string[], temporary: string): Record<string, string> {
  return Object.fromEntries(
    texts.map((text) => {
      const fields = new Map(text.split(",").map((field) => parsePair(field, "a part of a secret")));
      const id = fields.get("id");
      if (!id) throw new UsageError(`invalid argument ${JSON.stringify(text)} for "--secret" flag: expected id=ID,src=FILE or id=ID,env=NAME`);
      const variable = fields.get("env") ?? (process.env[id] !== undefined && !fields.has("src") && !fields.has("source") ? id : undefined);
      if (variable === undefined) return [id, resolve(fields.get("src") ?? fields.get("source") ?? id)];
      const file = join(temporary, `secret-${id.replaceAll("/", "_")}`);
      mkdirSync(temporary, { recursive: true, mode: 0o700 });
      writeFileSync(file, process.env[variable] ?? "", { mode: 0o600 });
      return [id, file];
    }),
  );
}

function namedContext(text: string): [string, NamedContext] {
  const [name, value] = parsePair(text, "a build context");
  if (value.startsWith("docker-image://")) return [name, { type: "image", reference: value.slice("docker-image://".length) }];
  if (/^[a-z-]+:/.test(value)) throw new CommandFailure(`build context ${text} is not supported: expected a folder, or docker-image://REFERENCE`, 1);
  if (!statIfThere(value)?.isDirectory())
    throw new CommandFailure(`unable to prepare context: path ${JSON.stringify(value)} not found, or no folder`, 1);
  const ignore = readIfThere(join(value, ".dockerignore"), (path) => readFileSync(path, "utf8"));
  return [name, { type: "folder", path: resolve(value), ignore: ignore === undefined ? undefined : new IgnoreFile(ignore) }];
}

function agents(texts: string[]): Record<string, string> {
  return Object.fromEntries(
    texts.map((text) => {
      const [, id = "", path = process.env.SSH_AUTH_SOCK] = /^([^=]+)(?:=(.+))?$/.exec(text) ?? [];
      const fail = (why: string) => new UsageError(`invalid argument ${JSON.stringify(text)} for "--ssh" flag: ${why}`);
      if (id === "") throw fail("expected default, or ID=SOCKET");
      if (path === undefined) throw fail("SSH_AUTH_SOCK is not set: no agent runs");
      if (!statIfThere(path)?.isSocket()) throw fail(`expected the socket of an ssh-agent at ${path}`);
      return [id, resolve(path)];
    }),
  );
}

// The Dockerfile, and the folder that its files come from.
async function readContext(
  path: string,
  file: string | undefined,
  temporary: string,
): Promise<Pick<BuildOptions, "instructions" | "context" | "ignore">> {
  if (path === "-" && file === "-") throw new UsageError("invalid argument: can't use stdin for both build context and dockerfile", 1);
  let context: string | undefined = path === "-" ? undefined : resolve(path);
  let text: string | undefined;
  if (path === "-") {
    const input = await readStandardInput();
    if (isArchive(input)) {
      context = join(temporary, "context");
      mkdirSync(context, { recursive: true, mode: 0o755 });
      await extractIntoFolder(
        context,
        (async function* () {
          yield input as Bytes;
        })(),
      );
    } else text = input.toString();
  } else if (!statIfThere(path)?.isDirectory()) {
    throw new CommandFailure(`unable to prepare context: path ${JSON.stringify(path)} not found, or no folder`, 1);
  }
  const dockerfile = file === undefined || path === "-" ? join(context ?? "", file ?? "Dockerfile") : resolve(file);
  if (file === "-") text = (await readStandardInput()).toString();
  // Links of an archive are a stranger's: they lead nowhere outside it.
  const read = path === "-" && context !== undefined ? reader(context) : (name: string) => readFileSync(name, "utf8");
  text ??= readDockerfile(dockerfile, read);
  const ignore =
    context === undefined ? undefined : (readIfThere(`${dockerfile}.dockerignore`, read) ?? readIfThere(join(context, ".dockerignore"), read));
  return { instructions: parseDockerfile(text), context, ignore: ignore === undefined ? undefined : new IgnoreFile(ignore) };
}

async function readStandardInput(): Promise<Buffer> {
  const input = openInput("-");
  return "fd" in input ? fd.readExactly(input.fd, input.size) : Buffer.concat(await Array.fromAsync(input));
}

type Read = (path: string) => string;

function reader(root: string): Read {
  return (path) => {
    using folder = fd.openat(fd.AT_FDCWD, root, fd.O_RDONLY | fd.O_DIRECTORY);
    using file = openInRoot(folder.fd, resolve(path).slice(resolve(root).length), fd.O_RDONLY | fd.O_NONBLOCK);
    return readFileSync(file.path, "utf8");
  };
}

function readDockerfile(path: string, read: Read): string {
  try {
    return read(path);
  } catch (error) {
    throw new CommandFailure(`failed to read dockerfile: open ${path}: ${reasonOf(error)}`, 1);
  }
}

function readIfThere(path: string, read: Read): string | undefined {
  try {
    return read(path);
  } catch {
    return undefined;
  }
}
