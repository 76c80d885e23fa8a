import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { TestEngine } from "./engine.ts";

let engine: TestEngine;
beforeAll(async () => {
  engine = await TestEngine.make();
});
afterAll(async () => {
  await engine[Symbol.asyncDispose]();
});

// Doubles a string until memory ends.
const HUNGRY = ["sh", "-c", "a=0123456789abcdef; while :; do a=$a$a; done"];

test("-m: what takes too much is killed, exits 137, and inspect says why", async () => {
  expect((await engine.run("run", "--name", "hungry", "-m", "64m", "bb", ...HUNGRY)).exitCode).toBe(137);
  expect(await engine.inspect("hungry", "{{.State.OOMKilled}} {{.State.ExitCode}} {{.HostConfig.Memory}}")).toBe(`true 137 ${64 << 20}`);
  await engine.ok("start", "hungry"); // and again: what was counted before does not count now
  await engine.ok("rm", "-f", "hungry");
});

test("a container within its limit is not called killed", async () => {
  await engine.ok("run", "--name", "modest", "-m", "6m", "bb", "true");
  expect(await engine.inspect("modest", "{{.State.OOMKilled}}")).toBe("false");
  await engine.ok("rm", "modest");
});

test("--cpus 0.2 gives a busy loop a fifth of a CPU", async () => {
  await engine.ok("run", "-d", "--name", "busy", "--cpus", "0.2", "bb", "sh", "-c", "while :; do :; done");
  const pid = await engine.inspect("busy", "{{.State.Pid}}");
  const ticks = () => {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
    return Number(fields[11]) + Number(fields[12]);
  };
  const before = ticks();
  const start = performance.now();
  await Bun.sleep(5000);
  const share = ((ticks() - before) * 10) / (performance.now() - start); // a tick is 10 ms
  expect(share).toBeGreaterThan(0.15);
  expect(share).toBeLessThan(0.25);
  await engine.ok("rm", "-f", "busy");
});

test("--pids-limit stops a fork bomb", async () => {
  const result = await engine.run("run", "--rm", "--pids-limit", "20", "bb", "sh", "-c", "for i in $(seq 1 40); do sleep 5 & done; echo survived");
  expect(result.stderr).toContain("can't fork");
  expect(await engine.leftovers()).toEqual([]);
});

test("shares, cpuset, reservation and swap reach the kernel", async () => {
  const flags = ["--cpu-shares", "512", "--cpuset-cpus", "0", "--memory", "64m", "--memory-reservation", "32m"];
  const out = await engine.ok(
    ...["run", "--rm", ...flags, "bb", "sh", "-c"],
    "cd /sys/fs/cgroup; cat */cpu.shares cpu.weight */cpuset.cpus cpuset.cpus */memory.soft_limit_in_bytes memory.low 2>/dev/null; grep Cpus_allowed_list /proc/self/status",
  );
  expect(out).toContain("Cpus_allowed_list:\t0");
  expect(out).toContain(String(32 << 20));
  expect(await engine.fails(125, "run", "--rm", "-m", "64m", "--memory-swap", "32m", "bb", "true")).toContain(
    "Minimum memoryswap limit should be larger than memory limit",
  );
  expect(await engine.fails(125, "run", "--rm", "--memory-swap", "64m", "bb", "true")).toContain("You should always set the Memory limit");
  expect(await engine.fails(125, "run", "--rm", "--cpuset-cpus", "900", "bb", "true")).toContain("Requested CPUs are not available - requested 900");
  expect(await engine.leftovers()).toEqual([]);
});

test.each(["none", "bridge"])("an idle monitor that cannot rest holds some 4 MB of its own, network %s", async (network) => {
  await engine.ok("run", "-di", "--name", "idle", "--network", network, "bb", "sleep", "1000");
  await Bun.sleep(1500);
  const monitor = await engine.monitorOf("idle");
  // Anonymous memory only: pages of the executable are in the cache for everybody.
  let anonymous = 0;
  let isFile = false;
  for (const line of readFileSync(`/proc/${monitor}/smaps`, "utf8").split("\n")) {
    if (/^[0-9a-f]+-/.test(line)) isFile = / \//.test(line);
    else if (!isFile && line.startsWith("Private_Dirty:")) anonymous += Number(/\d+/.exec(line)?.[0]);
  }
  expect(anonymous).toBeGreaterThan(500);
  expect(anonymous).toBeLessThan(4400); // KiB
  await engine.ok("rm", "-f", "idle");
});

test("of many idle monitors eight keep the store open, and the others know how their containers end", async () => {
  const names = Array.from({ length: 11 }, (_, i) => `idle${i}`);
  for (const name of names)
    await engine.ok("run", "-d", "--name", name, "--network", "none", "bb", "sh", "-c", "trap 'exit 7' TERM; sleep 1000 & wait");
  await Bun.sleep(3500); // until they rest
  const monitors = await Promise.all(names.map((name) => engine.monitorOf(name)));
  const hasStore = (monitor: number) =>
    readdirSync(`/proc/${monitor}/fd`).some((fd) => readlinkSync(`/proc/${monitor}/fd/${fd}`).endsWith("berth.db"));
  expect(monitors.map(hasStore)).toEqual(names.map((_, i) => i < 8));
  await engine.ok("stop", ...names);
  for (const name of names) expect(await engine.inspect(name, "{{.State.Status}} {{.State.ExitCode}}")).toBe("exited 7");
  await engine.ok("rm", ...names);
});

test("update changes limits of a container that runs, and of one that will", async () => {
  await engine.ok("run", "-d", "--name", "live", "-m", "64m", "bb", "sh", "-c", "sleep 1000 & wait");
  const isV1 = existsSync("/sys/fs/cgroup/memory");
  const folder = (controller: string) => `/sys/fs/cgroup/${isV1 ? `${controller}/` : ""}berth/${id}`;
  const id = await engine.inspect("live", "{{.Id}}");
  const read = (controller: string, file: string) => readFileSync(`${folder(controller)}/${file}`, "utf8").trim();
  expect(await engine.ok("update", "-m", "128m", "--memory-swap", "128m", "--cpus", "0.5", "--cpu-shares", "256", "--pids-limit", "50", "live")).toBe(
    "live",
  );
  expect(read("memory", isV1 ? "memory.limit_in_bytes" : "memory.max")).toBe(String(128 << 20));
  expect(read("pids", "pids.max")).toBe("50");
  expect(read("cpu", isV1 ? "cpu.cfs_quota_us" : "cpu.max")).toMatch(/^50000( 100000)?$/);
  // All of it, not the first process only.
  expect(read("cpu", "cgroup.procs").split("\n")).toHaveLength(2);
  expect(await engine.inspect("live", "{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}}")).toBe(`${128 << 20} 500000000 50`);
  await engine.fails(1, "update", "--cpuset-mems", "63", "live");
  expect(await engine.inspect("live", "{{.HostConfig.CpusetCpus}}")).toBe("");
  expect(await engine.fails(1, "update", "live")).toContain("You must provide one or more flags");
  await engine.ok("stop", "-t", "0", "live");
  await engine.ok("update", "--pids-limit", "60", "live");
  await engine.ok("start", "live");
  expect(read("pids", "pids.max")).toBe("60");
  await engine.ok("rm", "-f", "live");
});
