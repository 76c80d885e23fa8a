/** What a container may send and receive; and what is left of many. */
import { Database } from "bun:sqlite";
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { BERTH, type TestEngine, until } from "./engine.ts";
import { ConnectedHost, HOST, rules, sh } from "./internet.ts";

let host: ConnectedHost;
let engine: TestEngine;

beforeAll(async () => {
  host = await ConnectedHost.make();
  engine = host.engine;
});
afterAll(() => host[Symbol.asyncDispose]());
afterEach(() => host.removeContainers());

test("bandwidth: both ways, changed while it runs", async () => {
  const bytes = 3_000_000;
  await engine.ok(
    "run",
    "-d",
    "--name",
    "slow",
    "--bandwidth",
    "8mbit",
    "-p",
    "8080:80",
    "bb",
    "sh",
    "-c",
    `head -c ${bytes} /dev/zero > /zeros; httpd -f -h /`,
  );
  await until("the server", () => sh("timeout 1 busybox nc 127.0.0.1 8080 </dev/null").code === 0);
  // Bytes a second that came through, as a share of what may.
  const share = async (rate: number, move: () => Promise<unknown>) => {
    const start = performance.now();
    await move();
    return bytes / ((performance.now() - start) / 1000) / rate;
  };
  const out = () => fetch("http://127.0.0.1:8080/zeros").then((response) => response.arrayBuffer());
  const into = async () => {
    const server = Bun.serve({ hostname: HOST, port: 0, fetch: () => new Response(new Uint8Array(bytes)) });
    await engine.ok("exec", "slow", "wget", "-qO", "/dev/null", `http://${HOST}:${server.port}/`);
    await server.stop(true);
  };
  for (const [rate, text] of [
    [1e6, "8mbit"],
    [2e6, "2MB/s"],
  ] as const) {
    if (text !== "8mbit") await engine.ok("update", "--bandwidth", text, "slow");
    for (const move of [out, into]) {
      let measured = 0;
      // A busy machine is slower than it may be; none is faster.
      for (let i = 0; i < 3 && measured <= 0.85; i++) measured = await share(rate, move);
      expect(measured).toBeGreaterThan(0.85);
      expect(measured).toBeLessThan(1.15);
    }
  }
  expect(await engine.inspect("slow", "{{.HostConfig.Bandwidth.in}}")).toBe("2000000");
  expect(await engine.fails(125, "run", "--bandwidth", "fast", "bb", "true")).toContain("such as 8mbit, 1gbit or 10MB/s");
  expect(await engine.fails(125, "run", "--network", "host", "--bandwidth", "8mbit", "bb", "true")).toContain(
    "needs a network of the container's own",
  );
});

test("stats: what is used and what may be", async () => {
  const burn = "head -c 20000000 /dev/zero > /dev/shm/x; while :; do :; done";
  await engine.ok("run", "-d", "--name", "busy", "-m", "64m", "--bandwidth-out", "8mbit", "--cpus", "0.5", "bb", "sh", "-c", burn);
  await engine.ok("exec", "busy", "ping", "-c", "2", "-i", "0.2", "-s", "1000", HOST);
  const format = "{{.Name}} {{.CPUPerc}} {{.MemUsage}} {{.NetIO}} {{.NetLimit}} {{.PIDs}}";
  let line = "";
  await until("its memory", async () => {
    line = await engine.ok("stats", "--no-stream", "--format", format, "busy");
    return line.includes("MiB / 64MiB");
  });
  const [, cpu, memory, received, sent] = /^busy ([\d.]+)% ([\d.]+)MiB \/ 64MiB ([\d.]+)kB \/ ([\d.]+)kB -- \/ 8Mbit 1$/.exec(line) ?? [line];
  expect(Number(cpu)).toBeGreaterThan(20);
  expect(Number(cpu)).toBeLessThan(90);
  expect(Number(memory)).toBeGreaterThan(19);
  expect(Number(received)).toBeGreaterThan(2);
  expect(Number(sent)).toBeGreaterThan(2);
  expect((await engine.ok("stats", "--no-stream")).split("\n")[0]).toMatch(
    /^CONTAINER ID +NAME +CPU % +MEM USAGE \/ LIMIT +MEM % +NET I\/O +NET LIMIT +BLOCK I\/O +PIDS$/,
  );
  await engine.ok("rm", "-f", "busy");
  expect((await engine.ok("stats", "--no-stream")).split("\n")).toEqual([expect.not.stringContaining("NET LIMIT")]);
  expect(await engine.fails(1, "stats", "--no-stream", "nope")).toContain("No such container: nope");
});

test("top: processes as the host has them, its own way and by ps", async () => {
  await engine.ok("run", "-d", "--name", "busy", "bb", "sh", "-c", "sleep 1000; true");
  const pid = await engine.inspect("busy", "{{.State.Pid}}");
  await until("both", async () => (await engine.ok("top", "busy")).includes("sleep 1000"));
  const lines = (await engine.ok("top", "busy")).split("\n");
  expect(lines[0]).toMatch(/^UID +PID +PPID +C +STIME +TTY +TIME +CMD$/);
  expect(lines[1]).toMatch(new RegExp(`^root +${pid} +\\d+ +0 +\\d\\d:\\d\\d +\\? +00:00:00 +sh -c sleep 1000; true$`));
  expect(lines).toHaveLength(3);
  if (Bun.which("ps")) expect((await engine.ok("top", "busy", "-o", "pid,cmd")).split("\n")[1]).toMatch(new RegExp(`^${pid} +sh -c sleep`));
  await engine.ok("rm", "-f", "busy");
  expect((await engine.run("top", "busy")).stderr).toContain("No such container: busy");
});

test("delay and loss, where the kernel has netem", async () => {
  const hasNetem = sh("ip link add probe0 type veth peer name probe1; tc qdisc add dev probe0 root netem delay 1ms").code === 0;
  sh("ip link del probe0");
  await engine.ok("run", "-d", "--name", "late", "bb", "sleep", "100");
  const ping = async () => Number(/min\/avg\/max = ([\d.]+)/.exec(await engine.ok("exec", "late", "ping", "-c", "2", "-i", "0.2", HOST))?.[1]);
  if (hasNetem) {
    await engine.ok("update", "--net-delay", "100ms", "--bandwidth", "8mbit", "late");
    expect(await ping()).toBeGreaterThan(95);
    await engine.ok("update", "--net-delay", "0", "late");
  } else {
    expect(await engine.fails(1, "update", "--net-delay", "100ms", "late")).toContain("the kernel has no tbf or netem");
    expect(await engine.inspect("late", "{{json .HostConfig}}")).not.toContain('"Bandwidth"');
    expect(await engine.fails(125, "run", "--rm", "--net-loss", "5%", "bb", "true")).toContain("the kernel has no tbf or netem");
  }
  expect(await ping()).toBeLessThan(90);
  expect(await engine.fails(125, "run", "--rm", "--net-loss", "500%", "bb", "true")).toContain("expected a share from 0% to 100%");
  expect(await engine.fails(125, "run", "--rm", "--net-delay", "soon", "bb", "true")).toContain("expected a time of at most 60s");
});

test("killed in every combination, nothing is left: no link, address, rule or port", async () => {
  const count = Number(process.env.BERTH_STRESS ?? 30);
  const names = ["n-a", "n-b"];
  // What other engines may have left in this namespace is not this one's.
  await engine.ok("network", "prune", "-f");
  const links = () => sh("ip -o link | cut -d: -f2").out;
  const before = { links: links(), rules: rules() };
  for (const name of names) await engine.ok("network", "create", ...(name === "n-b" ? ["--ipv6"] : []), name);
  const networks = [
    ["--network", "bridge"],
    ["--network", "n-a"],
    ["--network", "n-a", "--network", "n-b"],
  ];
  const one = async (i: number) => {
    const flags = [...(networks[i % 3] as string[]), "-p", `${20_000 + i}:80`, ...(i % 4 === 0 ? ["--rm"] : [])];
    const child = Bun.spawn([BERTH, "run", "-d", "--name", `chaos-${i}`, ...flags, "bb", "sleep", "1000"], {
      env: engine.env,
      stdout: "ignore",
      stderr: "ignore",
    });
    if (i % 3 === 0) {
      // Somewhere on its way.
      await Bun.sleep(Math.random() * 80);
      child.kill("SIGKILL");
    }
    await child.exited;
    const pid = Number((await engine.run("inspect", "-f", "{{.State.Pid}}", `chaos-${i}`)).stdout);
    if (!pid) return;
    const monitor = Number(/^PPid:\t(\d+)$/m.exec(readStatus(pid))?.[1]);
    const victims = [[monitor], [pid], [monitor, pid], [pid, monitor], []][i % 5] as number[];
    for (const victim of victims) kill(victim);
  };
  for (let i = 0; i < count; i += 6) await Promise.all(Array.from({ length: Math.min(6, count - i) }, (_, k) => one(i + k)));
  // Containers whose monitor alone was killed go on, with their address and port.
  await engine.removeContainers();
  await until("the links' end", () => !sh("ip -o link").out.includes("veth"));
  expect((await engine.ok("network", "prune", "-f")).trim().split("\n")).toEqual(["Deleted Networks:", ...names]);
  expect({ links: links(), rules: rules() }).toEqual(before);
  using db = new Database(join(engine.root, "berth.db"), { readonly: true });
  for (const table of ["endpoints", "published_ports", "lost_endpoints"]) expect(db.query(`SELECT * FROM ${table}`).all()).toEqual([]);
  // And all of it can be had again.
  expect(await engine.ok("run", "--rm", "-p", "20000:80", "bb", "ip", "-o", "-4", "addr", "show", "eth0")).toMatch(/inet \d+\.\d+\.0\.2\/16/);
});

function readStatus(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, "utf8");
  } catch {
    return ""; // gone
  }
}

function kill(pid: number): void {
  try {
    if (pid > 1) process.kill(pid, "SIGKILL");
  } catch {
    // gone
  }
}
