import { hasLabel } from "../../engine/list-containers.ts";
import { familiarName, formatReference, parseReference } from "../../image/reference.ts";
import { type ImageRecord, listImages } from "../../store/images.ts";
import { defineCommand } from "../command.ts";
import { CommandFailure } from "../errors.ts";
import { goTime, humanDuration, humanSize } from "../format/human.ts";
import { printListing } from "../format/output.ts";

const HEADERS = {
  ID: "IMAGE ID",
  Repository: "REPOSITORY",
  Tag: "TAG",
  Digest: "DIGEST",
  CreatedSince: "CREATED",
  CreatedAt: "CREATED AT",
  Size: "SIZE",
};

export default defineCommand({
  names: ["images", "image ls", "image list"],
  summary: "List images",
  usage: "[OPTIONS] [REPOSITORY[:TAG]]",
  flags: {
    all: { short: "a", type: "boolean", help: "Show all images" },
    digests: { type: "boolean", help: "Show digests" },
    filter: { short: "f", type: "list", value: "filter", help: "Filter output based on conditions provided (dangling, label, reference)" },
    format: { type: "string", help: "Format output using a Go template, 'table TEMPLATE', or 'json'" },
    "no-trunc": { type: "boolean", help: "Don't truncate output" },
    quiet: { short: "q", type: "boolean", help: "Only show image IDs" },
  },
  args: { min: 0, max: 1 },
  async run({ engine }, flags, [wanted]) {
    const tests = flags.filter.map(parseFilter);
    const rows = listImages(engine.db)
      .filter((image) => tests.every((test) => test(image)))
      .flatMap((image) => toRows(image, !flags["no-trunc"], wanted));
    const table = `{{.Repository}}\t{{.Tag}}\t${flags.digests ? "{{.Digest}}\t" : ""}{{.ID}}\t{{.CreatedSince}}\t{{.Size}}`;
    const unique = flags.quiet ? [...new Map(rows.map((row) => [row.ID, row])).values()] : rows;
    printListing({ headers: HEADERS, rows: unique, table }, flags.quiet ? (flags.format ?? "{{.ID}}") : flags.format);
  },
});

function parseFilter(filter: string): (image: ImageRecord) => boolean {
  const [, key, value = ""] = /^([^=]+)=(.*)$/.exec(filter) ?? [];
  switch (key) {
    case "dangling":
      return (image) => (image.names.length === 0) === (value === "true" || value === "1");
    case "label":
      return (image) => hasLabel(image.config.config?.Labels ?? {}, value);
    case "reference":
      return (image) => image.names.some((name) => fits(name, value));
    default:
      throw new CommandFailure(`invalid filter '${filter}': expected dangling=true|false, label=NAME[=VALUE] or reference=PATTERN`, 1);
  }
}

// `*` stands for anything within one component of a name.
function fits(name: string, pattern: string): boolean {
  const { repository, tag } = familiarName(name);
  const expression = new RegExp(
    `^${pattern
      .replace(/[.+^${}()|\\]/g, "\\$&")
      .replaceAll("*", "[^/]*")
      .replaceAll("?", "[^/]")}$`,
  );
  return expression.test(repository) || expression.test(`${repository}:${tag}`);
}

function toRows(image: ImageRecord, truncate: boolean, wanted: string | undefined): Record<string, unknown>[] {
  const created = Date.parse(image.config.created ?? "") || 0;
  const common = {
    ID: truncate ? image.id.slice(7, 19) : image.id,
    Digest: "<none>",
    CreatedSince: created === 0 ? "N/A" : `${humanDuration(Date.now() - created)} ago`,
    CreatedAt: goTime(created),
    Size: humanSize(image.size),
  };
  if (image.names.length === 0) return wanted === undefined ? [{ ...common, Repository: "<none>", Tag: "<none>" }] : [];
  return image.names
    .filter((name) => wanted === undefined || isWanted(name, wanted))
    .map((name) => {
      const { repository, tag } = familiarName(name);
      const digest = image.digests.find((d) => d.startsWith(`${name.slice(0, name.lastIndexOf(":"))}@`));
      return { ...common, Repository: repository, Tag: tag, ...(digest && { Digest: digest.slice(digest.indexOf("@") + 1) }) };
    });
}

function isWanted(name: string, wanted: string): boolean {
  const reference = parseReference(wanted);
  if (/:[^/]+$/.test(wanted)) return name === formatReference(reference);
  return name.startsWith(`${reference.domain}/${reference.path}:`);
}
