import { resolveImage } from "../../engine/resolve-image.ts";
import { formatReference, parseReference } from "../../image/reference.ts";
import { nameImage } from "../../store/images.ts";
import { defineCommand } from "../command.ts";

export default defineCommand({
  names: ["tag", "image tag"],
  summary: "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE",
  usage: "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
  flags: {},
  args: { min: 2, max: 2 },
  async run({ engine }, _flags, [source = "", target = ""]) {
    const name = formatReference(parseReference(target));
    nameImage(engine.db, name, resolveImage(engine, source).image.id);
  },
});
