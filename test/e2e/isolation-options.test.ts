/** What `run` can be told about isolation and limits, and what it refuses. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { TestEngine } from "./engine.ts";

let engine: TestEngine;
const N = ["--network", "none"];
const run = (...args: string[]) => engine.ok("run", "--rm", ...N, ...args);
const refused = (...args: string[]) => engine.fails(125, "run", "--rm", ...N, ...args, "bb", "true");
/** The disk that the engine is on, if it is one. */
const disk = readdirSync("/sys/class/block").find((name) => /^(vd|sd|nvme\d+n)[a-z0-9]*$/.test(name) && existsSync(`/dev/${name}`));
const onV1 = existsSync("/sys/fs/cgroup/memory/cgroup.procs");

beforeAll(async () => {
  engine = await TestEngine.make();
});
afterAll(() => engine[Symbol.asyncDispose]());

test.skipIf(!onV1)("limits of all kinds reach the kernel, and inspect tells them", async () => {
  const throttle = disk ? ["--device-read-bps", `/dev/${disk}:2mb`, "--device-write-iops", `/dev/${disk}:100`] : [];
  const flags = ["--memory-swappiness", "10", "--oom-kill-disable", "-m", "64m", "--oom-score-adj", "300", "--blkio-weight", "200", ...throttle];
  const files = "/sys/fs/cgroup/memory/memory.swappiness /proc/self/oom_score_adj";
  expect(await run(...flags, "bb", "sh", "-c", `cat ${files}; grep oom_kill_disable /sys/fs/cgroup/memory/memory.oom_control`)).toBe(
    "10\n300\noom_kill_disable 1",
  );
  await engine.ok("create", "--name", "limited", ...flags, "bb", "true");
  expect(JSON.parse(await engine.inspect("limited", "{{json .HostConfig}}"))).toMatchObject({
    MemorySwappiness: 10,
    OomKillDisable: true,
    OomScoreAdj: 300,
    BlkioWeight: 200,
    ...(disk && { BlkioDeviceReadBps: [{ Path: `/dev/${disk}`, Rate: 2 << 20 }], BlkioDeviceWriteIOps: [{ Path: `/dev/${disk}`, Rate: 100 }] }),
  });
  await engine.ok("rm", "limited");
});

test.skipIf(!onV1 || !disk)("a rate of writing to a disk is kept", async () => {
  // What goes past the page cache, three seconds of it.
  const script = "time dd if=/dev/zero of=/data/x bs=64k count=48 oflag=direct 2>&1; rm /data/x";
  const { stdout, stderr } = await engine.run(
    "run",
    "--rm",
    ...N,
    "--device-write-bps",
    `/dev/${disk}:1mb`,
    "-v",
    "slow:/data",
    "bb",
    "sh",
    "-c",
    script,
  );
  const [, minutes, seconds] = /real\s+(\d+)m ([\d.]+)s/.exec(stdout + stderr) ?? [];
  expect(60 * Number(minutes) + Number(seconds)).toBeGreaterThan(2.5);
  expect(60 * Number(minutes) + Number(seconds)).toBeLessThan(10);
});

test.skipIf(!onV1)("a cgroup below another one; the host's cgroups to be seen", async () => {
  const parent = `/berth-test-${process.pid}/deep`;
  const id = await engine.ok("run", "-d", ...N, "--cgroup-parent", parent, "--cgroupns", "host", "bb", "sleep", "100");
  expect(await engine.ok("exec", id, "cat", "/proc/1/cgroup")).toContain(`:memory:${parent}/${id}`);
  expect((await engine.ok("stats", "--no-stream", "--format", "{{.PIDs}}", id)).trim()).toBe("1");
  await engine.ok("pause", id);
  await engine.ok("rm", "-f", id);
  for (const controller of ["memory", "pids", "cpuacct", "freezer", "devices", "blkio"]) {
    const folder = join("/sys/fs/cgroup", controller, parent);
    if (!existsSync(folder)) continue;
    expect(existsSync(join(folder, id))).toBe(false);
    rmdirSync(folder);
    rmdirSync(join(folder, ".."));
  }
  expect(await refused("--cgroup-parent", "../x")).toContain("expected the path of a cgroup, without '..'");
});

test("nothing of /proc hidden, where asked for; labels and profiles of hosts that have them", async () => {
  const masked = (...flags: string[]) => run(...flags, "bb", "sh", "-c", "grep -c ' /proc/' /proc/mounts || true");
  expect(Number(await masked())).toBeGreaterThan(3);
  expect(await masked("--security-opt", "systempaths=unconfined")).toBe("0");
  await run("--security-opt", "label=disable", "--security-opt", "apparmor=unconfined", "bb", "true");
  expect(await refused("--security-opt", "label=level:s0")).toContain("labels of SELinux are not there");
  if (!existsSync("/sys/module/apparmor/parameters/enabled"))
    expect(await refused("--security-opt", "apparmor=docker-default")).toContain("this host has no AppArmor");
});

describe("devices", () => {
  test("rules for the cgroup", async () => {
    // No such device is there, but who may not use it does not hear of that.
    const use = (...flags: string[]) => engine.run("run", "--rm", ...N, ...flags, "bb", "sh", "-c", "mknod /tmp/d c 250 1 && head -c0 </tmp/d");
    expect((await use()).stderr).toContain("Operation not permitted");
    expect((await use("--device-cgroup-rule", "c 250:* r")).stderr).toContain("No such device");
    expect(await refused("--device-cgroup-rule", "c 1 r")).toContain("expected TYPE MAJOR:MINOR ACCESS");
  });

  test("by CDI: nodes, mounts, variables, hooks; and without a specification", async () => {
    expect(await refused("--gpus", "all")).toContain("unresolvable CDI device nvidia.com/gpu=all");
    expect(await refused("--gpus", "many")).toContain("expected all, a number, or device=0,1");
    const file = `/etc/cdi/berth-test-${process.pid}.json`;
    const hadFolder = existsSync("/etc/cdi");
    mkdirSync("/etc/cdi", { recursive: true });
    const hook = { hookName: "createContainer", path: "/bin/sh", args: ["sh", "-c", 'cat > "$1"', "sh", join(engine.root, "state")] };
    const edits = {
      env: ["FOO=bar"],
      deviceNodes: [{ path: "/dev/thing", hostPath: "/dev/zero" }],
      mounts: [{ hostPath: engine.root, containerPath: "/there", options: ["ro"] }],
      hooks: [hook],
    };
    writeFileSync(file, JSON.stringify({ cdiVersion: "0.6.0", kind: "example.com/thing", devices: [{ name: "one", containerEdits: edits }] }));
    try {
      const script = "echo $FOO; head -c 2 /dev/thing | wc -c; ls /there | grep -c db; touch /there/x 2>&1";
      const { stdout } = await engine.run("run", "--rm", ...N, "--device", "example.com/thing=one", "bb", "sh", "-c", script);
      expect(stdout).toMatch(/^bar\n2\n\d+\ntouch: .*Read-only/);
    } finally {
      rmSync(file);
      if (!hadFolder) rmdirSync("/etc/cdi");
    }
    expect(JSON.parse(await Bun.file(join(engine.root, "state")).text())).toMatchObject({ status: "creating" });
    expect(await refused("--device", "example.com/thing=two")).toContain("unresolvable CDI device example.com/thing=two");
  });
});

test("bad input", async () => {
  expect(await refused("--oom-score-adj", "5000")).toContain("expected a number from -1000 to 1000");
  expect(await refused("--memory-swappiness", "101")).toContain("expected a number from -1 to 100");
  expect(await refused("--blkio-weight", "5")).toContain("Range of blkio weight is from 10 to 1000");
  expect(await refused("--device-read-bps", "/dev/null:1mb")).toContain("/dev/null is no block device");
  expect(await refused("--device-read-bps", "/dev/nowhere:1mb")).toContain("/dev/nowhere is not there");
  expect(await refused("--cgroupns", "mine")).toContain("expected host or private");
  expect(await refused("--cpuset-cpus", "4000")).toContain("Requested CPUs are not available - requested 4000, available: 0");
  const profile = join(engine.root, "profile.json");
  for (const [text, word] of [
    ["{", "JSON Parse error"],
    ["[]", "expected a JSON object"],
    ["{}", "no defaultAction"],
    ['{"defaultAction":"SCMP_ACT_ALLOW","syscalls":7}', "syscalls: expected a list"],
    ['{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdri"],"action":"SCMP_ACT_ERRNO"}]}', 'there is no system call "mkdri"'],
    ['{"defaultAction":"SCMP_ACT_NOTIFY"}', "SCMP_ACT_NOTIFY is not supported"],
  ] as const) {
    writeFileSync(profile, text);
    expect(await refused("--security-opt", `seccomp=${profile}`)).toContain(word);
  }
  expect(await refused("--cap-add", "NOPE")).toContain("unknown capability");
  expect(await engine.ok("ps", "-aq")).toBe("");
});
