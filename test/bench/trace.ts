// Draws where the milliseconds of a `run` go: docs/trace.svg, out of the median one of several traces (BERTH_TRACE).
// `npm run trace [-- FLAGS OF RUN]`.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeBusyboxTar } from "../fixtures/busybox.ts";
import { runner } from "../fixtures/peers.ts";
import { BERTH } from "./row.ts";

const RUNS = 21;
const PAUSE = 50; // milliseconds, in which the last one's traces in the kernel go
const WIDTH = 1400; // of the picture, in pixels
const LEFT = 110;
const ROW = 46;
const BAR = 22;
const NARROW = 34; // pixels in which no name fits

interface Span {
  process: string;
  name: string;
  /** Milliseconds since the command line started. */
  start: number;
  duration: number;
}

interface Event {
  name: string;
  ph: string;
  pid: number;
  ts: number;
  dur: number;
  args: { name: string };
}

/** The spans of one command. */
function readTrace(path: string): Span[] {
  const events = JSON.parse(`${readFileSync(path, "utf8").trimEnd().replace(/,$/, "")}]`) as Event[];
  const names = new Map(events.filter(({ ph }) => ph === "M").map(({ pid, args }) => [pid, args.name]));
  const spans = events.filter(({ ph }) => ph === "X");
  const zero = Math.min(...spans.map(({ ts }) => ts));
  return spans.map(({ pid, name, ts, dur }) => ({ process: names.get(pid) ?? "", name, start: (ts - zero) / 1000, duration: dur / 1000 }));
}

const endOf = (spans: Span[]) => Math.max(...spans.map(({ start, duration }) => start + duration));
const escaped = (text: string) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");

function draw(spans: Span[], title: string): string {
  const processes = ["command line", "monitor", "init"];
  const end = endOf(spans);
  const x = (time: number) => LEFT + (time / end) * (WIDTH - LEFT - 10);
  const bars = spans.map(({ process, name, start, duration }, i) => {
    const y = 40 + processes.indexOf(process) * ROW;
    const width = Math.max(0.5, x(start + duration) - x(start));
    const fill = name.startsWith("wait") ? "#e8e8e8" : ["#7fb2e5", "#a6cdf0"][i % 2];
    const label =
      width < NARROW
        ? ""
        : `<text x="${(x(start) + 3).toFixed(1)}" y="${y + 15}" clip-path="inset(0)">${escaped(name).slice(0, Math.floor(width / 6))}</text>`;
    const tip = `<title>${escaped(name)}: ${duration.toFixed(2)} ms, from ${start.toFixed(2)}</title>`;
    return `<g>${tip}<rect x="${x(start).toFixed(1)}" y="${y}" width="${width.toFixed(1)}" height="${BAR}" fill="${fill}" stroke="#fff" stroke-width="0.5"/>${label}</g>`;
  });
  const names = processes.map((name, i) => `<text x="4" y="${55 + i * ROW}" font-weight="bold">${name}</text>`);
  const ticks = Array.from({ length: Math.floor(end / 5) + 1 }, (_, i) => {
    const at = x(i * 5).toFixed(1);
    return `<line x1="${at}" x2="${at}" y1="34" y2="${40 + processes.length * ROW}" stroke="#ddd"/><text x="${at}" y="${54 + processes.length * ROW}" text-anchor="middle">${i * 5} ms</text>`;
  });
  const height = 62 + processes.length * ROW;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="11">
<title>${escaped(title)}</title>
<rect width="${WIDTH}" height="${height}" fill="#fff"/>
<text x="4" y="18" font-size="13">${escaped(title)}</text>
${[...ticks, ...names, ...bars].join("\n")}
</svg>
`;
}

const flags = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), "berth-trace-"));
try {
  const root = join(folder, "root");
  const call = runner([BERTH], { BERTH_ROOT: root });
  makeBusyboxTar(join(folder, "bb.tar"));
  call("import", join(folder, "bb.tar"), "bb");
  const traces: Span[][] = [];
  for (let i = -2; i < RUNS; i++) {
    const path = join(folder, `trace${i}.json`);
    const { code, err } = runner([BERTH], { BERTH_ROOT: root, BERTH_TRACE: path })("run", "--rm", ...flags, "bb", "true");
    if (code !== 0) throw new Error(err);
    await Bun.sleep(PAUSE);
    if (i >= 0) traces.push(readTrace(path));
  }
  const sorted = traces.sort((a, b) => endOf(a) - endOf(b));
  const median = sorted[Math.floor(RUNS / 2)] as Span[];
  const out = join(import.meta.dir, "../../docs/trace.svg");
  const commandLine = `berth run --rm ${[...flags, "bb", "true"].join(" ")}`;
  writeFileSync(out, draw(median, `${commandLine}: the median of ${RUNS}, ${endOf(median).toFixed(1)} ms`));
  for (const { process, name, start, duration } of median.sort((a, b) => a.start - b.start))
    console.log(`${start.toFixed(2).padStart(7)} ${duration.toFixed(2).padStart(6)} ms  ${process}: ${name}`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
