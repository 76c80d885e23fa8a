/** What was measured, kept: docs/benchmarks.json, and docs/benchmarks.md for people. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { arch, cpus, release, totalmem } from "node:os";
import { join } from "node:path";
import { FIGURES, type Figure, show } from "./figure.ts";
import { BERTH, type Curve, GROWTH, MEASUREMENTS, type Measurement } from "./row.ts";

const DOCS = join(import.meta.dir, "../../docs");
const DATA = join(DOCS, "benchmarks.json");
/** The part of a committed ratio that may be lost on a machine that does other things too. */
const MARGIN = 0.3;

/** With the day, and berth's commit. */
type Kept<T> = T & { when: string };

interface Report {
  rows: Kept<Measurement>[];
  figures: Kept<Figure>[];
  curves: Kept<Curve>[];
}

function readLines<T>(path: string): T[] {
  if (!existsSync(path)) return [];
  return readFileSync(path, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as T);
}

/** Rows that were measured in this run. */
export const readMeasurements = (folder: string) => readLines<Measurement>(join(folder, MEASUREMENTS));

/** Curves that were measured in this run. */
export const readCurves = (folder: string) => readLines<Curve>(join(folder, GROWTH));

/** Figures that were measured in this run. */
export const readFigures = (folder: string) => readLines<Figure>(join(folder, FIGURES));

const readReport = () => JSON.parse(readFileSync(DATA, "utf8")) as Report;

const say = (command: string[]) => {
  try {
    return Bun.spawnSync(command).stdout.toString().trim().split("\n")[0] ?? "";
  } catch {
    return "";
  }
};

/** Puts what was measured in the place of all that was there of the same names. */
export function writeReport(measured: Measurement[], curves: Curve[], figures: Figure[]): void {
  const when = `${new Date().toISOString().slice(0, 10)}, ${say([BERTH, "version", "--format", "{{.Client.GitCommit}}"])}`;
  const before = readReport();
  const replace = <T extends { name: string }>(kept: Kept<T>[], now: T[]): Kept<T>[] => [
    ...kept.filter(({ name }) => !now.some((other) => other.name === name)),
    ...now.map((one) => ({ ...one, when })),
  ];
  const report: Report = {
    rows: replace(before.rows, measured),
    figures: replace(before.figures, figures),
    curves: curves.length > 0 ? curves.map((curve) => ({ ...curve, when })) : before.curves,
  };
  writeFileSync(DATA, `${JSON.stringify(report, null, 2)}\n`);
  writeFileSync(join(DOCS, "benchmarks.md"), describe(report.rows) + describeFigures(report.figures) + describeCurves(report.curves));
}

const time = (seconds: number) => (seconds < 1 ? `${(seconds * 1000).toFixed(1)} ms` : `${seconds.toFixed(2)} s`);

const toolsOf = (rows: { results: Record<string, unknown> }[]) => [...new Set(rows.flatMap((row) => Object.keys(row.results)))];

function describe(rows: Kept<Measurement>[]): string {
  const own = (row: Kept<Measurement>) => row.results.berth?.median ?? Number.NaN;
  const peers = toolsOf(rows).filter((name) => name !== "berth");
  const line = (row: Kept<Measurement>) => {
    const cells = peers.map((peer) => {
      const result = row.results[peer];
      const wanted = row.wanted?.[peer];
      return result ? `${time(result.median)} (${(result.median / own(row)).toFixed(1)} ×${wanted === undefined ? "" : `, wanted ${wanted} ×`})` : "";
    });
    const spread = time(row.results.berth?.stddev ?? 0);
    return `| ${[row.title, `${time(own(row))} ± ${spread}`, row.budget === undefined ? "" : time(row.budget / 1000), ...cells, row.when].join(" | ")} |`;
  };
  const versions = [
    say(["docker", "--version"]),
    say(["podman", "--version"]),
    say(["runc", "--version"]),
    say(["crun", "--version"]),
    `Linux ${release()}`,
    `${cpus().length} × ${cpus()[0]?.model.trim()} (${arch()}), ${(totalmem() / 2 ** 30).toFixed(0)} GiB`,
  ];
  return `# Benchmarks

Written by \`npm run bench -- --write [ROW…]\`. Each row's commands ran in turn, in one run, on a machine that does other things
too: ratios count, not times. Executables were read from the disk since they were written, and daemons and snapshots are there.
A ratio is how many times as long the other one took; "may take" is the design's budget.

${versions
  .filter(Boolean)
  .map((text) => `- ${text}`)
  .join("\n")}

| median of a row's runs | berth | may take | ${peers.join(" | ")} | when |
| --- | --- | --- | ${peers.map(() => "---").join(" | ")} | --- |
${rows.map(line).join("\n")}
`;
}

function describeFigures(figures: Kept<Figure>[]): string {
  if (figures.length === 0) return "";
  const tools = toolsOf(figures);
  const lines = figures.map(({ title, unit, budget, results, when }) => {
    const cells = tools.map((tool) => (results[tool] === undefined ? "" : show(results[tool])));
    return `| ${[title, unit, budget ?? "", ...cells, when].join(" | ")} |`;
  });
  return `
## Memory, processors, sizes, throughput

| | | may be | ${tools.join(" | ")} | when |
| --- | --- | --- | ${tools.map(() => "---").join(" | ")} | --- |
${lines.join("\n")}
`;
}

function describeCurves(curves: Kept<Curve>[]): string {
  if (curves.length === 0) return "";
  const lines = curves.map(({ title, unit, points }) => {
    const [first] = points;
    const last = points.at(-1);
    const growth =
      first && last ? `${(last.count / first.count).toFixed(0)} × as many: ${(last.milliseconds / first.milliseconds).toFixed(1)} × as long` : "";
    return `| ${title} | ${points.map(({ count, milliseconds }) => `${count} ${unit}: ${time(milliseconds / 1000)}`).join("<br>")} | ${growth} |`;
  });
  return `
## Growth

Medians, by \`npm run bench -- --write growth\`, ${curves[0]?.when}. All containers have the default network.

| | how many, how long | |
| --- | --- | --- |
${lines.join("\n")}
`;
}

/** Rows that lost more against the others than they may, each with a line on it. */
export function lostGround(measured: Measurement[]): string[] {
  const kept = new Map(readReport().rows.map((row) => [row.title, row]));
  return measured.flatMap(({ title, results }) => {
    const before = kept.get(title)?.results;
    if (!before?.berth || !results.berth) return [];
    const [then, now] = [before.berth.median, results.berth.median];
    return Object.entries(results).flatMap(([peer, { median }]) => {
      const old = before[peer];
      if (peer === "berth" || !old) return [];
      const [was, is] = [old.median / then, median / now];
      return is < was * (1 - MARGIN) ? [`${title}: ${peer} took ${is.toFixed(2)} times as long as berth, ${was.toFixed(2)} as committed`] : [];
    });
  });
}
