import type { Engine } from "../../engine/engine.ts";
import { pullImage } from "../../engine/pull-image.ts";
import { parsePlatform } from "../../image/media-types.ts";
import { familiarName, formatReference, parseReference, type Reference } from "../../image/reference.ts";
import { Registry } from "../../image/registry/client.ts";
import { defineCommand } from "../command.ts";
import { REGISTRY_FLAGS } from "../registry-flags.ts";

export default defineCommand({
  names: ["pull", "image pull"],
  summary: "Download an image from a registry",
  usage: "[OPTIONS] NAME[:TAG|@DIGEST]",
  flags: {
    ...REGISTRY_FLAGS,
    "all-tags": { short: "a", type: "boolean", help: "Download all tagged images in the repository" },
    platform: { type: "string", help: "Set platform if the image has several (OS/ARCH[/VARIANT])" },
    quiet: { short: "q", type: "boolean", help: "Suppress verbose output" },
  },
  args: { min: 1, max: 1 },
  async run({ engine }, flags, [text = ""]) {
    const reference = parseReference(text);
    const options = { tlsVerify: flags["tls-verify"], platform: flags.platform, say: flags.quiet ? () => {} : console.log };
    const tags = flags["all-tags"] ? await new Registry(reference.domain, reference.path, options).tags() : [reference.tag];
    for (const tag of tags) {
      const one = { ...reference, tag };
      await pull(engine, one, options);
      console.log(fullText(one));
    }
  },
});

const fullText = (reference: Reference) =>
  reference.digest === undefined ? formatReference(reference) : `${reference.domain}/${reference.path}@${reference.digest}`;

interface Options {
  tlsVerify: boolean;
  platform: string | undefined;
  /** Where a line of progress goes. */
  say(line: string): void;
}

/** Pulls an image and tells of it as docker does. */
export async function pull(engine: Engine, reference: Reference, { tlsVerify, platform, say }: Options): Promise<void> {
  const { repository } = familiarName(formatReference(reference));
  const shown = reference.path.startsWith("library/") && reference.domain === "docker.io" ? reference.path : repository;
  say(`${reference.digest ?? reference.tag}: Pulling from ${shown}`);
  const { digest, fresh } = await pullImage(engine, reference, {
    tlsVerify,
    platform: platform === undefined ? undefined : parsePlatform(platform),
    progress: (layer, what) => say(`${layer}: ${what}`),
  });
  say(`Digest: ${digest}`);
  say(`Status: ${fresh ? "Downloaded newer image" : "Image is up to date"} for ${repository}:${reference.tag}`);
}
