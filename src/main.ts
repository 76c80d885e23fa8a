/** Picks the role from the name and the arguments. Each loads only what it needs. */

import { basename } from "../ffi/path.ts";
import { mark, startTrace } from "../ffi/trace.ts";

const ONE_COMPILER = "BUN_JSC_useConcurrentJIT";
const TAKE_OVER = "take-over";
const RUNTIME_NAMES = ["berth-runtime", "runc", "crun"];

// The kernel's arguments are no command line.
if (process.pid === 1) {
  const { isFirstProcess } = await import("../ffi/machine.ts");
  if (isFirstProcess()) await (await import("./vm/boot.ts")).bootMachine();
}

const role = process.argv[2];
const isOciRuntime = role === "runtime" || RUNTIME_NAMES.includes(basename(process.argv0));
// What the loader does before Bun starts (ffi/loader.c, which says why); the targets for musl have none.
if ((isOciRuntime || process.argv.slice(2, 9).includes("exec")) && process.env[ONE_COMPILER] === undefined) {
  const { execve } = await import("../ffi/process.ts");
  const variables = Object.entries({ ...process.env, [ONE_COMPILER]: "0" }).map(([name, value]) => `${name}=${value}`);
  execve("/proc/self/exe", [process.argv0, ...process.argv.slice(2)], variables);
}
startTrace(["init", "monitor"].includes(role ?? "") ? (role as string) : "command line");
if (role === "init") {
  const { runInit } = await import("./runtime/init.ts");
  mark("load");
  runInit(Number(process.argv[3]), process.argv[4] === "early");
} else if (role === "monitor") {
  // What a monitor takes over runs already.
  if (process.argv[3] !== TAKE_OVER) (await import("./runtime/spawn.ts")).startInitEarly();
  mark("start init early");
  const { runMonitor } = await import("./monitor/monitor.ts");
  mark("load");
  await runMonitor();
} else if (role === "drain") {
  const { drain } = await import("./monitor/drain.ts");
  await drain();
} else if (role === "digest") {
  const { runDigester } = await import("./store/file-digester.ts");
  await runDigester();
} else if (isOciRuntime) {
  const { runOciRuntime } = await import("./cli/oci/main.ts");
  await runOciRuntime(process.argv.slice(role === "runtime" ? 3 : 2));
} else {
  const { runCommandLine } = await import("./cli/main.ts");
  mark("load");
  await runCommandLine(process.argv.slice(2));
}
