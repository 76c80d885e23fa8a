/** Picks the role from the arguments: init, monitor or command line. Each loads only what it needs. */
export {};

const role = process.argv[2];
if (role === "init") {
  const { runInit } = await import("./runtime/init.ts");
  runInit(Number(process.argv[3]));
} else if (role === "monitor") {
  const { runMonitor } = await import("./monitor/monitor.ts");
  await runMonitor();
} else {
  const { runCommandLine } = await import("./cli/main.ts");
  await runCommandLine(process.argv.slice(2));
}
