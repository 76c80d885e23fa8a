import type { Engine } from "../../engine/engine.ts";
import { booleanOf, type FilterTest, filtersByKey, testOfFilters } from "../../engine/filters.ts";
import { hasLabel } from "../../engine/list-containers.ts";
import { resolveImage } from "../../engine/resolve-image.ts";
import { toRegExp } from "../../image/dockerignore.ts";
import { familiarName } from "../../image/reference.ts";
import { containersOfImage, type ImageConfig, type ImageRecord, layerBlobs, listBuildCache, listImages } from "../../store/images.ts";
import { clientSetting } from "../client-config.ts";
import { defineCommand } from "../command.ts";
import { CommandFailure } from "../errors.ts";
import { humanSize } from "../format/human.ts";
import { IMAGE_HEADERS, imageRows, isNamed } from "../format/image-rows.ts";
import { alignTable, printListing } from "../format/output.ts";
import { printBlocking } from "../streams.ts";
import { parseTime } from "../values.ts";

export default defineCommand({
  usage: "[OPTIONS] [REPOSITORY[:TAG]]",
  flags: {
    all: { short: "a", type: "boolean", help: "Show all images" },
    digests: { type: "boolean", help: "Show digests" },
    filter: {
      short: "f",
      type: "list",
      value: "filter",
      help: "Filter output based on conditions provided (before, dangling, label, reference, since, until)",
    },
    format: { type: "string", help: "Format output using a Go template, 'table TEMPLATE', or 'json'" },
    "no-trunc": { type: "boolean", help: "Don't truncate output" },
    quiet: { short: "q", type: "boolean", help: "Only show image IDs" },
    tree: { type: "boolean", help: "List images with their platforms and sizes as a tree" },
  },
  args: { min: 0, max: 1 },
  async run({ engine }, flags, [asked]) {
    const isPattern = asked !== undefined && /[*?[]/.test(asked);
    const filter = isPattern ? [...flags.filter, `reference=${asked}`] : flags.filter;
    const wanted = isPattern ? undefined : asked;
    const isWanted = testOfFilters<ImageRecord>(filter, (key, value) => testOf(engine, key, value));
    const references = filtersByKey(filter).get("reference");
    // Of an image that is found by some of its names, those are shown.
    const found = (image: ImageRecord) =>
      references && isWanted(image) ? { ...image, names: image.names.filter((name) => references.some((pattern) => fits(name, pattern))) } : image;
    const images = [...listImages(engine.db), ...(flags.all ? listBuildCache(engine.db) : [])].filter(isWanted).map(found);
    if (flags.tree) {
      for (const name of ["quiet", "digests", "no-trunc", "format"] as const)
        if (flags[name]) throw new CommandFailure(`--${name} is not supported with --tree`, 1);
      printTree(engine, wanted === undefined ? images : images.filter((image) => image.names.some((name) => isNamed(name, wanted))));
      return;
    }
    const rows = images.flatMap((image) => imageRows(image, !flags["no-trunc"], wanted));
    const table = `{{.Repository}}\t{{.Tag}}\t${flags.digests ? "{{.Digest}}\t" : ""}{{.ID}}\t{{.CreatedSince}}\t{{.Size}}`;
    const unique = flags.quiet ? [...new Map(rows.map((row) => [row.ID, row])).values()] : rows;
    printListing(
      { headers: IMAGE_HEADERS, rows: unique, table },
      flags.quiet ? (flags.format ?? "{{.ID}}") : (flags.format ?? clientSetting("imagesFormat")),
    );
  },
});

// A row an image, and one below for what it is made for.
function printTree(engine: Engine, images: ImageRecord[]): void {
  const lines = images.flatMap((image) => {
    const names = image.names.map(familiarName).map(({ repository, tag }) => `${repository}:${tag}`);
    const content = image.layers.reduce((sum, diffId) => sum + (layerBlobs(engine.db, diffId)[0]?.size ?? 0), 0);
    const { os, architecture, variant } = image.config as ImageConfig & { variant?: string };
    const use = containersOfImage(engine.db, image.id).length > 0 ? "U" : "";
    const about = [image.id.slice(7, 19), humanSize(image.size + content), humanSize(content)];
    return [
      [names.length > 0 ? names.join(", ") : "<untagged>", ...about, use].join("\t"),
      [`\u2514\u2500 ${[os, architecture, variant].filter(Boolean).join("/")}`, ...about, use].join("\t"),
    ];
  });
  printBlocking(alignTable(["IMAGE\tID\tDISK USAGE\tCONTENT SIZE\tEXTRA", ...lines]));
}

function testOf(engine: Engine, key: string, value: string): FilterTest<ImageRecord> {
  const created = (image: ImageRecord) => Date.parse(image.config.created ?? "") || 0;
  switch (key) {
    case "before": {
      const end = created(resolveImage(engine, value).image);
      return (image) => created(image) < end;
    }
    case "since": {
      const start = created(resolveImage(engine, value).image);
      return (image) => created(image) > start;
    }
    case "until": {
      const end = parseTime(value, Date.now());
      return (image) => created(image) < end;
    }
    case "dangling": {
      const unnamed = booleanOf(key, value);
      return (image) => (image.names.length === 0) === unnamed;
    }
    case "label":
      return (image) => hasLabel(image.config.config?.Labels ?? {}, value);
    case "reference":
      return (image) => image.names.some((name) => fits(name, value));
    default:
      throw new CommandFailure(
        `invalid filter '${key}=${value}': expected before=IMAGE, dangling=true|false, label=NAME[=VALUE], reference=PATTERN, since=IMAGE or until=TIME`,
        1,
      );
  }
}

function fits(name: string, pattern: string): boolean {
  const { repository, tag } = familiarName(name);
  const expression = toRegExp(pattern);
  return expression.test(repository) || expression.test(`${repository}:${tag}`);
}
