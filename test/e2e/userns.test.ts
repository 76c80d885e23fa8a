/** User namespaces: root in the container is nobody outside, and two containers are not the same nobody. */
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BERTH, TestEngine, until } from "./engine.ts";

let engine: TestEngine;
const N = ["--network", "none"];

beforeAll(async () => {
  engine = await TestEngine.make();
});
afterAll(() => engine[Symbol.asyncDispose]());
afterEach(() => engine.removeContainers());

const statusOf = (pid: string, key: string) => new RegExp(`^${key}:\t(\\d+)`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
const pidOf = (name: string) => engine.inspect(name, "{{.State.Pid}}");

test("--userns auto: a range of its own, the image's owners, nothing outside", async () => {
  const shared = join(engine.root, "shared");
  mkdirSync(shared);
  chmodSync(shared, 0o777);
  writeFileSync(join(engine.root, "secret"), "x", { mode: 0o600 });
  const flags = ["-d", ...N, "--userns", "auto", "-v", `${shared}:/shared`, "-v", `${join(engine.root, "secret")}:/secret`, "-v", "data:/data2"];
  await engine.ok("run", "--name", "a", ...flags, "bb", "sh", "-c", "touch /shared/a /made /data2/v; chown 1000:1000 /data2/v; sleep 100");
  await engine.ok("run", "--name", "b", ...flags, "bb", "sh", "-c", "touch /shared/b; sleep 100");
  const inside = (name: string, script: string) => engine.ok("exec", name, "sh", "-c", script);
  expect(await inside("a", "id -u; stat -c %u:%g /bin/busybox /home/user /made /etc/hosts /data2/v")).toBe("0\n0:0\n0:0\n0:0\n0:0\n1000:1000");
  const [uidA, uidB] = [statusOf(await pidOf("a"), "Uid"), statusOf(await pidOf("b"), "Uid")].map(Number);
  expect(uidA).toBeGreaterThan(0x6fff_ffff);
  expect(Math.abs((uidA as number) - (uidB as number))).toBeGreaterThanOrEqual(65536);
  expect(statSync(join(shared, "a")).uid).toBe(uidA as number);
  expect(statSync(join(shared, "b")).uid).toBe(uidB as number);
  expect((await engine.run("exec", "a", "cat", "/secret")).stderr).toContain("Permission denied");
  expect((await engine.run("exec", "b", "rm", "/shared/a")).exitCode).toBe(0); // everybody may write there
  // A file that both have in a volume is the same user's in both.
  expect(await inside("b", "stat -c %u /data2/v")).toBe("1000");
  // All capabilities, and none that reaches the host.
  expect(
    (
      await engine.run(
        "exec",
        "--privileged",
        "a",
        "sh",
        "-c",
        "mount -t tmpfs t /tmp && hostname other && dd if=/dev/zero of=/proc/sysrq-trigger count=1",
      )
    ).exitCode,
  ).not.toBe(0);
  // What was written is kept as the container saw it.
  await engine.ok("commit", "a", "made");
  expect(await engine.ok("run", "--rm", ...N, "made", "stat", "-c", "%u:%g", "/made")).toBe("0:0");
  expect(await engine.ok("run", "--rm", ...N, "--userns", "auto", "made", "stat", "-c", "%u:%g", "/made")).toBe("0:0");
  expect(await engine.inspect("a", "{{.HostConfig.UsernsMode}} {{index .HostConfig.IDMappings.UidMap 0}}")).toBe(`auto 0:${uidA}:65536`);
  // Its range can be had again when it is gone.
  await engine.ok("rm", "-f", "a", "b");
  await engine.ok("run", "-d", "--name", "c", ...N, "--userns", "auto:size=100", "bb", "sleep", "100");
  expect(statusOf(await pidOf("c"), "Uid")).toBe(String(uidA));
  expect(await engine.ok("exec", "c", "cat", "/proc/self/uid_map")).toMatch(/^\s+0\s+\d+\s+100$/);
  await engine.ok("rmi", "-f", "made");
});

test("its monitor has one child, and so has one beside the host's network", async () => {
  const parentOf = (pid: number) => Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
  for (const flags of [["--userns", "auto", ...N], ["--network", "host"], N]) {
    await engine.ok("run", "-d", "--name", "one", ...flags, "bb", "sleep", "100");
    let monitor = parentOf(Number(await pidOf("one")));
    while (!readFileSync(`/proc/${monitor}/cmdline`, "utf8").startsWith("berth-monitor")) monitor = parentOf(monitor);
    const children = () => readFileSync(`/proc/${monitor}/task/${monitor}/children`, "utf8").trim().split(" ");
    await until(`one child with ${flags.join(" ")}`, () => children().length === 1);
    await engine.ok("rm", "-f", "one");
  }
});

test("with networks, limits, users, terminals, --init and --read-only", async () => {
  const run = (...args: string[]) => engine.ok("run", "--rm", "--userns", "auto", ...args);
  expect(await run("bb", "sh", "-c", "ip -o -4 addr show eth0 | grep -c 172; ping -c 1 -W 1 172.17.0.1 > /dev/null && echo ok")).toBe("1\nok");
  expect(await run(...N, "-u", "user", "bb", "sh", "-c", "id -u; touch /tmp/x; stat -c %u /tmp/x")).toBe("1000\n1000");
  expect(await run(...N, "--init", "-m", "64m", "--sysctl", "net.ipv4.ip_forward=1", "bb", "cat", "/proc/sys/net/ipv4/ip_forward")).toBe("1");
  expect((await engine.run("run", "--rm", "--userns", "auto", ...N, "--read-only", "bb", "touch", "/x")).stderr).toContain("Read-only file system");
  expect((await engine.run("run", "--rm", "-t", "--userns", "auto", ...N, "bb", "tty")).stdout).toContain("/dev/pts/0");
  expect(await run(...N, "--tmpfs", "/t", "--device", "/dev/zero:/dev/nought", "bb", "sh", "-c", "touch /t/x; head -c 2 /dev/nought | wc -c")).toBe(
    "2",
  );
});

test("many that enter it at once: a thread that starts while the PID namespace is another's ends a process", async () => {
  await engine.ok("run", "-d", "--name", "entered", ...N, "--userns", "auto", "bb", "sleep", "1000");
  const failures: string[] = [];
  const enter = async () => {
    for (let i = 0; i < 50; i++) {
      const { exitCode, stderr } = await engine.run("exec", "entered", "true");
      if (exitCode !== 0) failures.push(stderr);
    }
  };
  await Promise.all([enter(), enter(), enter(), enter()]);
  expect(failures).toEqual([]);
});

test("where no mount can map owners, the container has a copy of its own", async () => {
  await using old = await TestEngine.make();
  mkdirSync(join(old.root, "run"), { recursive: true });
  // As an engine on such a kernel found out for itself.
  writeFileSync(join(old.root, "run/owners-mapped"), `${readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()} no`);
  await old.ok(
    "run",
    "-d",
    "--name",
    "a",
    ...N,
    "--userns",
    "auto",
    "-v",
    "data:/v",
    "bb",
    "sh",
    "-c",
    "touch /made /v/x; chown 1000:50 /made; rm /etc/group; sleep 100",
  );
  const uid = Number(statusOf(await old.inspect("a", "{{.State.Pid}}"), "Uid"));
  expect(await old.ok("exec", "a", "sh", "-c", "stat -c %u:%g /bin/busybox /home/user /made /v/x; cat /etc/hosts | head -1")).toBe(
    "0:0\n0:0\n1000:50\n0:0\n127.0.0.1\tlocalhost",
  );
  const id = await old.inspect("a", "{{.Id}}");
  expect(statSync(join(old.root, "containers", id, "mapped-root/made")).uid).toBe(uid + 1000);
  await old.ok("commit", "a", "made");
  expect(await old.ok("run", "--rm", ...N, "made", "sh", "-c", "stat -c %u:%g /made /bin/busybox; ls /etc/group 2>/dev/null || true")).toBe(
    "1000:50\n0:0",
  );
  const listing = Bun.spawnSync(["sh", "-c", `"${BERTH}" export a | tar -tv --numeric-owner | grep ' made$'`], { env: old.env }).stdout.toString();
  expect(listing).toContain(" 1000/50 ");
}, 30_000);

test("mappings by hand, of a user's subordinate ids, and of another container", async () => {
  expect(
    await engine.ok(
      "run",
      "--rm",
      ...N,
      "--uidmap",
      "0:200000:1000",
      "--gidmap",
      "0:300000:1000",
      "bb",
      "sh",
      "-c",
      "cat /proc/self/uid_map /proc/self/gid_map | tr -s ' '",
    ),
  ).toBe(" 0 200000 1000\n 0 300000 1000");
  const before = ["/etc/subuid", "/etc/subgid"].map((file) => (existsSync(file) ? readFileSync(file, "utf8") : ""));
  const user = `berth-test-${process.pid}`;
  for (const [i, file] of ["/etc/subuid", "/etc/subgid"].entries()) writeFileSync(file, `${before[i]}${user}:${400000 + i}:65536\n`);
  try {
    expect(
      await engine.ok("run", "--rm", ...N, "--userns", `remap:${user}`, "bb", "sh", "-c", "cat /proc/self/uid_map /proc/self/gid_map | tr -s ' '"),
    ).toBe(" 0 400000 65536\n 0 400001 65536");
  } finally {
    for (const [i, file] of ["/etc/subuid", "/etc/subgid"].entries()) writeFileSync(file, before[i] as string);
  }
  await engine.ok("run", "-d", "--name", "a", "--userns", "auto", "bb", "sleep", "100");
  const shared = ["--userns", "container:a", "--network", "container:a", "--pid", "container:a", "--ipc", "container:a"];
  expect(await engine.ok("run", "--rm", ...shared, "bb", "sh", "-c", "ps | grep -c '[s]leep 100'; cat /proc/1/uid_map")).toMatch(/^1\n/);
  const map = await engine.ok("exec", "a", "cat", "/proc/1/uid_map");
  // With a PID namespace of its own, whose proc it may mount only where it belongs to that.
  expect(await engine.ok("run", "--rm", "--userns", "container:a", "bb", "sh", "-c", "cat /proc/1/uid_map; ps | grep -c '[s]leep'; exit 0")).toBe(
    `${map}\n0`,
  );
});

test("bad input", async () => {
  const refused = (...args: string[]) => engine.fails(125, "run", "--rm", ...args, "bb", "true");
  expect(await refused("--userns", "auto", "--privileged")).toContain("privileged mode is incompatible with user namespaces");
  expect(await refused("--userns", "auto", "--network", "host")).toContain(
    "cannot share the host's network namespace when user namespaces are enabled",
  );
  expect(await refused("--userns", "auto", "--pid", "host")).toContain("cannot share the host's pid namespace");
  expect(await refused("--userns", "remap:nobody-here")).toContain('no subuid and subgid ranges found for user "nobody-here"');
  expect(await refused("--userns", "nonsense")).toContain("expected host, auto, remap[:USER], nomap, container:NAME");
  expect(await refused("--userns", "auto:size=0")).toContain("expected size=NUMBER");
  expect(await refused("--uidmap", "0:1000:10", "--uidmap", "5:2000:10")).toContain("two of its ranges overlap");
  expect(await refused("--uidmap", "1:1000:10")).toContain("the container needs a root, id 0");
  expect(await refused("--uidmap", "x")).toContain("expected CONTAINER:HOST:SIZE");
  await engine.ok("run", "-d", "--name", "plain", ...N, "bb", "sleep", "100");
  expect(await refused("--userns", "auto", "--network", "container:plain")).toContain("in another user namespace");
  expect(await refused("--userns", "container:plain")).toContain("has no user namespace of its own");
});
