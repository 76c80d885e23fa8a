/** Whether a snapshot works on this machine: asked of a process that has gone on from it, before any other does. */

/** Its exit code; nobody else has it. */
export const TRIAL_PASSED = 42;

/** Does what all processes of berth's do: memory, time, threads, children, SQLite. */
export async function passTrial(): Promise<void> {
  const { Database } = await import("bun:sqlite");
  using db = new Database(":memory:");
  const [{ sum }] = db.query("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100) SELECT sum(i) AS sum FROM n").all() as [
    { sum: number },
  ];
  // Memory that is let go of and had again must be as it ought to be.
  for (let round = 0; round < 4; round++) {
    const lists = Array.from({ length: 2000 }, (_, i) => new Array(i % 64).fill({ round, i, text: `${i}`.repeat(9) }));
    const blocks = Array.from({ length: 64 }, (_, i) => Buffer.alloc(1 << 14, i));
    if (blocks.some((block, i) => block[9999] !== i) || lists[63]?.[62].i !== 63) process.exit(1);
    if (new Uint8Array(1 << 20).some(Boolean)) process.exit(1);
    Bun.gc(true);
  }
  const text = await Bun.file("/proc/self/stat").text();
  await Bun.sleep(1);
  Bun.gc(true);
  const child = Bun.spawnSync(["/proc/self/exe", "version", "--short"], { env: { BERTH_SNAPSHOT: "off" } });
  const isRight = sum === 5050 && text.startsWith(`${process.pid} `) && child.exitCode === 0 && child.stdout.includes(BERTH_VERSION);
  process.exit(isRight ? TRIAL_PASSED : 1);
}
