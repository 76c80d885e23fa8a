/** What commands print: tables, templates, JSON. */
import { printBlocking } from "../streams.ts";
import { toJson } from "./json.ts";

type Shape = (data: object) => string;

const FIELD = /\{\{\.(\w+)\}\}/g;

// A template of nothing but fields, as all default tables are, needs no interpreter, but to say what is wrong.
function shapeOf(format: string): Shape {
  const compile = () => (require("./evaluate.ts") as typeof import("./evaluate.ts")).compileTemplate(format);
  if (format.replace(FIELD, "").includes("{{")) return compile();
  const pieces = format.split(FIELD); // text and names by turns
  return (data) => {
    const filled = pieces.map((piece, i) => (i % 2 === 0 ? piece : (data as Record<string, unknown>)[piece]));
    return filled.every((piece) => typeof piece === "string") ? filled.join("") : compile()(data);
  };
}

/** Prints one thing by a template, or as JSON for `json`. */
export function printFormatted(format: string, value: unknown): void {
  printBlocking(format === "json" ? `${toJson(value)}\n` : `${shapeOf(format)(value as object)}\n`);
}

// Docker takes `\t` and `\n` in a format for what they mean.
const unescapeFormat = (format: string) => format.replaceAll("\\t", "\t").replaceAll("\\n", "\n");

/** Gives a row the method `.Label "NAME"`, which JSON does not show. */
export function withLabels<Row extends object>(row: Row, labels: Record<string, string>): Row {
  return Object.defineProperty(row, "Label", { value: (name: unknown) => labels[String(name)] ?? "", enumerable: false });
}

/** A list that `--format` can shape: rows of named values, and a column's header for each name. */
export interface Listing {
  headers: Record<string, string>;
  rows: Record<string, unknown>[];
  /** The template of the default table. */
  table: string;
}

/** Prints a list as `--format` says: `table`, `table TEMPLATE`, `json`, or a template a line. */
export function printListing(listing: Listing, format: string | undefined): void {
  const wanted = format === undefined || format === "" || format === "table" ? `table ${listing.table}` : unescapeFormat(format);
  if (wanted === "json") {
    printBlocking(listing.rows.map((row) => `${toJson(row)}\n`).join(""));
    return;
  }
  if (wanted.startsWith("table ")) {
    const template = shapeOf(wanted.slice("table ".length));
    printBlocking(alignTable([headersOf(listing), ...listing.rows].map((row) => template(row))));
    return;
  }
  const template = shapeOf(wanted);
  printBlocking(listing.rows.map((row) => `${template(row)}\n`).join(""));
}

// A label's column has the last part of its name above it, as docker's has.
function headersOf({ headers }: Listing): Record<string, unknown> {
  const ofLabel = (name: unknown) => String(name).split(".").at(-1)?.replace(/[-_]/g, " ") ?? "";
  return Object.defineProperty({ ...headers }, "Label", { value: ofLabel, enumerable: false });
}

const MIN_WIDTH = 10;
const PADDING = 3;

/** Aligns tab separated lines as docker's tables are: columns at least so wide, 3 apart, the last one as it is. */
export function alignTable(lines: string[], minWidth = MIN_WIDTH): string {
  const rows = lines.map((line) => line.split("\t"));
  const widths: number[] = [];
  for (const row of rows) for (let i = 0; i < row.length - 1; i++) widths[i] = Math.max(widths[i] ?? minWidth, (row[i] as string).length + PADDING);
  let text = "";
  for (const row of rows) {
    row.forEach((cell, i) => {
      text += i < row.length - 1 ? cell + " ".repeat((widths[i] as number) - cell.length) : `${cell}\n`;
    });
  }
  return text;
}
