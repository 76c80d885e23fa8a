/** What processes of the command line do, once. */
import { dispatch } from "../cli/main.ts";
import { followToTheEnd } from "../runtime/stdio.ts";
import { IMAGE, inOwnWorld } from "./warm.ts";

/** What scripts use most, without what needs threads: Bun reads and writes pipes in them. */
const LINES = [
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
  ["version"],
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
  return inOwnWorld(folder, async () => {
    for (const line of LINES) {
      const code = await dispatch(["--root", folder, ...line]);
      if (code !== 0) throw new Error(`berth ${line.join(" ")} ended with ${code}`);
      await Bun.sleep(AFTERMATH);
    }
    // Those that a container in the foreground is sent.
    for (const name of process.eventNames()) if (String(name).startsWith("SIG") && name !== "SIGCHLD") process.removeAllListeners(name);
  });
}
