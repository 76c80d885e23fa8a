/** What processes of the command line do, once. */
import { mkdirSync, writeFileSync } from "../../ffi/files.ts";
import { join } from "../../ffi/path.ts";
import { dispatch } from "../cli/main.ts";
import { dispatch as dispatchRuntime } from "../cli/oci/main.ts";
import { randomId } from "../engine/random-id.ts";
import { defaultSpec } from "../runtime/container/describe.ts";
import { followToTheEnd } from "../runtime/stdio.ts";
import type { Layout } from "../store/layout.ts";
import type { Named } from "./try-out.ts";
import { IMAGE, inOwnWorld, LAYER, PROGRAM } from "./warm.ts";

/** What scripts use most, without what needs threads: Bun reads and writes pipes in them. */
const LINES = [
  ["version"],
  ["run", "--rm", IMAGE],
  ["run", "-d", "--name", "c", "-e", "A=1", "-v", "/:/host:ro", "-w", "/", "-m", "64m", IMAGE, "stays"],
  ["exec", "-d", "c", "/idle"],
  ["exec", "c", "/idle"],
  ["ps", "-a"],
  ["inspect", "-f", "{{.State.Pid}}", "c"],
  ["stop", "-t", "0", "c"],
  ["start", "c"],
  ["rm", "-f", "c"],
  ["images", "-q"],
];
/** Milliseconds in which what has ended is let go of: a child that nobody waits for keeps its container from ending. */
const AFTERMATH = 20;

/** Once more, of these. */
export function tryOnce(folder: string): Promise<void> {
  return inOwnWorld(folder, async () => {
    await dispatch(["--root", folder, "run", "--rm", IMAGE]);
  });
}

export function warmUp(folder: string): Promise<void> {
  followToTheEnd();
  return inOwnWorld(folder, async ({ layout }) => {
    for (const line of [...LINES.map((line) => ["--root", folder, ...line]), ...runtimeLines(folder, layout)]) {
      const code = await runLine(line);
      if (code !== 0) throw new Error(`berth ${line.join(" ")} ended with ${code}`);
      await Bun.sleep(AFTERMATH);
    }
    // Those that a container in the foreground is sent.
    for (const name of process.eventNames()) if (String(name).startsWith("SIG") && name !== "SIGCHLD") process.removeAllListeners(name);
  });
}

/** Calls back with a line for each of what scripts do most, to run it. */
export function eachLine(folder: string, action: (name: Named, line: string[]) => void): Promise<void> {
  return inOwnWorld(folder, async ({ layout }) => {
    await dispatch(["--root", folder, "run", "-d", "--name", "c", IMAGE, "stays"]);
    const lines: Partial<Record<Named, string[]>> = {
      run: ["--rm", IMAGE],
      exec: ["c", "/idle"],
      ps: [],
      inspect: ["c"],
      logs: ["c"],
      stop: ["-t", "0", "c"],
      start: ["c"],
      rm: ["-f", "c"],
      create: [IMAGE],
    };
    for (const [name, args] of Object.entries(lines)) action(name as Named, ["--root", folder, name, ...args]);
    for (const line of runtimeLines(folder, layout)) {
      action(`+${line[3]}` as Named, line);
      await Bun.sleep(AFTERMATH);
    }
  });
}

/** Runs berth's command line, or that of the OCI runtime in it. Gives its exit code. */
export function runLine(line: string[]): Promise<number> {
  const log = { path: undefined, format: "text", debug: false } as const;
  return line[0] === "runtime" ? dispatchRuntime(line.slice(1), log) : dispatch(line);
}

// The OCI runtime's life of a container.
function runtimeLines(folder: string, layout: Layout): string[][] {
  const bundle = join(folder, "bundle");
  const spec = defaultSpec();
  Object.assign(spec.process, { args: [`/${PROGRAM}`], terminal: false });
  Object.assign(spec.root, { path: join(layout.layers, LAYER), readonly: false });
  mkdirSync(bundle);
  writeFileSync(join(bundle, "config.json"), JSON.stringify(spec));
  const id = randomId();
  return [
    ["create", "-b", bundle, id],
    ["start", id],
    ["delete", id],
  ].map((words) => ["runtime", "--root", join(bundle, "state"), ...words]);
}
