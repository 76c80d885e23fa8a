/** Command lines written for docker, run with docker and with berth by docker's name: the same output, the same exit codes. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BERTH, busybox } from "../e2e/engine.ts";
import { type Peer, startDockerd } from "../fixtures/peers.ts";

const LINES = readFileSync(join(import.meta.dir, "docker-lines.sh"), "utf8")
  .split("\n")
  .filter((line) => line !== "" && !line.startsWith("#"));

let root: string;
let dockerd: Peer & { stop(): Promise<void> };
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "berth-lines-"));
  dockerd = await startDockerd(root, ["--bip=172.30.0.1/16"]);
});
afterAll(async () => {
  await dockerd?.stop();
  // What dockerd leaves mounted.
  for (const line of readFileSync("/proc/mounts", "utf8").split("\n"))
    if (line.split(" ")[1]?.startsWith(root)) Bun.spawnSync(["umount", "-l", line.split(" ")[1] as string]);
  rmSync(root, { recursive: true, force: true });
});

interface Outcome {
  out: string;
  code: number;
  err: string;
}

/** Runs all of them, by a `docker` that is this program. */
function runLines(name: string, program: string, env: Record<string, string>): Outcome[] {
  const folder = join(root, name);
  for (const below of ["bin", "work", "home"]) mkdirSync(join(folder, below), { recursive: true });
  symlinkSync(program, join(folder, "bin/docker"));
  const run = (line: string): Outcome => {
    const { stdout, stderr, exitCode } = Bun.spawnSync(["timeout", "30", "bash", "-c", line], {
      cwd: join(folder, "work"),
      env: { ...env, PATH: `${join(folder, "bin")}:${process.env.PATH}`, HOME: join(folder, "home") },
      stdin: "ignore",
    });
    return { out: stdout.toString(), err: stderr.toString(), code: exitCode };
  };
  run(`docker import ${busybox()} bb`);
  try {
    return LINES.map(run);
  } finally {
    run("docker ps -aq | xargs -r docker rm -f; docker network prune -f");
  }
}

/** What is another one each time: ids, addresses, times. */
const alike = (text: string) =>
  text
    .replace(/\b(?:[0-9a-f]{64}|[0-9a-f]{12})\b/g, "<id>")
    .replace(/\d+\.\d+\.\d+\.\d+/g, "<address>")
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "<time>")
    .replace(/v?\d+\.\d+\.\d+[\w.+-]*/g, "<version>");

test(`${LINES.length} lines`, () => {
  const docker = runLines("docker", Bun.which("docker") as string, dockerd.env);
  const berth = runLines("berth", BERTH, { BERTH_ROOT: join(root, "engine") });
  const shown = ({ out, code }: Outcome, line: string | undefined) => ({ line, out: alike(out), code });
  const differing = LINES.flatMap((line, i) => {
    const [theirs, ours] = [docker[i] as Outcome, berth[i] as Outcome];
    const isSame = Bun.deepEquals(shown(theirs, line), shown(ours, line));
    return isSame ? [] : [{ line, docker: theirs, berth: ours }];
  });
  expect(differing).toEqual([]);
}, 600_000);
