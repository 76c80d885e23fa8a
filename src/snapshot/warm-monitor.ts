/** Of a monitor. */
export async function warmUp(_folder: string): Promise<void> {
  await Promise.all([
    import("../monitor/monitor.ts"),
    import("../monitor/prepare-ahead.ts"),
    import("../monitor/rehearsal.ts"),
    import("../monitor/container-network.ts"),
  ]);
}
