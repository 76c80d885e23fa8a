/** `RUN`. */
import { rmSync } from "../../../ffi/files.ts";
import { exitNow } from "../../../ffi/process.ts";
import { signalNumber } from "../../../ffi/signal.ts";
import { DockerfileError, type Instruction, jsonList, type Lookup } from "../../image/dockerfile.ts";
import { shellOf } from "../../image/instructions.ts";
import { type ContainerRecord, getContainer } from "../../store/containers.ts";
import { createContainer } from "../create-container.ts";
import type { Engine } from "../engine.ts";
import { EngineError, StepFailed } from "../errors.ts";
import { commitStep } from "../export-container.ts";
import { removeContainer } from "../remove-container.ts";
import { startContainer } from "../start-container.ts";
import { digestOfMounts, type Mounted, withMounts } from "./mounted.ts";
import { parseRunMount } from "./run-mount.ts";
import { type BuildOfSteps, type BuildOptions, buildLabels, PROXY_ARGS, type State } from "./steps.ts";

const STOPPED_BY = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * Runs a command, and keeps what it changed.
 *
 * @param scratch a folder that is this step's own, for what it has mounted; removed again
 */
export async function runStep(build: BuildOfSteps, state: State, instruction: Instruction, lookup: Lookup, scratch: string): Promise<void> {
  const { engine, options } = build;
  const { flags, heredocs, rest } = instruction;
  const [only] = heredocs;
  const isScript = only && /^<<-?["']?\w+["']?$/.test(rest);
  const shown = isScript ? only.text : [rest, ...heredocs.map(({ name, text }) => `\n${text}${name}`)].join("");
  const command = (heredocs.length === 0 && jsonList(rest)) || [...shellOf(state.config.config ?? {}), shown];
  const args = [...state.args]
    .filter(([name, value]) => value !== undefined && !PROXY_ARGS.includes(name))
    .map(([name, value]) => `${name}=${value}`);
  const env = state.config.config?.Env ?? [];
  // The image's own count.
  const own = args.filter((arg) => !env.some((variable) => variable.startsWith(arg.slice(0, arg.indexOf("=") + 1))));
  const proxies = PROXY_ARGS.flatMap((name) => (options.args[name] === undefined ? [] : [`${name}=${options.args[name]}`]));
  const workdir = state.config.config?.WorkingDir || "/";
  const mounts = flags.flatMap(({ name, value }) => (name === "mount" ? [parseRunMount(value, instruction.line, lookup, workdir)] : []));
  const security = flags.find(({ name }) => name === "security")?.value ?? "sandbox";
  if (security !== "sandbox") throw new DockerfileError(`line ${instruction.line}: RUN: --security=${security} is not allowed: expected sandbox`);
  const network = flags.find(({ name }) => name === "network")?.value;
  const given = own.length > 0 ? `|${own.length} ${own.join(" ")} ` : "";
  const part = `RUN ${given}${JSON.stringify(command)} ${flags.map(({ name, value }) => `--${name}=${value}`).join(" ")}`;
  const seen = await digestOfMounts(build, mounts);
  const run = async (mounted: Mounted) => {
    const base = state.image;
    if (!base) throw new DockerfileError(`line ${instruction.line}: RUN: FROM scratch has nothing to run`);
    const record = createContainer(
      engine,
      options.containerOptions({
        image: base.id,
        command,
        env: [...own, ...proxies, ...mounted.env],
        labels: buildLabels(),
        mounts: mounted.mounts,
        network: network === "default" ? undefined : network,
      }),
      true,
      (warning) => options.say(warning),
    );
    try {
      options.say(` ---> Running in ${record.id.slice(0, 12)}`);
      const code = await execute(build, record);
      if (code !== 0) throw new StepFailed(`The command '${command.join(" ")}' returned a non-zero code: ${code}`, code);
      const ended = getContainer(engine.db, record.id) ?? record;
      return await commitStep(engine, ended, base, {
        config: state.config.config ?? {},
        createdBy: `${given}${command.join(" ")}`,
        author: state.config.author ?? "",
      });
    } finally {
      removeContainer(engine, record.id, { force: true, volumes: true });
    }
  };
  try {
    await build.take(state, `${part}${seen && ` ${seen}`}`, () => withMounts(build, mounts, scratch, run));
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function execute({ engine, options }: BuildOfSteps, record: ContainerRecord): Promise<number> {
  const stop = (signal: NodeJS.Signals) => {
    removeContainer(engine, record.id, { force: true, volumes: true });
    exitNow(128 + (signalNumber(signal) ?? 0));
  };
  for (const signal of STOPPED_BY) process.once(signal, stop);
  try {
    return await follow(engine, options, record);
  } finally {
    for (const signal of STOPPED_BY) process.removeListener(signal, stop);
  }
}

async function follow(engine: Engine, options: BuildOptions, record: ContainerRecord): Promise<number> {
  const container = await startContainer(engine, record, {
    attach: true,
    stdin: false,
    onOutput: (_, chunk) => options.output(chunk),
    warn: (text) => options.say(text),
  });
  const code = await container.exited;
  if (code === undefined) throw new EngineError(`the monitor of container ${record.id} was killed`);
  return code;
}
