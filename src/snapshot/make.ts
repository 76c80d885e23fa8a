/** Takes a snapshot: what a process loads and is as it starts up, in a file that others go on from. See "A process from a file" in docs/architecture.md. */
import { readdirSync, readFileSync } from "../../ffi/files.ts";
import { call } from "../../ffi/libc.ts";
import { freezer } from "../../ffi/stub.ts";
import { type Adopted, adopt, Passed } from "./adopt.ts";
import { FIRST_OWN_DESCRIPTOR, type SnapshotKind } from "./environment.ts";

/**
 * Comes back in every process that goes on from here; the maker itself ends.
 *
 * @param path where the snapshot is to be
 */
export async function makeSnapshot(kind: SnapshotKind, path: string): Promise<Adopted> {
  call("close_range", 3, FIRST_OWN_DESCRIPTOR - 1, 0); // taken by the loader until here
  const { warmUp } = await (kind === "monitor" ? import("./warm-monitor.ts") : import("./warm-command.ts"));
  await warmUp(`${path}.tmp`);
  forkAll();
  const passed = new Passed();
  const freeze = freezer(passed.memory);
  if (readdirSync("/proc/self/task").length > 1) throw new Error("a snapshot is of one thread");
  Bun.gc(true);
  const copy = freeze();
  if (copy === 0) return adopt(passed);
  const { finishSnapshot } = await import("./write.ts");
  return finishSnapshot(copy, path, passed);
}

// JavaScriptCore's memory for code is not for children (madvise(2), MADV_DONTFORK).
function forkAll(): void {
  const MADV_DOFORK = 11;
  for (const [, start = "", end = ""] of readFileSync("/proc/self/maps", "latin1").matchAll(/^(\w+)-(\w+) rwxp/gm)) {
    const address = Number.parseInt(start, 16);
    call("madvise", address, Number.parseInt(end, 16) - address, MADV_DOFORK);
  }
}
