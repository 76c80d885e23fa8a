import type { Engine } from "../../engine/engine.ts";
import { NotFound } from "../../engine/errors.ts";
import { inspectContainer } from "../../engine/inspect-container.ts";
import { resolveContainer } from "../../engine/resolve-container.ts";
import { InvalidReference } from "../../image/reference.ts";
import type { ContainerRecord } from "../../store/containers.ts";
import { defineCommand } from "../command.ts";
import { forEach } from "../each.ts";
import { CommandFailure } from "../errors.ts";
import { printFormatted } from "../format/output.ts";
import { printBlocking } from "../streams.ts";

// Mostly a container is asked for.
const loadImages = () => ({
  ...(require("../../engine/inspect-image.ts") as typeof import("../../engine/inspect-image.ts")),
  ...(require("../../engine/resolve-image.ts") as typeof import("../../engine/resolve-image.ts")),
});
const loadVolumes = () => require("../../engine/volumes.ts") as typeof import("../../engine/volumes.ts");
const loadSizes = () => require("../../engine/disk-usage.ts") as typeof import("../../engine/disk-usage.ts");
const loadNetworks = () => ({
  ...(require("../../engine/inspect-network.ts") as typeof import("../../engine/inspect-network.ts")),
  ...(require("../../engine/list-networks.ts") as typeof import("../../engine/list-networks.ts")),
  ...(require("../../engine/resolve-network.ts") as typeof import("../../engine/resolve-network.ts")),
});

export default defineCommand({
  usage: "[OPTIONS] NAME|ID [NAME|ID...]",
  flags: {
    format: { short: "f", type: "string", help: "Format output using a Go template, or 'json'" },
    platform: { type: "string", help: "Only images for this platform (OS/ARCH[/VARIANT])" },
    size: { short: "s", type: "boolean", help: "Display total file sizes if the type is container" },
    verbose: { short: "v", type: "boolean", help: "Verbose output for diagnostics of networks (there are none)", hidden: true },
    type: { type: "string", help: "Only inspect objects of the given type (container, image, network, volume)" },
  },
  args: { min: 1 },
  examples: ["berth inspect -f '{{.State.ExitCode}}' web"],
  async run({ engine, command }, flags, args) {
    const type = flags.type ?? /^(container|image|network|volume) /.exec(command)?.[1];
    if (type !== undefined && !["container", "image", "network", "volume"].includes(type))
      throw new CommandFailure(`unknown type ${type}: expected container, image, network or volume`, 1);
    const found: unknown[] = [];
    let wasPrinted = false;
    const exitCode = await forEach(args, (name) => {
      const value = inspect(engine, name, type, flags);
      if (flags.format === undefined) found.push(value);
      else {
        printFormatted(flags.format, value);
        wasPrinted = true;
      }
    });
    if (flags.format !== undefined && exitCode !== 0 && !wasPrinted) printBlocking("\n"); // as docker ends what it has not begun
    if (flags.format === undefined) printBlocking(`${JSON.stringify(found, null, 4)}\n`);
    return exitCode;
  },
});

interface Options {
  size: boolean;
  platform: string | undefined;
}

function inspect(engine: Engine, name: string, type: string | undefined, options: Options): Record<string, unknown> {
  if (type === "volume") return inspectNamedVolume(engine, name);
  if (type === "network") return inspectAnyNetwork(engine, name);
  if (type !== "image") {
    try {
      const record = resolveContainer(engine, name);
      return { ...inspectContainer(engine, record), ...(options.size && sizes(engine, record)) };
    } catch (error) {
      if (!(error instanceof NotFound) || type !== undefined) throw error;
    }
  }
  try {
    const { inspectImage, requirePlatform, resolveImage } = loadImages();
    const { image } = resolveImage(engine, name);
    requirePlatform(image, name, options.platform);
    return inspectImage(engine, image);
  } catch (error) {
    if (type !== undefined || !(error instanceof NotFound || error instanceof InvalidReference)) throw error;
  }
  try {
    return inspectAnyNetwork(engine, name);
  } catch (error) {
    if (!(error instanceof NotFound)) throw error;
  }
  try {
    return inspectNamedVolume(engine, name);
  } catch (error) {
    throw error instanceof NotFound ? new NotFound(`No such object: ${name}`) : error;
  }
}

function sizes(engine: Engine, record: ContainerRecord): { SizeRw: number; SizeRootFs: number } {
  const { own, image } = loadSizes().containerSize(engine, record);
  return { SizeRw: own, SizeRootFs: own + image };
}

function inspectNamedVolume(engine: Engine, name: string): Record<string, unknown> {
  const { inspectVolume, resolveVolume } = loadVolumes();
  return inspectVolume(engine, resolveVolume(engine, name));
}

function inspectAnyNetwork(engine: Engine, name: string): Record<string, unknown> {
  const { allNetworks, inspectBuiltIn, inspectNetwork, resolveNetwork } = loadNetworks();
  const builtIn = allNetworks(engine).find((network) => !network.config && network.name === name);
  return builtIn ? inspectBuiltIn(engine, builtIn) : inspectNetwork(engine, resolveNetwork(engine, name));
}
