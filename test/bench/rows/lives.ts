/** Rows of containers' lives, as a CI script has hundreds of them, and of what lists and shows them. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Row } from "../row.ts";
import { type Engines, IMAGE } from "./engines.ts";

const MANY = 50;
const IDLE = 100;
const FEW = 20;

const quiet = (command: string) => `${command} >/dev/null`;
/** podman waits ten seconds for what does not answer SIGTERM; docker and berth do not with -f. */
const force = (tool: string) => (tool === "podman" ? "rm -f -t 0" : "rm -f");
const none = (tool: string) => `ids=$({} ps -aq); [ -z "$ids" ] || {} ${force(tool)} $ids >/dev/null`;
const ports: Record<string, number> = { berth: 18080, docker: 18081, podman: 18082 };

/** In the order in which they are measured: `before` makes what the following ones find there. */
export function lifeRows(engines: Engines, folder: string): { before?: (tool: string) => string; rows: Row[] }[] {
  const { each } = engines;
  const file = join(folder, "megabyte");
  writeFileSync(file, Buffer.alloc(1_000_000, "x"));
  const idle = (from: number, to: number) => () =>
    `for i in $(seq ${from} ${to}); do {} run -d --name idle$i --network none ${IMAGE} sleep 100000 >/dev/null || exit 1; done`;
  const list = (count: number): Row => ({
    name: "ps",
    title: `ps beside ${count} containers`,
    commands: each(() => quiet("{} ps")),
    budget: count > FEW ? 18 : 15,
  });
  const show = (words: string): Row => ({ name: "show", title: words.replace("{} ", ""), commands: each(() => quiet(words)), budget: 12 });
  const run = (name: string, title: string, flags: (tool: string) => string, budget: number, wanted?: Record<string, number>): Row => ({
    name,
    title,
    commands: each((tool) => `{} run --rm ${flags(tool)} ${IMAGE} true`),
    budget,
    ...(wanted && { wanted }),
  });
  return [
    {
      rows: [
        run("run", "run --rm, the default network", () => "", 40, { docker: 12, podman: 9 }),
        run("run-none", "run --rm --network none", () => "--network none", 30, { docker: 10, podman: 6 }),
        run("run-port", "run --rm -p", (tool) => `-p ${ports[tool]}:80`, 45),
        {
          name: "run-d",
          title: "run -d returns",
          commands: each(() => quiet(`{} run -d --name dd ${IMAGE} sleep 1000`)),
          prepare: each((tool) => `{} ${force(tool)} dd >/dev/null 2>&1 || true`),
          budget: 40,
          wanted: { docker: 7, podman: 4 },
        },
        {
          name: "rm",
          title: "rm -f of a running container",
          commands: each((tool) => quiet(`{} ${force(tool)} rr`)),
          prepare: each(() => quiet(`{} run -d --name rr ${IMAGE} sleep 1000`)),
          budget: 30,
          wanted: { docker: 5, podman: 9 },
        },
      ],
    },
    {
      before: () => quiet(`{} run -d --name ee ${IMAGE} sleep 100000`),
      rows: [
        { name: "exec", title: "exec true", commands: each(() => "{} exec ee true"), budget: 15, wanted: { docker: 5, podman: 9 } },
        { name: "cp", title: "cp of 1 MB into a container", commands: each(() => `{} cp ${file} ee:/tmp/x >/dev/null 2>&1`), budget: 20 },
        ...["{} inspect ee", "{} images", "{} version", "{} --help"].map(show),
      ],
    },
    {
      before: none,
      rows: [
        {
          name: "many",
          title: `${MANY} times run -d, one after another`,
          commands: each(() => `for i in $(seq ${MANY}); do {} run -d ${IMAGE} sleep 1000 >/dev/null; done`),
          prepare: each(none),
          runs: 3,
          budget: 2000,
          wanted: { docker: 6, podman: 4 },
        },
        {
          name: "many",
          title: `${MANY} times run -d, 8 at a time`,
          commands: each(() => `seq ${MANY} | xargs -P 8 -I @ sh -c '{} run -d ${IMAGE} sleep 1000 >/dev/null'`),
          prepare: each(none),
          runs: 3,
          budget: 1500,
        },
        {
          name: "many",
          title: `rm -f of ${MANY} running ones`,
          commands: each((tool) => quiet(`{} ${force(tool)} $({} ps -aq)`)),
          prepare: each(() => `for i in $(seq ${MANY}); do {} run -d --network none ${IMAGE} sleep 1000 >/dev/null; done`),
          runs: 3,
          budget: 600,
        },
      ],
    },
    { before: idle(1, FEW), rows: [list(FEW)] },
    {
      before: idle(FEW + 1, IDLE),
      rows: [list(IDLE), run("run-beside", `run --rm beside ${IDLE} containers`, () => "", 45)],
    },
  ];
}
