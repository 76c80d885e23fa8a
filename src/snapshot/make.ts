/** Takes a snapshot: what a process loads and is as it starts up, in a file that others go on from. See "A process from a file" in docs/architecture.md. */
import { AT_FDCWD, freeSpace, O_RDONLY, openat } from "../../ffi/fd.ts";
import { readdirSync, readFileSync } from "../../ffi/files.ts";
import { call, tryCall } from "../../ffi/libc.ts";
import { memoryAt } from "../../ffi/native.ts";
import { dirname } from "../../ffi/path.ts";
import { freezer } from "../../ffi/stub.ts";
import { type Adopted, adopt, Passed } from "./adopt.ts";
import { type Area, FIRST_OWN_DESCRIPTOR, PAGE, type SnapshotKind } from "./environment.ts";

/** Bytes that are free on /run, which is memory, where there is to be a snapshot: it has less than twenty million. */
const ROOM = 64e6;
/** Milliseconds between two looks, and how many. */
const LOOK_AGAIN = 20;
const PATIENCE = 100;

/**
 * Comes back in every process that goes on from here; the maker itself ends.
 *
 * @param path where the snapshot is to be
 */
export async function makeSnapshot(kind: SnapshotKind, path: string): Promise<Adopted> {
  closeOthers(); // taken by the loader until here
  if (!hasRoom(dirname(path))) process.exit(0);
  // What is used meanwhile is what those have who go on from here.
  const passed = new Passed();
  adopt(passed);
  const { warmUp } = await (kind === "monitor" ? import("./warm-monitor.ts") : import("./warm-command.ts"));
  try {
    await warmUp(`${path}.tmp`);
  } catch (error) {
    // Where there can be no containers, or none in namespaces like that: what has been loaded is worth it, too.
    if (process.env.BERTH_DEBUG) console.error(error);
  }
  for (let i = 0; i < PATIENCE && !isQuiet(); i++) await Bun.sleep(LOOK_AGAIN);
  closeOthers();
  forkAll();
  const structures = noteStructures();
  const freeze = freezer(passed.memory);
  if (readdirSync("/proc/self/task").length > 1) throw new Error("a snapshot is of one thread");
  const copy = freeze();
  if (copy === 0) return adopt(passed);
  const { finishSnapshot } = await import("./write.ts");
  return finishSnapshot(copy, kind, path, { passed, structures });
}

// Whether the event loop waits for nothing any more but to be woken.
const isQuiet = () => readFileSync(`/proc/self/fdinfo/${FIRST_OWN_DESCRIPTOR}`, "latin1").split("tfd:").length === 2;

function hasRoom(folder: string): boolean {
  using opened = openat(AT_FDCWD, folder, O_RDONLY);
  return freeSpace(opened.fd) >= ROOM;
}

// All but what Bun's event loop is made of.
function closeOthers(): void {
  if (tryCall("close_range", 3, FIRST_OWN_DESCRIPTOR - 1, 0) >= 0) return;
  for (let fd = 3; fd < FIRST_OWN_DESCRIPTOR; fd++) tryCall("close", fd);
}

// Four gigabytes that JavaScriptCore has for its structures, most of which nobody looks at. Where they are is left for
// ffi/restore.h, at an address that nothing else has.
function noteStructures(): Area {
  const ANOTHER_ARENA = 0x100000;
  const SIZE = 2 ** 32;
  const PROT_READ_WRITE = 3;
  const MAP_PRIVATE_ANONYMOUS_FIXED_NOREPLACE = 0x100022;
  const address = call("mmap", ANOTHER_ARENA, PAGE, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS_FIXED_NOREPLACE, -1, 0);
  const areas = readFileSync("/proc/self/maps", "latin1").matchAll(/^(\w+)-(\w+) rw-p 00000000 00:00 0 *$/gm);
  const [start, end] = [...areas]
    .map(([, ...ends]) => ends.map((text) => Number.parseInt(text, 16)) as [number, number])
    .find(([start, end]) => start % SIZE === 0 && end - start === SIZE) ?? [0, 0];
  new BigUint64Array(memoryAt(address, PAGE)).set([BigInt(start), BigInt(end)]);
  return { start, end };
}

// JavaScriptCore's memory for code is not for children (madvise(2), MADV_DONTFORK).
function forkAll(): void {
  const MADV_DOFORK = 11;
  for (const [, start = "", end = ""] of readFileSync("/proc/self/maps", "latin1").matchAll(/^(\w+)-(\w+) rwxp/gm)) {
    const address = Number.parseInt(start, 16);
    call("madvise", address, Number.parseInt(end, 16) - address, MADV_DOFORK);
  }
}
