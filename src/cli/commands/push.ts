import { pushImage } from "../../engine/push-image.ts";
import { familiarName, formatReference, parseReference, repositoryOf } from "../../image/reference.ts";
import { listImages } from "../../store/images.ts";
import { defineCommand } from "../command.ts";
import { REGISTRY_FLAGS } from "../registry-flags.ts";

export default defineCommand({
  names: ["push", "image push"],
  summary: "Upload an image to a registry",
  usage: "[OPTIONS] NAME[:TAG]",
  flags: {
    ...REGISTRY_FLAGS,
    "all-tags": { short: "a", type: "boolean", help: "Push all tags of an image to the repository" },
    quiet: { short: "q", type: "boolean", help: "Suppress verbose output" },
  },
  args: { min: 1, max: 1 },
  async run({ engine }, flags, [text = ""]) {
    const reference = parseReference(text);
    const say = flags.quiet ? () => {} : console.log;
    const repository = repositoryOf(reference);
    const names = flags["all-tags"]
      ? listImages(engine.db).flatMap((image) => image.names.filter((name) => name.startsWith(`${repository}:`)))
      : [formatReference(reference)];
    say(`The push refers to repository [${repository}]`);
    for (const name of names) {
      const one = parseReference(name);
      const { digest, size } = await pushImage(engine, one, { tlsVerify: flags["tls-verify"], progress: (layer, what) => say(`${layer}: ${what}`) });
      say(`${one.tag}: digest: ${digest} size: ${size}`);
      if (flags.quiet) console.log(`${familiarName(name).repository}:${one.tag}`);
    }
  },
});
