import { existsSync, writeFileSync } from "../../../ffi/files.ts";
import { mark } from "../../../ffi/trace.ts";
import type { AttachedContainer } from "../../engine/container-connection.ts";
import { type ContainerOptions, createContainer } from "../../engine/create-container.ts";
import type { Engine } from "../../engine/engine.ts";
import { NotFound, StartError, startExitCode } from "../../engine/errors.ts";
import { startContainer } from "../../engine/start-container.ts";
import { familiarName, formatReference, parseReference } from "../../image/reference.ts";
import type { ContainerRecord } from "../../store/containers.ts";
import { DETACH_FLAG, detachKeysOf, requireTerminal } from "../attach-flags.ts";
import { defineCommand } from "../command.ts";
import { CONTAINER_FLAGS, containerOptions } from "../container-flags.ts";
import { CommandFailure, UsageError } from "../errors.ts";
import { runInForeground } from "../foreground.ts";
import { warn } from "../warn.ts";

export default defineCommand({
  usage: "[OPTIONS] IMAGE [COMMAND] [ARG...]",
  flags: {
    ...CONTAINER_FLAGS,
    detach: { short: "d", type: "boolean", help: "Run container in background and print container ID" },
    ...DETACH_FLAG,
    "sig-proxy": { type: "boolean", on: true, help: "Proxy received signals to the process (on; --sig-proxy=false switches it off)" },
  },
  args: { min: 0 },
  stopAtFirstArgument: true,
  examples: ["berth run --rm -it bb sh", "berth run -d --name web -m 64m bb httpd -f", "berth run --rm --rootfs / sh -c 'hostname; ps'"],
  async run(context, flags, args) {
    const options = containerOptions(flags, args);
    if (flags.detach && flags.attach.length > 0) throw new UsageError("Conflicting options: -a and -d");
    const streams = attachedStreams(flags.attach, flags.interactive);
    if (!flags.detach) requireTerminal(flags.tty, streams.stdin);
    options.attachStdin = !flags.detach && streams.stdin;
    options.openStdin ||= streams.stdin;
    options.attachStdout = !flags.detach;

    const detachKeys = detachKeysOf(flags["detach-keys"], flags.tty);
    mark("read flags");
    const { engine } = context;
    const monitor = context.monitor && { monitor: context.monitor };
    mark("open store");
    const record = await makeContainer(engine, options, flags, false);
    mark("make container");
    const started = ({ process }: AttachedContainer) => {
      if (flags.pidfile !== undefined) writeFileSync(flags.pidfile, String(process.pid));
    };
    try {
      if (!flags.detach) {
        const outcome = await runInForeground(context.engine, record, { ...monitor, ...streams, sigProxy: flags["sig-proxy"], detachKeys, started });
        return outcome === "detached" ? 0 : outcome;
      }
      started(await startContainer(context.engine, record, { ...monitor, attach: false, stdin: false, warn }));
      console.log(record.id);
      return 0;
    } catch (error) {
      if (!(error instanceof StartError)) throw error;
      throw new CommandFailure(error.message, startExitCode(error.kind));
    }
  },
});

interface MakeFlags {
  cidfile: string | undefined;
  pull: string | undefined;
  platform: string | undefined;
  quiet: boolean;
}

/** Makes the container, its image pulled where need be, and the file with its id; a file that is there already may be another container's. */
export async function makeContainer(
  engine: Engine,
  options: ContainerOptions,
  { cidfile, pull: policy = "missing", platform, quiet }: MakeFlags,
  keep: boolean,
): Promise<ContainerRecord> {
  if (cidfile !== undefined && existsSync(cidfile)) {
    throw new CommandFailure(`container ID file found, make sure the other container isn't running or delete ${cidfile}`, 125);
  }
  if (!["always", "missing", "never"].includes(policy))
    throw new UsageError(`invalid pull option: '${policy}': must be one of "always", "missing" or "never"`);
  const fetchImage = async () => {
    // Most images are there: what talks to registries is loaded for the others.
    const [{ pull }, { Progress }] = await Promise.all([import("./pull.ts"), import("../format/progress.ts")]);
    // Progress goes to stderr: stdout is the command's, or the id's.
    await pull(engine, parseReference(options.image), { connection: { tlsVerify: true }, platform, progress: quiet ? undefined : new Progress(2) });
  };
  if (policy === "always" && options.rootfs === undefined) await fetchImage();
  const [, newPod] = /^new:(.+)$/.exec(options.pod ?? "") ?? [];
  if (newPod !== undefined) {
    const { makePod } = await import("./pod-create.ts");
    makePod(engine, newPod, []);
    options.pod = newPod;
  }
  let record: ContainerRecord;
  try {
    record = createContainer(engine, options, keep, warn);
  } catch (error) {
    if (!(error instanceof NotFound) || !error.message.startsWith("No such image")) throw error;
    if (policy === "never") throw new NotFound(error.message);
    const { repository, tag } = familiarName(formatReference(parseReference(options.image)));
    console.error(`Unable to find image '${repository}:${tag}' locally`);
    await fetchImage();
    record = createContainer(engine, options, keep, warn);
  }
  if (cidfile !== undefined) writeFileSync(cidfile, record.id);
  return record;
}

function attachedStreams(attach: string[], interactive: boolean): { stdin: boolean; stdout: boolean; stderr: boolean } {
  const wanted = attach.map((stream) => stream.toLowerCase());
  for (const stream of wanted) {
    if (!["stdin", "stdout", "stderr"].includes(stream)) {
      throw new UsageError(`invalid argument "${stream}" for "-a, --attach" flag: valid streams are STDIN, STDOUT and STDERR`);
    }
  }
  if (wanted.length === 0) return { stdin: interactive, stdout: true, stderr: true };
  return { stdin: wanted.includes("stdin"), stdout: wanted.includes("stdout"), stderr: wanted.includes("stderr") };
}
