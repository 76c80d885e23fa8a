// How times grow with what there is: containers, layers, images, logs. berth alone, in a network namespace that stands for
// the host; a curve is a line of medians. `npm run bench -- growth`.
import { appendFileSync, copyFileSync, mkdirSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeBusyboxTar } from "../fixtures/busybox.ts";
import { BERTH, type Curve, GROWTH } from "./row.ts";
import { sh } from "./sh.ts";

const RUNS = 15;
const IMAGE = "bb:v1";
/** Seconds after which a monitor has given back what its start left behind. */
const SETTLED = 2;

const [folder = ""] = process.argv.slice(2);
const root = join(folder, "growth");
process.env.BERTH_ROOT = root;

const berth = (...args: string[]) => sh([BERTH, ...args].join(" "));

/** Median milliseconds of a shell command. */
function time(command: string, { runs = RUNS, prepare }: { runs?: number; prepare?: string } = {}): number {
  const times = Array.from({ length: runs + 1 }, () => {
    if (prepare) sh(prepare);
    const start = performance.now();
    sh(command);
    return performance.now() - start;
  });
  return times.slice(1).sort((a, b) => a - b)[Math.floor(runs / 2)] as number;
}

const curves = new Map<string, Curve>();
function add(title: string, unit: string, count: number, milliseconds: number): void {
  const curve = curves.get(title) ?? { title, unit, points: [] };
  curve.points.push({ count, milliseconds });
  curves.set(title, curve);
  console.log(`  ${title}, ${count} ${unit}: ${milliseconds.toFixed(1)} ms`);
}

function containers(): void {
  let there = 0;
  for (const count of [1, 10, 100, 500]) {
    for (; there < count; there++) berth("run", "-d", "--name", `c${there}`, IMAGE, "sleep", "100000", ">/dev/null");
    sh(`sleep ${SETTLED}`);
    const measure = (title: string, command: string, prepare?: string) =>
      add(
        title,
        "containers",
        count,
        time(`${BERTH} ${command} >/dev/null`, prepare === undefined ? {} : { prepare: `${BERTH} ${prepare} >/dev/null` }),
      );
    measure("run --rm", `run --rm ${IMAGE} true`);
    measure("exec", "exec c0 true");
    measure("inspect of one", "inspect c0");
    measure("rm -f of one", "rm -f x", `run -d --name x ${IMAGE} sleep 100000`);
    measure("ps", "ps");
    measure("stats --no-stream of one", "stats --no-stream c0");
  }
  berth("rm", "-f", ...Array.from({ length: there }, (_, i) => `c${i}`), ">/dev/null");
}

function layers(): void {
  for (const count of [1, 10, 120]) {
    const context = join(folder, `layers-${count}`);
    mkdirSync(context);
    writeFileSync(join(context, "file"), "x".repeat(1000));
    const copies = Array.from({ length: count - 1 }, (_, i) => `COPY file /files/${i}\n`);
    writeFileSync(join(context, "Dockerfile"), `FROM ${IMAGE}\n${copies.join("")}`);
    const image = `layers:${count}`;
    const saved = join(folder, `layers-${count}.tar`);
    add("build without cache", "layers", count, time(`${BERTH} build -q --no-cache -t ${image} ${context} >/dev/null`, { runs: 3 }));
    add("run --rm of an image", "layers", count, time(`${BERTH} run --rm --network none ${image} true`));
    add("save", "layers", count, time(`${BERTH} save -o ${saved} ${image}`, { runs: 5 }));
    const load = { runs: 5, prepare: `${BERTH} rmi -f ${image} >/dev/null` };
    add("load", "layers", count, time(`${BERTH} load -q -i ${saved} >/dev/null`, load));
  }
}

function images(tar: string): void {
  let there = Number(sh(`${BERTH} images -aq | wc -l`));
  for (const count of [10, 100, 1000]) {
    for (; there < count; there++) berth("import", "--change", `"LABEL n=${there}"`, tar, `many:${there}`, ">/dev/null");
    add("images", "images", count, time(`${BERTH} images >/dev/null`));
    add("inspect of an image", "images", count, time(`${BERTH} inspect ${IMAGE} >/dev/null`));
    add("run --rm beside images", "images", count, time(`${BERTH} run --rm --network none ${IMAGE} true`));
  }
}

function logs(): void {
  berth("run", "--name", "log", "--network", "none", IMAGE, "sh", "-c", `'yes ${"x".repeat(99)} | head -n 10000'`, ">/dev/null");
  const log = berth("inspect", "-f", "'{{.LogPath}}'", "log");
  const piece = join(folder, "piece");
  copyFileSync(log, piece);
  const bytes = Buffer.from(sh(`cat ${piece}`));
  const line = bytes.indexOf("\n") + 1;
  let there = 0;
  for (const [size, label] of [
    [1e3, "KB"],
    [1e6, "KB"],
    [1e8, "KB"],
    [1e10, "KB"],
  ] as const) {
    if (there === 0) truncateSync(log, 0);
    if (size <= 1e6) {
      truncateSync(log, 0);
      for (there = 0; there < size; there += line) appendFileSync(log, bytes.subarray(0, line));
    } else sh(`while [ $(stat -c %s ${log}) -lt ${size} ]; do for i in 1 2 3 4 5 6 7 8 9 10; do cat ${piece}; done; done >> ${log}`);
    there = statSync(log).size;
    const count = Math.round(there / 1e3);
    const runs = size > 1e8 ? 1 : size > 1e6 ? 3 : RUNS;
    add("logs", label, count, time(`${BERTH} logs log | cat >/dev/null`, { runs }));
    add("logs --tail 10", label, count, time(`${BERTH} logs --tail 10 log >/dev/null`));
  }
  berth("rm", "-f", "log", ">/dev/null");
}

sh("ip link set lo up; echo 1 > /proc/sys/net/ipv4/ip_forward");
const tar = join(folder, "growth.tar");
makeBusyboxTar(tar);
try {
  berth("import", tar, IMAGE, ">/dev/null");
  console.log(`growth: medians of ${RUNS}`);
  containers();
  layers();
  logs();
  images(tar);
} finally {
  sh(`ids=$(${BERTH} ps -aq); [ -z "$ids" ] || ${BERTH} rm -f $ids >/dev/null`);
  for (const curve of curves.values()) appendFileSync(join(folder, GROWTH), `${JSON.stringify(curve)}\n`);
}
