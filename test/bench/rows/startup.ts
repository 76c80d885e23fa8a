/** Rows of start-up: commands of berth's beside a Bun that says hello, two files that came to be in the same way. */
import { copyFileSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { makeBusyboxTar } from "../../fixtures/busybox.ts";
import { keepFigure } from "../figure.ts";
import { BERTH, type Row } from "../row.ts";
import { sh } from "../sh.ts";
import { IMAGE } from "./engines.ts";

const HELLO = "Bun's hello";
const ABOVE = 4; // milliseconds

export interface StartupRows extends Disposable {
  rows: Row[];
}

// Out of the page cache, so that each is read into it by being started; see "One file" in docs/architecture.md.
const forget = (file: string) => sh(`dd if=/dev/null of=${file} oflag=nocache conv=notrunc,fdatasync count=0 status=none`);

export function startupRows(home: string): StartupRows {
  // On a disk: a file in memory is never read.
  const folder = mkdtempSync(join(dirname(BERTH), "startup-"));
  const berth = join(folder, "berth");
  const hello = join(folder, "hello");
  writeFileSync(`${hello}.ts`, 'console.log("hello");\n');
  sh(`${process.execPath} build --compile --bytecode --minify ${hello}.ts --outfile ${hello}.new >/dev/null; cp ${hello}.new ${hello}`);
  copyFileSync(BERTH, berth);
  for (const file of [berth, hello]) forget(file);
  const tar = join(home, "startup.tar");
  makeBusyboxTar(tar);
  const command = `BERTH_ROOT=${join(home, "startup")} ${berth}`;
  sh(`${command} import ${tar} ${IMAGE} >/dev/null; ${command} run -d --name c --network none ${IMAGE} sleep 100000 >/dev/null`);
  const sizes = { berth: statSync(berth).size / 1e6, [HELLO]: statSync(hello).size / 1e6 };
  keepFigure({ name: "startup", title: "size of the executable", unit: "MB", results: sizes }, home);
  const row = (words: string): Row => ({
    name: "startup",
    title: `${words} beside a Bun that says hello`,
    commands: { berth: `${command} ${words} >/dev/null`, [HELLO]: `${hello} >/dev/null` },
    budgetAbove: { other: HELLO, milliseconds: ABOVE },
    runs: 50,
  });
  return {
    rows: ["--help", "ps", "inspect c", "version"].map(row),
    [Symbol.dispose]() {
      sh(`${command} rm -f c >/dev/null`);
      rmSync(folder, { recursive: true });
    },
  };
}
