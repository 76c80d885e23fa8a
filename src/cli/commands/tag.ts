import { resolveImage } from "../../engine/resolve-image.ts";
import { familiarName, formatReference, parseReference } from "../../image/reference.ts";
import { addImageEvent, nameImage } from "../../store/images.ts";
import { defineCommand } from "../command.ts";

export default defineCommand({
  usage: "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
  flags: {},
  args: { min: 2, max: 2 },
  async run({ engine }, _flags, [source = "", target = ""]) {
    const name = formatReference(parseReference(target));
    const { id } = resolveImage(engine, source).image;
    nameImage(engine.db, name, id);
    const { repository, tag } = familiarName(name);
    addImageEvent(engine.db, "tag", id, `${repository}:${tag}`);
  },
});
