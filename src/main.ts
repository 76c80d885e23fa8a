/** Picks the role from the arguments: command line, monitor or init. */
const role = process.argv[2];
if (role === "init") (await import("./runtime/init.ts")).runInit();
else await (await import("./trial.ts")).main();
