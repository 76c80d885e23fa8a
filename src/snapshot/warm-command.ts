/** What processes of the command line do, once. */
import { mkdirSync, writeFileSync } from "../../ffi/files.ts";
import { join } from "../../ffi/path.ts";
import { dispatch } from "../cli/main.ts";
import { dispatch as dispatchRuntime } from "../cli/oci/main.ts";
import { randomId } from "../engine/random-id.ts";
import { defaultSpec } from "../runtime/container/describe.ts";
import { followToTheEnd } from "../runtime/stdio.ts";
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
    for (const line of LINES) {
      const code = await dispatch(["--root", folder, ...line]);
      if (code !== 0) throw new Error(`berth ${line.join(" ")} ended with ${code}`);
      await Bun.sleep(AFTERMATH);
    }
    await useRuntime(join(folder, "bundle"), join(layout.layers, LAYER));
    // Those that a container in the foreground is sent.
    for (const name of process.eventNames()) if (String(name).startsWith("SIG") && name !== "SIGCHLD") process.removeAllListeners(name);
  });
}

// The OCI runtime's life of a container.
async function useRuntime(bundle: string, root: string): Promise<void> {
  const id = randomId();
  const spec = defaultSpec();
  Object.assign(spec.process, { args: [`/${PROGRAM}`], terminal: false });
  Object.assign(spec.root, { path: root, readonly: false });
  mkdirSync(bundle);
  writeFileSync(join(bundle, "config.json"), JSON.stringify(spec));
  for (const line of [
    ["create", "-b", bundle, id],
    ["start", id],
    ["delete", id],
  ]) {
    const code = await dispatchRuntime(["--root", join(bundle, "state"), ...line], { path: undefined, format: "text", debug: false });
    if (code !== 0) throw new Error(`berth runtime ${line.join(" ")} ended with ${code}`);
    await Bun.sleep(AFTERMATH);
  }
}
