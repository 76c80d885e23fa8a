/** What was measured, kept: docs/benchmarks.json, and docs/benchmarks.md for people. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { arch, cpus, release, totalmem } from "node:os";
import { join } from "node:path";
import { BERTH, MEASUREMENTS, type Measurement } from "./row.ts";

const DOCS = join(import.meta.dir, "../../docs");
const DATA = join(DOCS, "benchmarks.json");
/** The part of a committed ratio that may be lost on a machine that does other things too. */
const MARGIN = 0.3;

interface Kept extends Measurement {
  /** Day, and berth's commit. */
  when: string;
}

/** Rows that were measured in this run. */
export function readMeasurements(folder: string): Measurement[] {
  const path = join(folder, MEASUREMENTS);
  if (!existsSync(path)) return [];
  return readFileSync(path, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Measurement);
}

const readKept = (): Kept[] => (existsSync(DATA) ? (JSON.parse(readFileSync(DATA, "utf8")) as Kept[]) : []);

const say = (command: string[]) => {
  try {
    return Bun.spawnSync(command).stdout.toString().trim().split("\n")[0] ?? "";
  } catch {
    return "";
  }
};

/** Puts what was measured in the place of what was there; other rows stay. */
export function writeReport(measured: Measurement[]): void {
  const when = `${new Date().toISOString().slice(0, 10)}, ${say([BERTH, "version", "--format", "{{.Client.GitCommit}}"])}`;
  const titles = measured.map(({ title }) => title);
  const all = [...readKept().filter(({ title }) => !titles.includes(title)), ...measured.map((row) => ({ ...row, when }))];
  writeFileSync(DATA, `${JSON.stringify(all, null, 2)}\n`);
  writeFileSync(join(DOCS, "benchmarks.md"), describe(all));
}

const time = (seconds: number) => (seconds < 1 ? `${(seconds * 1000).toFixed(1)} ms` : `${seconds.toFixed(2)} s`);

function describe(rows: Kept[]): string {
  const own = (row: Kept) => row.results.berth?.median ?? Number.NaN;
  const peers = [...new Set(rows.flatMap((row) => Object.keys(row.results)))].filter((name) => name !== "berth");
  const line = (row: Kept) => {
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
too: ratios count, not times. A ratio is how many times as long the other one took; "may take" is the design's budget.

${versions
  .filter(Boolean)
  .map((text) => `- ${text}`)
  .join("\n")}

| median of a row's runs | berth | may take | ${peers.join(" | ")} | when |
| --- | --- | --- | ${peers.map(() => "---").join(" | ")} | --- |
${rows.map(line).join("\n")}
`;
}

/** Rows that lost more against the others than they may, each with a line on it. */
export function lostGround(measured: Measurement[]): string[] {
  const kept = new Map(readKept().map((row) => [row.title, row]));
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
