/** Picks the role from the name and the arguments. Each loads only what it needs. */

import "../ffi/array-methods.ts";
import { once } from "../ffi/once.ts";
import { basename } from "../ffi/path.ts";
import { mark, startTrace } from "../ffi/trace.ts";
import { SNAPSHOT_NAME, type SnapshotKind, TRIAL_NAME } from "./snapshot/environment.ts";

const RUNTIME_NAMES = ["berth-runtime", "runc", "crun"];

const loadCommandLine = once(() => import("./cli/main.ts"));
const loadOciRuntime = once(() => import("./cli/oci/main.ts"));
const loadMonitor = once(() => import("./monitor/role.ts"));

let startedAt = performance.timeOrigin;
if (process.argv0 === SNAPSHOT_NAME) {
  const { makeSnapshot } = await import("./snapshot/make.ts");
  await (process.argv[3] === "monitor" ? loadMonitor() : Promise.all([loadCommandLine(), loadOciRuntime()]));
  // From here on this is another process, with arguments of its own.
  ({ startedAt } = await makeSnapshot(process.argv[3] as SnapshotKind, process.argv[4] as string));
  if (String(process.argv0) === TRIAL_NAME) await (await import("./snapshot/trial.ts")).passTrial(process.argv[2] as string, process.argv.slice(3));
}

// The user's is for files of his: what containers are made of has the modes that are asked for.
process.umask(0o022);

// The kernel's arguments are no command line.
if (process.pid === 1) {
  const { isFirstProcess } = await import("../ffi/machine.ts");
  if (isFirstProcess()) await (await import("./vm/boot.ts")).bootMachine();
}

const role = process.argv[2];
const isOciRuntime = role === "runtime" || RUNTIME_NAMES.includes(basename(process.argv0));
startTrace(startedAt, ["init", "monitor"].includes(role ?? "") ? (role as string) : "command line");
if (role === "init") {
  const { runInit } = await import("./runtime/init.ts");
  mark("load");
  runInit(Number(process.argv[3]));
} else if (role === "monitor") {
  const { runMonitor } = await loadMonitor();
  mark("load");
  await runMonitor(process.argv[3] as Parameters<typeof runMonitor>[0]);
} else if (role === "drain") {
  const { drain } = await import("./monitor/drain.ts");
  await drain();
} else if (role === "digest") {
  const { runDigester } = await import("./store/file-digester.ts");
  await runDigester();
} else if (isOciRuntime) {
  const { runOciRuntime } = await loadOciRuntime();
  await runOciRuntime(process.argv.slice(role === "runtime" ? 3 : 2));
} else {
  const { runCommandLine } = await loadCommandLine();
  mark("load");
  await runCommandLine(process.argv.slice(2));
}
