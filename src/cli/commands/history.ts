import { resolveImage } from "../../engine/resolve-image.ts";
import { layerSize } from "../../store/images.ts";
import { defineCommand } from "../command.ts";
import { goTime, humanDuration, humanSize } from "../format/human.ts";
import { printListing } from "../format/output.ts";

const HEADERS = { ID: "IMAGE", CreatedSince: "CREATED", CreatedAt: "CREATED AT", CreatedBy: "CREATED BY", Size: "SIZE", Comment: "COMMENT" };

export default defineCommand({
  names: ["history", "image history"],
  summary: "Show the history of an image",
  usage: "[OPTIONS] IMAGE",
  flags: {
    format: { type: "string", help: "Format output using a Go template, 'table TEMPLATE', or 'json'" },
    "no-trunc": { type: "boolean", help: "Don't truncate output" },
    quiet: { short: "q", type: "boolean", help: "Only show image IDs" },
  },
  args: { min: 1, max: 1 },
  async run({ engine }, flags, [name = ""]) {
    const { image } = resolveImage(engine, name);
    const shorten = (text: string, length: number) => (flags["no-trunc"] || text.length <= length ? text : `${text.slice(0, length - 1)}\u2026`);
    let layer = 0;
    const rows = (image.config.history ?? []).map((step) => {
      const size = step.empty_layer ? 0 : layerSize(engine.db, image.layers[layer++] ?? "");
      const created = Date.parse(step.created ?? "") || 0;
      return {
        ID: "<missing>",
        CreatedSince: created === 0 ? "N/A" : `${humanDuration(Date.now() - created)} ago`,
        CreatedAt: goTime(created),
        CreatedBy: shorten(step.created_by ?? "", 45),
        Size: humanSize(size),
        Comment: step.comment ?? "",
      };
    });
    const last = rows.at(-1);
    if (last) last.ID = flags["no-trunc"] ? image.id : image.id.slice(7, 19);
    const table = "{{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}";
    printListing({ headers: HEADERS, rows: rows.toReversed(), table }, flags.quiet ? "{{.ID}}" : flags.format);
  },
});
