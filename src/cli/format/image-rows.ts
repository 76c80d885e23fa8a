/** Images as rows of a table, one a name. */
import { familiarName, formatReference, parseReference } from "../../image/reference.ts";
import type { ImageRecord } from "../../store/images.ts";
import { goTime, humanDuration, humanSize } from "./human.ts";

export const IMAGE_HEADERS = {
  ID: "IMAGE ID",
  Repository: "REPOSITORY",
  Tag: "TAG",
  Digest: "DIGEST",
  CreatedSince: "CREATED",
  CreatedAt: "CREATED AT",
  Size: "SIZE",
};

/** @param wanted a name, with or without a tag */
export function imageRows(image: ImageRecord, truncate: boolean, wanted: string | undefined): Record<string, unknown>[] {
  const created = Date.parse(image.config.created ?? "") || 0;
  const common = {
    ID: truncate ? image.id.slice(7, 19) : image.id,
    Digest: "<none>",
    CreatedSince: created === 0 ? "N/A" : `${humanDuration(Date.now() - created)} ago`,
    Size: humanSize(image.size),
  };
  // Looked for only where it is shown: the first local time of a process costs it the tables of all zones.
  const withTime = (row: Record<string, unknown>) => Object.defineProperty(row, "CreatedAt", { get: () => goTime(created), enumerable: true });
  if (image.names.length === 0) return wanted === undefined ? [withTime({ ...common, Repository: "<none>", Tag: "<none>" })] : [];
  return image.names
    .filter((name) => wanted === undefined || isNamed(name, wanted))
    .map((name) => {
      const { repository, tag } = familiarName(name);
      const digest = image.digests.find((d) => d.startsWith(`${name.slice(0, name.lastIndexOf(":"))}@`));
      return withTime({ ...common, Repository: repository, Tag: tag, ...(digest && { Digest: digest.slice(digest.indexOf("@") + 1) }) });
    });
}

/** Whether a full name is one that was asked for. */
export function isNamed(name: string, wanted: string): boolean {
  const reference = parseReference(wanted);
  if (/:[^/]+$/.test(wanted)) return name === formatReference(reference);
  return name.startsWith(`${reference.domain}/${reference.path}:`);
}
