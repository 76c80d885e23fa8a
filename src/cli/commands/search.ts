import { type FilterTest, testOfFilters } from "../../engine/filters.ts";
import { type FoundImage, searchRegistry } from "../../image/registry/search.ts";
import { defineCommand } from "../command.ts";
import { CommandFailure, UsageError } from "../errors.ts";
import { printListing } from "../format/output.ts";
import { connectionOptions, REGISTRY_FLAGS } from "../registry-flags.ts";
import { parseInteger } from "../values.ts";

const HEADERS = { Name: "NAME", Description: "DESCRIPTION", StarCount: "STARS", IsOfficial: "OFFICIAL", IsAutomated: "AUTOMATED" };
const DEFAULT_LIMIT = 25;
const MAX_LIMIT = 100;
const MAX_DESCRIPTION = 45;

export default defineCommand({
  usage: "[OPTIONS] TERM",
  flags: {
    ...REGISTRY_FLAGS,
    filter: { short: "f", type: "list", value: "filter", help: "Filter output based on conditions provided (stars, is-official, is-automated)" },
    format: { type: "string", help: "Format output using a Go template, 'table TEMPLATE', or 'json'" },
    limit: { type: "string", value: "int", help: `Max number of search results (${DEFAULT_LIMIT})` },
    "no-trunc": { type: "boolean", help: "Don't truncate output" },
  },
  args: { min: 1, max: 1 },
  examples: ["berth search busybox", "berth search registry.example.com:5000/team"],
  async run(_context, flags, [term = ""]) {
    const isWanted = testOfFilters(flags.filter, testOf);
    const limit = flags.limit === undefined ? DEFAULT_LIMIT : parseInteger(flags.limit, 1);
    if (limit > MAX_LIMIT) throw new UsageError(`invalid argument "${limit}" for "--limit" flag: expected a number from 1 to ${MAX_LIMIT}`);
    const [, host, rest = ""] = /^([^/]*[.:][^/]*|localhost)\/(.*)$/.exec(term) ?? [];
    const found = await searchRegistry(host ?? "docker.io", host === undefined ? term : rest, limit, connectionOptions(flags));
    const mark = (value: boolean) => (value ? "[OK]" : "");
    const rows = found.filter(isWanted).map(({ name, description, stars, isOfficial, isAutomated }) => ({
      Name: name,
      Description: shorten(description.replace(/\s+/g, " "), flags["no-trunc"]),
      StarCount: String(stars),
      IsOfficial: mark(isOfficial),
      IsAutomated: mark(isAutomated),
    }));
    printListing({ headers: HEADERS, rows, table: "{{.Name}}\t{{.Description}}\t{{.StarCount}}\t{{.IsOfficial}}" }, flags.format);
  },
});

const shorten = (text: string, isWhole: boolean) =>
  isWhole || text.length <= MAX_DESCRIPTION ? text : `${text.slice(0, MAX_DESCRIPTION - 1)}\u2026`;

function testOf(key: string, value: string): FilterTest<FoundImage> {
  if (key === "stars" && /^\d+$/.test(value)) return (image) => image.stars >= Number(value);
  if (key === "is-official" && /^(true|false)$/.test(value)) return (image) => image.isOfficial === (value === "true");
  if (key === "is-automated" && /^(true|false)$/.test(value)) return (image) => image.isAutomated === (value === "true");
  throw new CommandFailure(`invalid filter '${key}=${value}': expected stars=NUMBER, is-official=true|false or is-automated=true|false`, 1);
}
