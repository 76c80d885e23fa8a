// Rows of containers' lives, in a network namespace that stands for the host: berth, docker and podman in turn.
import { join } from "node:path";
import { measure } from "./measure.ts";
import { measureCpu } from "./rows/cpu.ts";
import { startEngines } from "./rows/engines.ts";
import { lifeRows } from "./rows/lives.ts";

const [folder = "", ...wanted] = process.argv.slice(2);

// The mounts of podman's network namespaces are this process's own.
const host = "mount --make-rprivate /; mkdir -p /run/netns; mount -t tmpfs t /run/netns; ip link set lo up; echo 1 > /proc/sys/net/ipv4/ip_forward";
if (Bun.spawnSync(["sh", "-ec", host], { stderr: "inherit" }).exitCode !== 0) process.exit(1);
// A longer runroot podman refuses.
await using engines = await startEngines(join(folder, "l"), true);
if (wanted.length === 0 || wanted.includes("cpu")) measureCpu(engines, folder);
for (const { before, rows } of lifeRows(engines, folder)) {
  const measured = rows.filter(({ name }) => wanted.length === 0 || wanted.includes(name));
  if (measured.length === 0) continue;
  // A peer that fails here fails in the rows, too, and they say so.
  if (before) for (const command of Object.values(engines.each(before))) Bun.spawnSync(["sh", "-ec", command]);
  for (const row of measured) await measure(row, folder);
}
