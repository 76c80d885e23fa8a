import type { Engine } from "../../engine/engine.ts";
import { type PullProgress, pullImage } from "../../engine/pull-image.ts";
import { parsePlatform } from "../../image/media-types.ts";
import { familiarName, formatReference, isTagged, parseReference, type Reference } from "../../image/reference.ts";
import { Registry } from "../../image/registry/client.ts";
import type { ConnectionOptions } from "../../image/registry/connection.ts";
import { defineCommand } from "../command.ts";
import { Progress } from "../format/progress.ts";
import { connectionOptions, REGISTRY_FLAGS, TRUST_FLAG } from "../registry-flags.ts";

export default defineCommand({
  usage: "[OPTIONS] NAME[:TAG|@DIGEST]",
  flags: {
    ...REGISTRY_FLAGS,
    ...TRUST_FLAG,
    "all-tags": { short: "a", type: "boolean", help: "Download all tagged images in the repository" },
    platform: { type: "string", help: "Set platform if the image has several (OS/ARCH[/VARIANT])" },
    quiet: { short: "q", type: "boolean", help: "Suppress verbose output" },
  },
  args: { min: 1, max: 1 },
  async run({ engine }, flags, [text = ""]) {
    const reference = parseReference(text);
    const connection = connectionOptions(flags);
    const tags = flags["all-tags"] ? await new Registry(reference.domain, reference.path, connection).tags() : [reference.tag];
    const progress = flags.quiet ? undefined : new Progress(1);
    if (!flags["all-tags"] && !isTagged(text)) progress?.say("Using default tag: latest");
    for (const tag of tags) {
      const one = { ...reference, tag };
      await pull(engine, one, { connection, platform: flags.platform, progress });
      console.log(fullText(one));
    }
  },
});

const fullText = (reference: Reference) =>
  reference.digest === undefined ? formatReference(reference) : `${reference.domain}/${reference.path}@${reference.digest}`;

interface Options {
  connection: ConnectionOptions;
  platform: string | undefined;
  /** Where it is told; undefined for nowhere. */
  progress: Progress | undefined;
}

/** Pulls an image and tells of it as docker does. */
export async function pull(engine: Engine, reference: Reference, { connection, platform, progress }: Options): Promise<void> {
  const { repository } = familiarName(formatReference(reference));
  const shown = reference.path.startsWith("library/") && reference.domain === "docker.io" ? reference.path : repository;
  progress?.say(`${reference.digest ?? reference.tag}: Pulling from ${shown}`);
  try {
    const { digest, fresh } = await pullImage(engine, reference, {
      ...connection,
      platform: platform === undefined ? undefined : parsePlatform(platform),
      progress: (layer, state) => tell(progress, layer, state),
    });
    progress?.say(`Digest: ${digest}`);
    progress?.say(`Status: ${fresh ? "Downloaded newer image" : "Image is up to date"} for ${repository}:${reference.tag}`);
  } finally {
    progress?.finish();
  }
}

function tell(progress: Progress | undefined, layer: string, state: PullProgress): void {
  if ("current" in state) progress?.update(layer, state.status, state.current, state.total);
  else if (state.status === "Pulling fs layer") progress?.update(layer, state.status);
  else progress?.done(layer, state.status);
}
