/** Rows of output: 200 MB of 100-byte lines into a log, out of it, and through run's stdout. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Row } from "../row.ts";
import { sh } from "../sh.ts";
import { type Engines, IMAGE } from "./engines.ts";

const RUNS = 5;
const LINE = "x".repeat(99);
const BYTES = 200_000_000;
const WRITER = `sh -c "yes ${LINE} | head -c ${BYTES}"`;

/** @param folder for a file of lines */
export function logRows(engines: Engines, folder: string): Record<string, () => Row> {
  const written = (title: string, name: string, flags: (tool: string) => string, writer = WRITER): Row => ({
    name,
    title,
    budget: 1200,
    wanted: { docker: 4, podman: 1.7 },
    commands: engines.each(
      (tool) => `{} run -d --name ${name} --network none ${flags(tool)} ${IMAGE} ${writer} >/dev/null && {} wait ${name} >/dev/null`,
    ),
    prepare: engines.each(() => `{} rm -f ${name} >/dev/null 2>&1 || true`),
    runs: RUNS,
  });
  return {
    log: () => {
      const row = written("200 MB of 100-byte lines into json-file", "log", () => "--log-driver json-file");
      // Nobody can be faster than that.
      const { berth = "" } = engines.each(() => `{} run --rm --network none ${IMAGE} sh -c "yes ${LINE} | head -c ${BYTES} >/dev/null"`);
      return { ...row, commands: { ...row.commands, "writer alone": berth }, prepare: { ...row.prepare, "writer alone": "true" } };
    },
    // podman keeps one file.
    "log-rotated": () =>
      written("the same with max-size 10m, max-file 5", "log-rotated", (tool) => {
        const files = tool === "podman" ? "" : "--log-opt max-file=5";
        return `--log-driver json-file --log-opt max-size=10m ${files}`;
      }),
    // What the engines themselves take: `yes` and `head` need most of the time of the rows above.
    "log-cat": () => {
      const lines = join(folder, "lines");
      writeFileSync(lines, `${LINE}\n`.repeat(BYTES / (LINE.length + 1)));
      return written("the same from a file, by cat", "log-cat", () => `--log-driver json-file -v ${lines}:/lines:ro`, "cat /lines");
    },
    "log-read": () => {
      const row = written("", "log-read", () => "--log-driver json-file");
      for (const [tool, command] of Object.entries(row.commands)) sh(`${row.prepare?.[tool]}; ${command}`);
      return {
        name: "log-read",
        title: "200 MB read back by logs",
        commands: engines.each(() => "{} logs log-read | cat >/dev/null"),
        runs: RUNS,
        budget: 1000,
        wanted: { docker: 10, podman: 10 },
      };
    },
    stdout: () => ({
      name: "stdout",
      title: "200 MB through run's stdout",
      budget: 1300,
      commands: engines.each(() => `{} run --rm --network none ${IMAGE} ${WRITER} | cat >/dev/null`),
      runs: RUNS,
    }),
  };
}
