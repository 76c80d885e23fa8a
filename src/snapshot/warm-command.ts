/** Of a process that the command line starts in. */
export async function warmUp(_folder: string): Promise<void> {
  await Promise.all([
    import("../cli/main.ts"),
    import("../engine/engine.ts"),
    import("../cli/commands/run.ts"),
    import("../cli/commands/exec.ts"),
    import("../cli/commands/rm.ts"),
    import("../cli/commands/version.ts"),
    import("../cli/commands/ps.ts"),
    import("../cli/commands/start.ts"),
    import("../cli/commands/stop.ts"),
    import("../cli/commands/inspect.ts"),
    import("../cli/commands/images.ts"),
    import("../cli/commands/logs.ts"),
    import("../cli/oci/main.ts"),
  ]);
}
