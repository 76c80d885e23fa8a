import type { Engine } from "../../engine/engine.ts";
import { type PushOptions, pushImage } from "../../engine/push-image.ts";
import { requirePlatform, resolveImage } from "../../engine/resolve-image.ts";
import { familiarName, formatReference, isTagged, parseReference, type Reference, repositoryOf } from "../../image/reference.ts";
import type { ConnectionOptions } from "../../image/registry/connection.ts";
import { listImages } from "../../store/images.ts";
import { defineCommand } from "../command.ts";
import { UsageError } from "../errors.ts";
import { Progress } from "../format/progress.ts";
import { connectionOptions, REGISTRY_FLAGS, TRUST_FLAG } from "../registry-flags.ts";

export default defineCommand({
  usage: "[OPTIONS] NAME[:TAG]",
  flags: {
    ...REGISTRY_FLAGS,
    ...TRUST_FLAG,
    "compression-format": { type: "string", value: "FORMAT", help: "Pack layers with gzip or zstd (as they came; gzip where they were not packed)" },
    "all-tags": { short: "a", type: "boolean", help: "Push all tags of an image to the repository" },
    platform: { type: "string", help: "Only if the image is for this platform (OS/ARCH[/VARIANT])" },
    quiet: { short: "q", type: "boolean", help: "Suppress verbose output" },
  },
  args: { min: 1, max: 1 },
  async run({ engine }, flags, [text = ""]) {
    const reference = parseReference(text);
    const compression = flags["compression-format"];
    if (compression !== undefined && compression !== "gzip" && compression !== "zstd")
      throw new UsageError(`invalid argument "${compression}" for "--compression-format" flag: expected gzip or zstd`);
    const progress = flags.quiet ? undefined : new Progress(1);
    const repository = repositoryOf(reference);
    const names = flags["all-tags"]
      ? listImages(engine.db).flatMap((image) => image.names.filter((name) => name.startsWith(`${repository}:`)))
      : [formatReference(reference)];
    if (!flags["all-tags"] && !isTagged(text)) progress?.say("Using default tag: latest");
    progress?.say(`The push refers to repository [${repository}]`);
    for (const name of names) {
      if (flags.platform !== undefined) requirePlatform(resolveImage(engine, name).image, name, flags.platform);
      await push(engine, parseReference(name), { ...connectionOptions(flags), compression }, progress);
      const { repository: shown, tag } = familiarName(name);
      if (flags.quiet) console.log(`${shown}:${tag}`);
    }
  },
});

/** Pushes an image and tells of it as docker does. */
export async function push(
  engine: Engine,
  reference: Reference,
  options: Pick<PushOptions, "compression"> & ConnectionOptions,
  progress: Progress | undefined,
): Promise<void> {
  try {
    const { digest, size } = await pushImage(engine, reference, {
      ...options,
      progress: (layer, status) => {
        if (status === "Preparing") progress?.update(layer, status);
        else progress?.done(layer, status);
      },
      sending: progress?.isLive ? (layer, current, total) => progress.update(layer, "Pushing", current, total) : undefined,
    });
    progress?.say(`${reference.tag}: digest: ${digest} size: ${size}`);
  } finally {
    progress?.finish();
  }
}
