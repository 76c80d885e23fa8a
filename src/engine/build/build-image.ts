/** `build`: a Dockerfile's stages, step by step, each kept as an image that the next build finds again. */

import { existsSync, readdirSync, rmSync } from "../../../ffi/files.ts";
import { dirname, join } from "../../../ffi/path.ts";
import { DockerfileError, type Instruction, type Lookup, parseInstruction, shellWord, shellWords } from "../../image/dockerfile.ts";
import { type Configured, checkFlags, configure, textOf } from "../../image/instructions.ts";
import { ownPlatform, type Platform, parsePlatform } from "../../image/media-types.ts";
import { DEFAULT_PATH } from "../../runtime/process/command.ts";
import { BUILD_LABEL } from "../../store/container-config.ts";
import { listContainers } from "../../store/containers.ts";
import { writeTransaction } from "../../store/database.ts";
import { findBuildStep, getImage, type ImageConfig, type ImageRecord, nameImage, recordBuildStep } from "../../store/images.ts";
import { isAlive, type ProcessIdentity } from "../../store/process-identity.ts";
import type { Engine } from "../engine.ts";
import { EngineError } from "../errors.ts";
import { knownLayer } from "../load-images.ts";
import { removeContainer } from "../remove-container.ts";
import { resolveImage } from "../resolve-image.ts";
import { commitImage, type StagedLayer } from "../stage-image.ts";
import { copyStep } from "./copy-step.ts";
import { runStep } from "./run-step.ts";
import { type BuildOfSteps, type BuildOptions, type State, temporaryFolder } from "./steps.ts";
import { workdirStep } from "./workdir-step.ts";

/** Builds; gives the image's id. Throws {@link EngineError}, {@link DockerfileError}. */
export async function buildImage(engine: Engine, options: BuildOptions): Promise<string> {
  sweepBuilds(engine);
  return await new Build(engine, options).run();
}

// What builds left that were killed.
function sweepBuilds(engine: Engine): void {
  for (const { id, config } of listContainers(engine.db)) {
    const label = config.labels[BUILD_LABEL];
    if (label !== undefined && !isAlive(JSON.parse(label) as ProcessIdentity)) removeContainer(engine, id, { force: true, volumes: true });
  }
  const folder = dirname(temporaryFolder(engine));
  for (const pid of existsSync(folder) ? readdirSync(folder) : [])
    if (!existsSync(join("/proc", pid))) rmSync(join(folder, pid), { recursive: true, force: true });
}

interface Stage {
  name: string | undefined;
  from: Instruction;
  instructions: Instruction[];
}

class Build implements BuildOfSteps {
  readonly engine: Engine;
  readonly options: BuildOptions;
  readonly #stages: Stage[];
  readonly #globals = new Map<string, string | undefined>();
  /** The images of stages that are done. */
  readonly #done = new Map<Stage, State>();
  readonly #platform: Platform;
  #step = 0;
  #steps = 0;

  constructor(engine: Engine, options: BuildOptions) {
    this.engine = engine;
    this.options = options;
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
    for (const instruction of this.options.instructions) {
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
    const { target, names } = this.options;
    const last = target === undefined ? (this.#stages.at(-1) as Stage) : this.#stage(target, this.#stages.length);
    if (!last) throw new EngineError(`target stage ${JSON.stringify(target)} could not be found: expected ${this.#stageNames()}`);
    const wanted = this.#needed(last);
    this.#steps = wanted.reduce((sum, stage) => sum + 1 + stage.instructions.length, 0);
    for (const stage of wanted) this.#done.set(stage, await this.#build(stage, stage === last));
    const { image } = this.#done.get(last) as State;
    if (!image) throw new EngineError("no image was generated: FROM scratch needs at least one more instruction");
    writeTransaction(this.engine.db, () => {
      for (const name of names) nameImage(this.engine.db, name, image.id);
    });
    return image.id;
  }

  #stageNames = () => this.#stages.map(({ name }, i) => name ?? String(i)).join(", ");

  // By name or number, of those before one.
  #stage(text: string, before: number): Stage | undefined {
    if (Object.hasOwn(this.options.contexts, text)) return undefined;
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
    const named = this.options.contexts[base];
    if (named?.type === "folder") throw new DockerfileError(`line ${from.line}: FROM ${base}: this context is a folder, expected an image`);
    return named?.reference ?? base;
  }

  async #build(stage: Stage, isLast: boolean): Promise<State> {
    const base = this.#baseName(stage);
    this.#announce(`FROM ${stage.from.rest}`);
    const earlier = this.#stage(base, this.#stages.indexOf(stage));
    const state = earlier ? copyOf(this.#done.get(earlier) as State) : await this.#begin(base, stage.from);
    if (state.image) this.options.say(` ---> ${short(state.image.id)}`);
    const onBuild = earlier ? [] : (state.config.config?.OnBuild ?? []);
    if (onBuild.length > 0) {
      this.options.say(`# Executing ${onBuild.length} build trigger${onBuild.length > 1 ? "s" : ""}`);
      state.config = { ...state.config, config: { ...state.config.config, OnBuild: null } };
      for (const text of onBuild) await this.#apply(state, parseInstruction(text, stage.from.line));
    }
    for (const instruction of stage.instructions) {
      this.#announce(textOf(instruction));
      await this.#apply(state, instruction);
    }
    if (isLast && Object.keys(this.options.labels).length > 0) {
      const labels = this.options.labels;
      const { config = {} } = state.config;
      await this.#set(state, { text: `LABEL ${JSON.stringify(labels)}`, config: { ...config, Labels: { ...config.Labels, ...labels } } });
    }
    return state;
  }

  #announce(text: string): void {
    this.options.say(`Step ${++this.#step}/${this.#steps} : ${text}`);
  }

  async #begin(base: string, from: Instruction): Promise<State> {
    const asked = from.flags.find(({ name }) => name === "platform")?.value;
    const platform = asked === undefined ? this.options.platform : shellWord(asked, (name) => this.#globals.get(name));
    const state: State = { image: undefined, config: emptyConfig(this.#platform), key: digest("scratch"), args: new Map() };
    if (base === "scratch") return { ...state, config: withPath(state.config) };
    await this.options.fetch(base, platform);
    const { image } = resolveImage(this.engine, base);
    return { ...state, image, config: withPath(image.config), key: image.id };
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
      return [name, this.options.args[name] ?? preset ?? this.#globals.get(name)];
    });
  }

  async #apply(state: State, instruction: Instruction): Promise<void> {
    const { name, rest, line } = instruction;
    const lookup = this.#lookup(state);
    inLine(line, () => checkFlags(instruction));
    switch (name) {
      case "RUN":
        return await runStep(this, state, instruction, lookup, this.#scratch());
      case "COPY":
      case "ADD":
        return await copyStep(this, state, instruction, lookup, this.#scratch());
      case "ARG":
        for (const [own, value] of this.#declared(instruction, lookup)) state.args.set(own, value);
        return;
      case "MAINTAINER":
        state.config = { ...state.config, author: rest };
        return await this.#set(state, { text: `MAINTAINER ${rest}`, config: state.config.config ?? {} });
      default: {
        const configured = inLine(line, () => configure(state.config.config ?? {}, instruction, lookup, this.#ownsCommand.has(state)));
        if (!configured) throw new DockerfileError(`line ${line}: ${name}: is not expected here`);
        if (name === "WORKDIR") await workdirStep(this, state, configured);
        else await this.#set(state, configured);
        if (name === "CMD" && configured.config.Cmd?.length) this.#ownsCommand.add(state);
      }
    }
  }

  /** Stages whose command is their own, not their base's. */
  readonly #ownsCommand = new WeakSet<State>();

  // A step that makes no layer.
  async #set(state: State, configured: Configured): Promise<void> {
    await this.take(state, configured.text, async () => this.commitConfig(state, configured));
  }

  commitConfig(state: State, { text, config: changed }: Configured): string {
    const created = new Date().toISOString();
    const config: ImageConfig = {
      ...state.config,
      created,
      config: changed,
      history: [...(state.config.history ?? []), { created, created_by: text, empty_layer: true }],
    };
    return this.#commit(config, layersOf(this.engine, state.image));
  }

  #commit(config: ImageConfig, layers: StagedLayer[]): string {
    return commitImage(this.engine, { config: JSON.stringify(config), layers, names: [], digests: [] });
  }

  stage(text: string): State | undefined {
    const stage = this.#stage(text, this.#stages.length);
    return stage && this.#done.get(stage);
  }

  // Where files lie meanwhile that come from nowhere else.
  #scratch = () => join(temporaryFolder(this.engine), String(this.#step));

  async take(state: State, part: string, make: () => Promise<string>): Promise<void> {
    const { db } = this.engine;
    state.key = digest(`${state.key}\n${part}`);
    let image = this.options.useCache ? findBuildStep(db, state.key) : undefined;
    if (image) this.options.say(" ---> Using cache");
    else {
      const id = await make();
      recordBuildStep(db, state.key, id);
      image = getImage(db, id);
      if (!image) throw new EngineError("the image of this step was removed by another command meanwhile, try again");
    }
    this.options.say(` ---> ${short(image.id)}`);
    state.image = image;
    state.config = image.config;
  }

  emptyImage(): ImageRecord {
    const id = this.#commit(emptyConfig(this.#platform), []);
    recordBuildStep(this.engine.db, digest("empty"), id);
    return getImage(this.engine.db, id) as ImageRecord;
  }
}

// Whatever is built has one, as docker has it.
function withPath(config: ImageConfig): ImageConfig {
  const env = config.config?.Env ?? [];
  return env.some((variable) => variable.startsWith("PATH="))
    ? config
    : { ...config, config: { ...config.config, Env: [`PATH=${DEFAULT_PATH}`, ...env] } };
}

// What is wrong, and in which line.
function inLine<T>(line: number, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw error instanceof DockerfileError && !error.message.startsWith("line ") ? new DockerfileError(`line ${line}: ${error.message}`) : error;
  }
}

const copyOf = (state: State): State => ({ ...state, args: new Map() });
const short = (id: string) => id.replace("sha256:", "").slice(0, 12);
const digest = (text: string) => new Bun.CryptoHasher("sha256").update(text).digest("hex");

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
