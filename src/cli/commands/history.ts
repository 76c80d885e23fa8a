import { requirePlatform, resolveImage } from "../../engine/resolve-image.ts";
import { layerSize } from "../../store/images.ts";
import { defineCommand } from "../command.ts";
import { humanDuration, humanSize } from "../format/human.ts";
import { printListing } from "../format/output.ts";

const HEADERS = { ID: "IMAGE", CreatedSince: "CREATED", CreatedAt: "CREATED AT", CreatedBy: "CREATED BY", Size: "SIZE", Comment: "COMMENT" };

const rfc3339 = (time: number) => new Date(time).toISOString().replace(/\.\d+/, "");

export default defineCommand({
  usage: "[OPTIONS] IMAGE",
  flags: {
    format: { type: "string", help: "Format output using a Go template, 'table TEMPLATE', or 'json'" },
    human: { short: "H", type: "boolean", on: true, help: "Print sizes and dates in human readable format" },
    "no-trunc": { type: "boolean", help: "Don't truncate output" },
    platform: { type: "string", help: "Only if the image is for this platform (OS/ARCH[/VARIANT])" },
    quiet: { short: "q", type: "boolean", help: "Only show image IDs" },
  },
  args: { min: 1, max: 1 },
  async run({ engine }, flags, [name = ""]) {
    const { image } = resolveImage(engine, name);
    requirePlatform(image, name, flags.platform);
    const shorten = (text: string, length: number) => (flags["no-trunc"] || text.length <= length ? text : `${text.slice(0, length - 1)}\u2026`);
    let layer = 0;
    const rows = (image.config.history ?? []).map((step) => {
      const size = step.empty_layer ? 0 : layerSize(engine.db, image.layers[layer++] ?? "");
      const created = Date.parse(step.created ?? "") || 0;
      return {
        ID: "<missing>",
        CreatedSince: !flags.human ? rfc3339(created) : created === 0 ? "N/A" : `${humanDuration(Date.now() - created)} ago`,
        CreatedAt: rfc3339(created),
        CreatedBy: shorten(step.created_by ?? "", 45),
        Size: flags.human ? humanSize(size) : String(size),
        Comment: step.comment ?? "",
      };
    });
    const last = rows.at(-1);
    if (last) last.ID = flags["no-trunc"] ? image.id : image.id.slice(7, 19);
    const table = "{{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}";
    printListing({ headers: HEADERS, rows: rows.toReversed(), table }, flags.quiet ? "{{.ID}}" : flags.format);
  },
});
