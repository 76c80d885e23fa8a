/** Restart policies: who is started again, how often, how soon, and who is not. */
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { TestEngine, until } from "./engine.ts";

let engine: TestEngine;
const N = ["--network", "none"];
const state = (name: string) => engine.inspect(name, "{{.State.Status}} {{.RestartCount}} {{.State.ExitCode}}");

beforeAll(async () => {
  engine = await TestEngine.make();
});
afterAll(() => engine[Symbol.asyncDispose]());
afterEach(() => engine.removeContainers());

test("on-failure:3: three times more, later and later, and all in the log", async () => {
  const start = performance.now();
  await engine.ok("run", "-d", "--name", "a", ...N, "--restart", "on-failure:3", "bb", "sh", "-c", "echo tried; exit 7");
  await until("the last end", async () => (await state("a")) === "exited 3 7");
  // 100, 200 and 400 milliseconds lie between them.
  expect(performance.now() - start).toBeGreaterThan(700);
  expect((await engine.ok("logs", "a")).split("\n")).toHaveLength(4);
  expect(await engine.inspect("a", "{{.HostConfig.RestartPolicy.Name}} {{.HostConfig.RestartPolicy.MaximumRetryCount}}")).toBe("on-failure 3");
  expect(engine.processes()).toEqual([]);
  await engine.ok("run", "-d", "--name", "good", ...N, "--restart", "on-failure", "bb", "true");
  await until("its end", async () => (await state("good")) === "exited 0 0");
  await Bun.sleep(300);
  expect(await state("good")).toBe("exited 0 0");
});

test("always: also one that is killed; not one that is stopped, nor killed by its name", async () => {
  await engine.ok("run", "-d", "--name", "a", ...N, "--restart", "always", "bb", "sleep", "1000");
  process.kill(Number(await engine.inspect("a", "{{.State.Pid}}")), "SIGKILL");
  await until("it runs again", async () => (await state("a")) === "running 1 0");
  await engine.ok("stop", "-t", "0", "a");
  await Bun.sleep(300);
  expect(await state("a")).toBe("exited 1 137");
  await engine.ok("start", "a");
  expect(await state("a")).toBe("running 0 0");
  await engine.ok("kill", "a");
  await Bun.sleep(300);
  expect(await state("a")).toStartWith("exited 0");
});

test("between two starts: told, stopped, removed", async () => {
  await engine.ok("run", "-d", "--name", "a", ...N, "--restart", "always", "bb", "sh", "-c", "exit 3");
  await until("a longer wait", async () => Number((await engine.inspect("a", "{{.RestartCount}}")) || 0) >= 4);
  await until("it waits", async () => (await state("a")).startsWith("restarting"));
  expect(await engine.ok("ps", "--format", "{{.Names}} {{.State}} {{.Status}}")).toMatch(/^a restarting Restarting \(3\) .* ago$/);
  expect(await engine.fails(1, "rm", "a")).toContain("You cannot remove a restarting container");
  await engine.ok("stop", "a");
  await until("nobody waits any more", async () => (await state("a")).startsWith("exited") && engine.processes().length === 0);
  await engine.ok("start", "a");
  await until("it waits", async () => (await state("a")).startsWith("restarting"));
  await engine.ok("rm", "-f", "a");
  await until("nobody waits any more", () => engine.processes().length === 0);
});

test("restart of one with --rm: it stays, with its files, and goes with its next end; its root waits for no disk", async () => {
  const root = () => engine.ok("exec", "r", "grep", "-c", "^overlay / .*volatile", "/proc/mounts");
  await engine.ok("run", "-d", "--rm", "--name", "r", "bb", "sleep", "100");
  await engine.ok("exec", "r", "touch", "/kept");
  expect(await root()).toBe("1");
  await engine.ok("restart", "-t", "0", "r");
  await engine.ok("exec", "r", "ls", "/kept");
  expect(await root()).toBe("1");
  await engine.ok("stop", "-t", "0", "r");
  expect(await engine.ok("ps", "-aq")).toBe("");
});

test("ports and addresses come back; what cannot start is not tried for ever", async () => {
  await engine.ok(
    "run",
    "-d",
    "--name",
    "web",
    "--restart",
    "always",
    "-p",
    "7200:80",
    "bb",
    "sh",
    "-c",
    "echo hello > /index.html; exec httpd -f -h /",
  );
  const page = async () => {
    try {
      return await (await fetch("http://127.0.0.1:7200/index.html")).text();
    } catch {
      return "";
    }
  };
  await until("the page", async () => (await page()) === "hello\n");
  process.kill(Number(await engine.inspect("web", "{{.State.Pid}}")), "SIGKILL");
  await until("the page again", async () => (await state("web")).startsWith("running 1") && (await page()) === "hello\n");
  await engine.ok("stop", "-t", "0", "web");
  expect((await engine.run("run", "-d", "--name", "bad", ...N, "--restart", "always", "bb", "nope")).exitCode).toBe(127);
  await Bun.sleep(300);
  expect(await state("bad")).toBe("created 0 127");
});

test("system start: what ran when all was killed, by its policy", async () => {
  for (const [name, policy] of [
    ["always", "always"],
    ["unless", "unless-stopped"],
    ["stopped", "unless-stopped"],
    ["none", "no"],
  ] as const)
    await engine.ok("run", "-d", "--name", name, ...N, "--restart", policy, "bb", "sleep", "1000");
  await engine.ok("stop", "-t", "0", "stopped");
  // As a machine goes down: monitors first, so that none starts anything again.
  const pids = await Promise.all(["always", "unless", "none"].map((name) => engine.inspect(name, "{{.State.Pid}}")));
  for (const pid of [...engine.processes(), ...pids.map(Number)]) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // gone with its parent
    }
  }
  rmSync(join(engine.root, "run"), { recursive: true });
  const db = engine.openStore();
  db.run("UPDATE containers SET boot_id = 'the one before'");
  db.close();
  expect(await engine.ok("ps", "-q")).toBe("");
  expect(await engine.inspect("none", "{{.State.Status}} {{.State.ExitCode}}")).toBe("exited 255");
  expect((await engine.ok("system", "start")).split("\n").sort()).toEqual(["always", "unless"]);
  expect((await engine.ok("ps", "--format", "{{.Names}}")).split("\n").sort()).toEqual(["always", "unless"]);
  expect(await engine.ok("system", "service-file")).toContain("system start\n");
  expect(await engine.ok("system", "service-file", "--init", "openrc")).toStartWith("#!/sbin/openrc-run");
  expect(await engine.ok("system", "service-file", "none")).toContain(`--root ${engine.root} start --attach none\n`);
  expect((await engine.run("system", "service-file", "always")).stderr).toContain("has a restart policy of its own");
});

test("changed by update, and what is refused", async () => {
  await engine.ok("run", "-d", "--name", "a", ...N, "bb", "sleep", "1000");
  await engine.ok("update", "--restart", "always", "a");
  process.kill(Number(await engine.inspect("a", "{{.State.Pid}}")), "SIGKILL");
  await until("it runs again", async () => (await state("a")) === "running 1 0");
  const refused = (...args: string[]) => engine.fails(125, "run", ...N, ...args, "bb", "true");
  expect(await refused("--restart", "sometimes")).toContain("invalid restart policy");
  expect(await refused("--restart", "always:3")).toContain("maximum retry count can only be used with 'on-failure'");
  expect(await refused("--restart", "always", "--rm")).toContain("cannot specify both --restart and --rm");
});
