/** `build`: a Dockerfile's stages, step by step, each kept as an image that the next build finds again. */

import * as fd from "../../../ffi/fd.ts";
import { existsSync, readdirSync, rmSync } from "../../../ffi/files.ts";
import { openInRoot } from "../../../ffi/in-root.ts";
import { keepingMounts } from "../../../ffi/namespace.ts";
import { dirname, join, resolve } from "../../../ffi/path.ts";
import { exitNow } from "../../../ffi/process.ts";
import { signalNumber } from "../../../ffi/signal.ts";
import {
  DockerfileError,
  expandText,
  type Instruction,
  jsonList,
  type Lookup,
  parseInstruction,
  shellWord,
  shellWords,
} from "../../image/dockerfile.ts";
import type { IgnoreFile } from "../../image/dockerignore.ts";
import { readRange } from "../../image/file-range.ts";
import { ownPlatform, type Platform, parsePlatform } from "../../image/media-types.ts";
import { decompress } from "../../image/unpack.ts";
import { DEFAULT_PATH } from "../../runtime/process/command.ts";
import { resolveUser } from "../../runtime/process/user.ts";
import type { ContainerMount } from "../../store/container-config.ts";
import { type ContainerRecord, getContainer, listContainers } from "../../store/containers.ts";
import { writeTransaction } from "../../store/database.ts";
import { findBuildStep, getImage, type ImageConfig, type ImageRecord, nameImage, recordBuildStep } from "../../store/images.ts";
import { currentProcess, isAlive, type ProcessIdentity } from "../../store/process-identity.ts";
import { openContainerFiles } from "../container-root.ts";
import { atPlace, unpackAt, writeAt } from "../copy-files.ts";
import { type ContainerOptions, createContainer } from "../create-container.ts";
import type { Engine } from "../engine.ts";
import { EngineError, NotFound } from "../errors.ts";
import { commitStep } from "../export-container.ts";
import { knownLayer } from "../load-images.ts";
import { removeContainer } from "../remove-container.ts";
import { resolveImage } from "../resolve-image.ts";
import { commitImage, type StagedLayer } from "../stage-image.ts";
import { startContainer } from "../start-container.ts";
import { download, isUnpacked, makeFile } from "./added-files.ts";
import { findSources, type Source, type SourceRoot, writeSources } from "./context.ts";
import { DEFAULT_SHELL, healthcheck, pairsOf, portsOf, textOf } from "./instruction-values.ts";
import { runMount } from "./run-mount.ts";

type RunConfig = NonNullable<ImageConfig["config"]>;

/** What a `RUN` needs beyond its command. */
export interface RunRequest {
  image: string;
  command: string[];
  /** `NAME=VALUE` each. */
  env: string[];
  labels: Record<string, string>;
  mounts: ContainerMount[];
  /** `none` or `host`, where the instruction asks for it. */
  network: string | undefined;
}

export interface BuildOptions {
  instructions: Instruction[];
  /** Folder on the host; undefined where the build has none. */
  context: string | undefined;
  ignore: IgnoreFile | undefined;
  args: Record<string, string>;
  labels: Record<string, string>;
  /** Name or number of the stage to stop after. */
  target: string | undefined;
  useCache: boolean;
  platform: string | undefined;
  /** Files of `--secret`, by id. */
  secrets: Record<string, string>;
  /** Names for the image, in full. */
  names: string[];
  /** What the flags of the build mean for a `RUN`. */
  containerOptions(request: RunRequest): ContainerOptions;
  /** Makes sure that an image is there. */
  fetch(reference: string, platform: string | undefined): Promise<void>;
  say(line: string): void;
  /** What commands of `RUN` print. */
  output(bytes: Uint8Array): undefined;
}

/** Label of containers of a build, with the process that makes it: what is left when that was killed is found by it. */
const LABEL = "berth.build";
/** Given to commands without being declared, and left out of what steps are recognised by (docker's "predefined ARGs"). */
const PROXY_ARGS = ["HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"].flatMap((name) => [name, name.toLowerCase()]);

/** Builds; gives the image's id. Throws {@link EngineError}, {@link DockerfileError}. */
export async function buildImage(engine: Engine, options: BuildOptions): Promise<string> {
  sweepBuilds(engine);
  return await new Build(engine, options).run();
}

// What builds left that were killed.
function sweepBuilds(engine: Engine): void {
  for (const { id, config } of listContainers(engine.db)) {
    const label = config.labels[LABEL];
    if (label !== undefined && !isAlive(JSON.parse(label) as ProcessIdentity)) removeContainer(engine, id, { force: true, volumes: true });
  }
  const folder = dirname(temporaryFolder(engine));
  for (const pid of existsSync(folder) ? readdirSync(folder) : [])
    if (!existsSync(join("/proc", pid))) rmSync(join(folder, pid), { recursive: true, force: true });
}

/** Of this process's build; whoever makes it removes it. */
export const temporaryFolder = ({ layout }: Engine): string => join(layout.data, "build-tmp", String(process.pid));

interface Stage {
  name: string | undefined;
  from: Instruction;
  instructions: Instruction[];
}

/** Where a stage has got to. */
interface State {
  /** Undefined before the first step of `FROM scratch`. */
  image: ImageRecord | undefined;
  config: ImageConfig;
  /** Digest of all that went into it. */
  key: string;
  /** Declared so far, with their values. */
  args: Map<string, string | undefined>;
  shell: string[];
}

class Build {
  readonly #engine: Engine;
  readonly #options: BuildOptions;
  readonly #stages: Stage[];
  readonly #globals = new Map<string, string | undefined>();
  /** The images of stages that are done. */
  readonly #done = new Map<Stage, State>();
  readonly #platform: Platform;
  #step = 0;
  #steps = 0;

  constructor(engine: Engine, options: BuildOptions) {
    this.#engine = engine;
    this.#options = options;
    this.#platform = options.platform === undefined ? ownPlatform() : parsePlatform(options.platform);
    const { os, architecture, variant } = this.#platform;
    const platform = [os, architecture, variant].filter(Boolean).join("/");
    const own = ownPlatform();
    for (const [prefix, p, text] of [
      ["TARGET", this.#platform, platform],
      ["BUILD", own, `${own.os}/${own.architecture}`],
    ] as const) {
      this.#globals.set(`${prefix}PLATFORM`, text);
      this.#globals.set(`${prefix}OS`, p.os);
      this.#globals.set(`${prefix}ARCH`, p.architecture);
      this.#globals.set(`${prefix}VARIANT`, p.variant ?? "");
    }
    this.#stages = this.#split();
  }

  // Stages, and the arguments before the first.
  #split(): Stage[] {
    const stages: Stage[] = [];
    for (const instruction of this.#options.instructions) {
      const stage = stages.at(-1);
      if (instruction.name === "FROM") {
        const name = /\sas\s+(\S+)$/i.exec(instruction.rest)?.[1]?.toLowerCase();
        stages.push({ name, from: instruction, instructions: [] });
      } else if (stage) stage.instructions.push(instruction);
      else if (instruction.name === "ARG")
        for (const [name, value] of this.#declared(instruction, (wanted) => this.#globals.get(wanted))) this.#globals.set(name, value);
      else throw new DockerfileError(`line ${instruction.line}: no build stage in current context: FROM must come before ${instruction.name}`);
    }
    if (stages.length === 0) throw new DockerfileError("no build stage in current context: the Dockerfile has no FROM");
    return stages;
  }

  async run(): Promise<string> {
    const { target, names } = this.#options;
    const last = target === undefined ? (this.#stages.at(-1) as Stage) : this.#stage(target, this.#stages.length);
    if (!last) throw new EngineError(`target stage ${JSON.stringify(target)} could not be found: expected ${this.#stageNames()}`);
    const wanted = this.#needed(last);
    this.#steps = wanted.reduce((sum, stage) => sum + 1 + stage.instructions.length, 0);
    for (const stage of wanted) this.#done.set(stage, await this.#build(stage, stage === last));
    const { image } = this.#done.get(last) as State;
    if (!image) throw new EngineError("no image was generated: FROM scratch needs at least one more instruction");
    writeTransaction(this.#engine.db, () => {
      for (const name of names) nameImage(this.#engine.db, name, image.id);
    });
    return image.id;
  }

  #stageNames = () => this.#stages.map(({ name }, i) => name ?? String(i)).join(", ");

  // By name or number, of those before one.
  #stage(text: string, before: number): Stage | undefined {
    const earlier = this.#stages.slice(0, before);
    return earlier.findLast(({ name }) => name === text.toLowerCase()) ?? (/^\d+$/.test(text) ? earlier[Number(text)] : undefined);
  }

  // A stage and those that it takes something from, in their order.
  #needed(last: Stage): Stage[] {
    const wanted = new Set<Stage>();
    const add = (stage: Stage) => {
      if (wanted.has(stage)) return;
      wanted.add(stage);
      const position = this.#stages.indexOf(stage);
      const base = this.#stage(this.#baseName(stage), position);
      if (base) add(base);
      for (const { flags, rest } of stage.instructions) {
        const texts = flags.flatMap(({ name, value }) =>
          name === "from" ? [value] : name === "mount" ? [/(?:^|,)from=([^,]+)/.exec(value)?.[1] ?? ""] : [],
        );
        const later = /^(?:COPY|ADD)\s+--from=(\S+)/i.exec(rest)?.[1]; // of ONBUILD
        for (const text of [...texts, ...(later === undefined ? [] : [later])]) {
          const source = this.#stage(text, position);
          if (source) add(source);
        }
      }
    };
    add(last);
    return this.#stages.filter((stage) => wanted.has(stage));
  }

  #baseName({ from }: Stage): string {
    const [name = "", as, , ...more] = from.rest.split(/\s+/);
    if (more.length > 0 || (as !== undefined && as.toLowerCase() !== "as"))
      throw new DockerfileError(`line ${from.line}: FROM requires either one or three arguments: FROM IMAGE [AS NAME]`);
    const base = shellWord(name, (wanted) => this.#globals.get(wanted));
    if (base === "") throw new DockerfileError(`line ${from.line}: base name (${name}) should not be blank`);
    return base;
  }

  async #build(stage: Stage, isLast: boolean): Promise<State> {
    const base = this.#baseName(stage);
    this.#announce(`FROM ${stage.from.rest}`);
    const earlier = this.#stage(base, this.#stages.indexOf(stage));
    const state = earlier ? copyOf(this.#done.get(earlier) as State) : await this.#begin(base, stage.from);
    if (state.image) this.#options.say(` ---> ${short(state.image.id)}`);
    const onBuild = earlier ? [] : (state.config.config?.OnBuild ?? []);
    if (onBuild.length > 0) {
      this.#options.say(`# Executing ${onBuild.length} build trigger${onBuild.length > 1 ? "s" : ""}`);
      state.config = { ...state.config, config: { ...state.config.config, OnBuild: null } };
      for (const text of onBuild) await this.#apply(state, parseInstruction(text, stage.from.line));
    }
    for (const instruction of stage.instructions) {
      this.#announce(textOf(instruction));
      await this.#apply(state, instruction);
    }
    if (isLast && Object.keys(this.#options.labels).length > 0) {
      const labels = this.#options.labels;
      await this.#set(state, `LABEL ${JSON.stringify(labels)}`, (config) => ({ ...config, Labels: { ...config.Labels, ...labels } }));
    }
    return state;
  }

  #announce(text: string): void {
    this.#options.say(`Step ${++this.#step}/${this.#steps} : ${text}`);
  }

  async #begin(base: string, from: Instruction): Promise<State> {
    const asked = from.flags.find(({ name }) => name === "platform")?.value;
    const platform = asked === undefined ? this.#options.platform : shellWord(asked, (name) => this.#globals.get(name));
    const state: State = { image: undefined, config: emptyConfig(this.#platform), key: digest("scratch"), args: new Map(), shell: DEFAULT_SHELL };
    if (base === "scratch") return { ...state, config: withPath(state.config) };
    await this.#options.fetch(base, platform);
    const { image } = resolveImage(this.#engine, base);
    return { ...state, image, config: withPath(image.config), key: image.id, shell: image.config.config?.Shell ?? DEFAULT_SHELL };
  }

  // What a variable means in an instruction: the image's, else an argument.
  #lookup(state: State): Lookup {
    return (name) => {
      const own = state.config.config?.Env?.findLast((variable) => variable.startsWith(`${name}=`));
      return own === undefined ? state.args.get(name) : own.slice(name.length + 1);
    };
  }

  #declared({ rest, line }: Instruction, lookup: Lookup): [string, string | undefined][] {
    return shellWords(rest, lookup).map((word): [string, string | undefined] => {
      const [, name, preset] = /^([A-Za-z_]\w*)(?:=([\s\S]*))?$/.exec(word) ?? [];
      if (name === undefined) throw new DockerfileError(`line ${line}: ARG names can not be blank: ${word}`);
      return [name, this.#options.args[name] ?? preset ?? this.#globals.get(name)];
    });
  }

  async #apply(state: State, instruction: Instruction): Promise<void> {
    const { name, rest, flags, line } = instruction;
    const lookup = this.#lookup(state);
    const words = () => shellWords(rest, lookup);
    const fail = (why: string) => new DockerfileError(`line ${line}: ${name}: ${why}`);
    const allowed = { RUN: ["mount", "network"], COPY: COPY_FLAGS, ADD: COPY_FLAGS, HEALTHCHECK: HEALTH_FLAGS }[name] ?? [];
    for (const flag of flags) if (!allowed.includes(flag.name)) throw fail(`unknown flag: ${flag.name}`);
    switch (name) {
      case "RUN":
        return await this.#runStep(state, instruction);
      case "COPY":
      case "ADD":
        return await this.#copyStep(state, instruction, lookup);
      case "ARG":
        for (const [own, value] of this.#declared(instruction, lookup)) state.args.set(own, value);
        return;
      case "ENV":
      case "LABEL": {
        const pairs = pairsOf(rest, lookup);
        if (!pairs) throw fail("must have two arguments: NAME=VALUE");
        return await this.#set(state, `${name} ${pairs.map(([key, value]) => `${key}=${value}`).join(" ")}`, (config) =>
          name === "LABEL"
            ? { ...config, Labels: { ...config.Labels, ...Object.fromEntries(pairs) } }
            : {
                ...config,
                Env: pairs.reduce((env, [key, value]) => [...env.filter((v) => !v.startsWith(`${key}=`)), `${key}=${value}`], config.Env ?? []),
              },
        );
      }
      case "WORKDIR": {
        const path = resolve("/", state.config.config?.WorkingDir ?? "/", shellWord(rest, lookup));
        return await this.#set(state, `WORKDIR ${path}`, (config) => ({ ...config, WorkingDir: path }));
      }
      case "USER": {
        const user = shellWord(rest, lookup);
        return await this.#set(state, `USER ${user}`, (config) => ({ ...config, User: user }));
      }
      case "CMD":
      case "ENTRYPOINT": {
        const command = jsonList(rest) ?? (rest === "" ? [] : [...state.shell, rest]);
        return await this.#set(
          state,
          `${name} ${JSON.stringify(command)}`,
          (config) =>
            // A new entry point means another command than the base's.
            name === "CMD"
              ? { ...config, Cmd: command }
              : { ...config, Entrypoint: command, Cmd: this.#ownsCommand.has(state) ? (config.Cmd ?? null) : null },
          () => name === "CMD" && this.#ownsCommand.add(state),
        );
      }
      case "EXPOSE":
        return await this.#set(state, `EXPOSE ${words().join(" ")}`, (config) => ({
          ...config,
          ExposedPorts: {
            ...config.ExposedPorts,
            ...Object.fromEntries(
              words()
                .flatMap(portsOf)
                .map((port) => [port, {}]),
            ),
          },
        }));
      case "VOLUME": {
        const paths = jsonList(rest) ?? words();
        return await this.#set(state, `VOLUME ${JSON.stringify(paths)}`, (config) => ({
          ...config,
          Volumes: { ...config.Volumes, ...Object.fromEntries(paths.map((path) => [path, {}])) },
        }));
      }
      case "STOPSIGNAL": {
        const signal = shellWord(rest, lookup);
        return await this.#set(state, `STOPSIGNAL ${signal}`, (config) => ({ ...config, StopSignal: signal }));
      }
      case "SHELL": {
        const shell = jsonList(rest);
        if (!shell || shell.length === 0) throw fail('requires the arguments to be in JSON form: SHELL ["executable", "parameters"]');
        state.shell = shell;
        return await this.#set(state, `SHELL ${JSON.stringify(shell)}`, (config) => ({ ...config, Shell: shell }));
      }
      case "HEALTHCHECK": {
        const check = healthcheck(instruction, state.shell, fail);
        return await this.#set(state, `HEALTHCHECK ${JSON.stringify(check)}`, (config) => ({ ...config, Healthcheck: check }));
      }
      case "ONBUILD": {
        const later = parseInstruction(rest, line);
        if (["ONBUILD", "FROM", "MAINTAINER"].includes(later.name)) throw fail(`${later.name} isn't allowed as an ONBUILD trigger`);
        return await this.#set(state, `ONBUILD ${rest}`, (config) => ({ ...config, OnBuild: [...(config.OnBuild ?? []), rest] }));
      }
      case "MAINTAINER":
        state.config = { ...state.config, author: rest };
        return await this.#set(state, `MAINTAINER ${rest}`, (config) => config);
      default:
        throw fail("is not expected here");
    }
  }

  /** Stages whose command is their own, not their base's. */
  readonly #ownsCommand = new WeakSet<State>();

  // A step that makes no layer.
  async #set(state: State, text: string, change: (config: RunConfig) => RunConfig, then: () => unknown = () => {}): Promise<void> {
    await this.#take(state, text, async () => {
      const created = new Date().toISOString();
      const config: ImageConfig = {
        ...state.config,
        created,
        config: change(state.config.config ?? {}),
        history: [...(state.config.history ?? []), { created, created_by: text, empty_layer: true }],
      };
      return this.#commit(config, layersOf(this.#engine, state.image));
    });
    then();
  }

  #commit(config: ImageConfig, layers: StagedLayer[]): string {
    return commitImage(this.#engine, { config: JSON.stringify(config), layers, names: [], digests: [] });
  }

  // What another build made of the same, else what is made now.
  async #take(state: State, part: string, make: () => Promise<string>): Promise<void> {
    const { db } = this.#engine;
    state.key = digest(`${state.key}\n${part}`);
    let image = this.#options.useCache ? findBuildStep(db, state.key) : undefined;
    if (image) this.#options.say(" ---> Using cache");
    else {
      const id = await make();
      recordBuildStep(db, state.key, id);
      image = getImage(db, id);
      if (!image) throw new EngineError("the image of this step was removed by another command meanwhile, try again");
    }
    this.#options.say(` ---> ${short(image.id)}`);
    state.image = image;
    state.config = image.config;
  }

  // A container that files are put into, or read from, and that never runs.
  async #withContainer<T>(image: ImageRecord, action: (record: ContainerRecord) => Promise<T>): Promise<T> {
    const { containerOptions } = this.#options;
    const record = createContainer(
      this.#engine,
      containerOptions({ image: image.id, command: ["-"], env: [], labels: buildLabels(), mounts: [], network: "none" }),
      true,
      () => {},
    );
    try {
      return await action(record);
    } finally {
      removeContainer(this.#engine, record.id, { force: true, volumes: true });
    }
  }

  async #runStep(state: State, instruction: Instruction): Promise<void> {
    const { flags, heredocs, rest } = instruction;
    const [only] = heredocs;
    const isScript = only && /^<<-?["']?\w+["']?$/.test(rest);
    const shown = isScript ? only.text : [rest, ...heredocs.map(({ name, text }) => `\n${text}${name}`)].join("");
    const command = (heredocs.length === 0 && jsonList(rest)) || [...state.shell, shown];
    const args = [...state.args]
      .filter(([name, value]) => value !== undefined && !PROXY_ARGS.includes(name))
      .map(([name, value]) => `${name}=${value}`);
    const env = state.config.config?.Env ?? [];
    // The image's own count.
    const own = args.filter((arg) => !env.some((variable) => variable.startsWith(arg.slice(0, arg.indexOf("=") + 1))));
    const proxies = PROXY_ARGS.flatMap((name) => (this.#options.args[name] === undefined ? [] : [`${name}=${this.#options.args[name]}`]));
    const { context, secrets } = this.#options;
    const sources = { data: this.#engine.layout.data, context, secrets };
    const mounts = flags.flatMap(({ name, value }) => (name === "mount" ? [runMount(value, instruction.line, this.#lookup(state), sources)] : []));
    const network = flags.find(({ name }) => name === "network")?.value;
    const given = own.length > 0 ? `|${own.length} ${own.join(" ")} ` : "";
    const part = `RUN ${given}${JSON.stringify(command)} ${flags.map(({ name, value }) => `--${name}=${value}`).join(" ")}`;
    await this.#take(state, part, async () => {
      const base = state.image;
      if (!base) throw new DockerfileError(`line ${instruction.line}: RUN: FROM scratch has nothing to run`);
      const record = createContainer(
        this.#engine,
        this.#options.containerOptions({
          image: base.id,
          command,
          env: [...own, ...proxies],
          labels: buildLabels(),
          mounts,
          network: network === "default" ? undefined : network,
        }),
        true,
        (warning) => this.#options.say(warning),
      );
      try {
        this.#options.say(` ---> Running in ${record.id.slice(0, 12)}`);
        const code = await this.#execute(record);
        if (code !== 0) throw new EngineError(`The command '${command.join(" ")}' returned a non-zero code: ${code}`);
        const ended = getContainer(this.#engine.db, record.id) ?? record;
        return await commitStep(this.#engine, ended, base, {
          config: state.config.config ?? {},
          createdBy: `${given}${command.join(" ")}`,
          author: state.config.author ?? "",
        });
      } finally {
        removeContainer(this.#engine, record.id, { force: true, volumes: true });
      }
    });
  }

  async #execute(record: ContainerRecord): Promise<number> {
    const stop = (signal: NodeJS.Signals) => {
      removeContainer(this.#engine, record.id, { force: true, volumes: true });
      exitNow(128 + (signalNumber(signal) ?? 0));
    };
    for (const signal of STOPPED_BY) process.once(signal, stop);
    try {
      return await this.#follow(record);
    } finally {
      for (const signal of STOPPED_BY) process.removeListener(signal, stop);
    }
  }

  async #follow(record: ContainerRecord): Promise<number> {
    const container = await startContainer(this.#engine, record, {
      attach: true,
      stdin: false,
      onOutput: (_, chunk) => this.#options.output(chunk),
      warn: (text) => this.#options.say(text),
    });
    const code = await container.exited;
    if (code === undefined) throw new EngineError(`the monitor of container ${record.id} was killed`);
    return code;
  }

  async #copyStep(state: State, instruction: Instruction, lookup: Lookup): Promise<void> {
    const { name, rest, flags, heredocs, line } = instruction;
    const fail = (why: string) => new DockerfileError(`line ${line}: ${name}: ${why}`);
    const flag = (wanted: string) => {
      const value = flags.find((f) => f.name === wanted)?.value;
      return value === undefined ? undefined : shellWord(value, lookup);
    };
    const words = jsonList(rest)?.map((word) => shellWord(word, lookup)) ?? shellWords(rest, lookup);
    const target = words.pop();
    if (target === undefined || words.length === 0) throw fail("requires at least two arguments");
    const from = flag("from");
    if (name === "ADD" && from !== undefined) throw fail("unknown flag: from");
    const workdir = state.config.config?.WorkingDir || "/";
    const ending = /(^|\/)\.?$/.test(target) ? "/" : "";
    const path = resolve("/", workdir, target).replace(/\/$/, "") + (ending || (resolve("/", workdir, target) === "/" ? "/" : ""));
    const chmod = flag("chmod");
    if (chmod !== undefined && !/^[0-7]{3,4}$/.test(chmod)) throw fail(`invalid chmod ${chmod}: expected an octal mode, such as 755`);
    const mode = chmod === undefined ? undefined : Number.parseInt(chmod, 8);

    // Files that come from nowhere else lie in a folder of their own meanwhile.
    const scratch = join(temporaryFolder(this.#engine), String(this.#step));
    try {
      const documents = new Map(heredocs.map((heredoc) => [heredoc.name, heredoc]));
      const plain: string[] = [];
      const made: string[] = [];
      for (const word of words) {
        const heredoc = documents.get(/^<<-?(\w+)$/.exec(word)?.[1] ?? "");
        if (heredoc) made.push(makeFile(scratch, heredoc.name, heredoc.expands ? expandText(heredoc.text, lookup) : heredoc.text));
        else if (name === "ADD" && /^https?:\/\//.test(word)) made.push(await download(scratch, word));
        else plain.push(word);
      }
      const isFolder = path.endsWith("/") || words.length > 1;
      const place = isFolder && !path.endsWith("/") ? `${path}/` : path;
      const copy = async (root: SourceRoot | undefined) => {
        using own = made.length > 0 ? fd.openat(fd.AT_FDCWD, scratch, fd.O_RDONLY | fd.O_DIRECTORY) : undefined;
        const batches: { root: SourceRoot; sources: Source[] }[] = [];
        if (root && plain.length > 0) batches.push({ root, sources: plain.flatMap((pattern) => findSources(root, pattern)) });
        if (own)
          batches.push({
            root: { root: own, ignore: undefined, name: "the Dockerfile" },
            sources: made.map((file) => ({ path: file, isFolder: false })),
          });
        const owner = await this.#owner(state, flag("chown"));
        const hasher = new Bun.CryptoHasher("sha256");
        for (const batch of batches)
          writeSources((bytes) => hasher.update(bytes), batch.root, batch.sources, undefined, { ...owner, mode, timeless: true });
        const part = `${name} ${hasher.digest("hex")} ${owner.uid}:${owner.gid} ${chmod ?? ""} ${JSON.stringify(words)} ${place}`;
        await this.#take(state, part, () => this.#layer(state, instruction, place, batches, { ...owner, mode }));
      };
      if (from !== undefined) return await this.#fromStage(from, copy);
      if (plain.length === 0) return await copy(undefined);
      if (this.#options.context === undefined) throw fail("this build has no context to copy from");
      using root = fd.openat(fd.AT_FDCWD, this.#options.context, fd.O_RDONLY | fd.O_DIRECTORY);
      await copy({ root, ignore: this.#options.ignore, name: "the build context" });
    } finally {
      rmSync(scratch, { recursive: true, force: true });
    }
  }

  // Files of another stage, or of any image.
  async #fromStage(text: string, copy: (root: SourceRoot) => Promise<void>): Promise<void> {
    const stage = this.#stage(text, this.#stages.length);
    const done = stage && this.#done.get(stage);
    if (!done) await this.#options.fetch(text, this.#options.platform);
    const image = done ? done.image : resolveImage(this.#engine, text).image;
    if (!image) throw new NotFound(`stage ${text} has no files`);
    await this.#withContainer(image, (record) =>
      keepingMounts(async () => {
        using files = openContainerFiles(this.#engine, record);
        using root = fd.openat(files.root.fd, ".", fd.O_RDONLY | fd.O_DIRECTORY);
        await copy({ root, ignore: undefined, name: text });
      }),
    );
  }

  async #owner(state: State, text: string | undefined): Promise<{ uid: number; gid: number }> {
    if (text === undefined) return { uid: 0, gid: 0 };
    const [, uid, gid] = /^(\d+)(?::(\d+))?$/.exec(text) ?? [];
    if (uid !== undefined) return { uid: Number(uid), gid: Number(gid ?? uid) };
    const { image } = state;
    if (!image) throw new EngineError(`--chown=${text}: FROM scratch knows no names, only numbers`);
    return await this.#withContainer(image, (record) =>
      keepingMounts(() => {
        using files = openContainerFiles(this.#engine, record);
        const read = (path: string) => {
          try {
            using file = openInRoot(files.root.fd, path, fd.O_RDONLY);
            return fd.readExactly(file.fd, Math.min(Number(fd.statat(file.fd, "").size), 1 << 20)).toString();
          } catch {
            return "";
          }
        };
        const [user = "", group = user] = text.split(":");
        const resolved = resolveUser({ user: `${user}:${group}`, groups: [] }, read("etc/passwd"), read("etc/group"));
        return { uid: resolved.uid, gid: resolved.gid };
      }),
    );
  }

  // The layer of a COPY or ADD.
  async #layer(
    state: State,
    { name, rest }: Instruction,
    place: string,
    batches: { root: SourceRoot; sources: Source[] }[],
    change: { uid: number; gid: number; mode: number | undefined },
  ): Promise<string> {
    const config = state.config.config ?? {};
    const base = state.image ?? this.#emptyImage();
    return await this.#withContainer(base, async (record) => {
      await keepingMounts(async () => {
        for (const { root, sources } of batches) {
          const archives = name === "ADD" && root.name !== "the Dockerfile" ? sources.filter((source) => isUnpacked(root, source)) : [];
          for (const source of archives)
            await atPlace(this.#engine, record, place.endsWith("/") ? place : `${place}/`, change, async (at) => {
              using file = openInRoot(root.root.fd, source.path, fd.O_RDONLY);
              const { size } = fd.statat(file.fd, "");
              await unpackAt(at, decompress(readRange({ fd: file.fd, offset: 0, size: Number(size) })));
            });
          const others = sources.filter((source) => !archives.includes(source));
          if (others.length === 0) continue;
          const isFolder = others.length > 1 || others.some((source) => source.isFolder);
          await atPlace(this.#engine, record, isFolder && !place.endsWith("/") ? `${place}/` : place, change, (at) =>
            writeAt(at, (write) => writeSources(write, root, others, at.name, change)),
          );
        }
      });
      return await commitStep(this.#engine, record, base, { config, createdBy: `${name} ${rest}`, author: state.config.author ?? "" });
    });
  }

  // An image of nothing, for the first files of FROM scratch.
  #emptyImage(): ImageRecord {
    const id = this.#commit(emptyConfig(this.#platform), []);
    recordBuildStep(this.#engine.db, digest("empty"), id);
    return getImage(this.#engine.db, id) as ImageRecord;
  }
}

// Whatever is built has one, as docker has it.
function withPath(config: ImageConfig): ImageConfig {
  const env = config.config?.Env ?? [];
  return env.some((variable) => variable.startsWith("PATH="))
    ? config
    : { ...config, config: { ...config.config, Env: [`PATH=${DEFAULT_PATH}`, ...env] } };
}

const STOPPED_BY = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
const COPY_FLAGS = ["from", "chown", "chmod", "link"]; // layers are always apart from those below, which is what link asks for
const HEALTH_FLAGS = ["interval", "timeout", "start-period", "start-interval", "retries"];

const copyOf = (state: State): State => ({ ...state, args: new Map() });
const short = (id: string) => id.replace("sha256:", "").slice(0, 12);
const digest = (text: string) => new Bun.CryptoHasher("sha256").update(text).digest("hex");
const buildLabels = () => ({ [LABEL]: JSON.stringify(currentProcess()) });

function emptyConfig(platform: Platform): ImageConfig {
  return { ...platform, config: {}, rootfs: { type: "layers", diff_ids: [] }, history: [] };
}

function layersOf(engine: Engine, image: ImageRecord | undefined): StagedLayer[] {
  return (image?.layers ?? []).map((diffId) => {
    const layer = knownLayer(engine, diffId);
    if (!layer) throw new EngineError(`layer ${diffId} has no content in the store`);
    return layer;
  });
}
