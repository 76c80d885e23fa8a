/** rename, diff, volumes and what prunes. */
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { TestEngine } from "./engine.ts";

let engine: TestEngine;
const N = ["--network", "none"];

beforeAll(async () => {
  engine = await TestEngine.make();
});
afterAll(() => engine[Symbol.asyncDispose]());
afterEach(() => engine.removeContainers());

test("rename", async () => {
  await engine.ok("create", "--name", "one", ...N, "bb", "true");
  await engine.ok("create", "--name", "two", ...N, "bb", "true");
  await engine.ok("rename", "one", "three");
  expect(await engine.inspect("three", "{{.Name}}")).toBe("/three");
  expect(await engine.fails(1, "rename", "three", "two")).toContain('The container name "/two" is already in use');
  expect(await engine.fails(1, "rename", "three", "a b")).toContain("Invalid container name (a b)");
  expect(await engine.fails(1, "rename", "three", "three")).toContain("same name as its current name");
  expect(await engine.fails(1, "rename", "one", "four")).toContain("No such container: one");
});

test("diff: added, changed, gone; not what mounts are on", async () => {
  const script =
    "touch /new /etc/passwd; rm /data/of-the-image; mkdir -p /deep/er; echo x > /etc/group; rm -r /home/user; mkdir /home/user; touch /home/user/mine";
  await engine.ok("run", "--name", "c", ...N, "-v", "v:/mounted/here", "--tmpfs", "/t", "bb", "sh", "-c", script);
  expect((await engine.ok("diff", "c")).split("\n")).toEqual([
    "C /data",
    "D /data/of-the-image",
    "A /deep",
    "A /deep/er",
    "C /etc",
    "C /etc/group",
    "C /etc/passwd",
    "C /home",
    "C /home/user",
    "A /home/user/mine",
    "A /new",
  ]);
});

test("volumes: made, listed, inspected, used, removed", async () => {
  expect(await engine.ok("volume", "create", "--label", "a=b", "named")).toBe("named");
  expect(await engine.ok("volume", "create", "named")).toBe("named");
  expect(await engine.ok("volume", "create")).toMatch(/^[0-9a-f]{64}$/);
  expect(await engine.ok("volume", "ls", "--filter", "label=a=b", "--format", "{{.Driver}} {{.Name}} {{.Labels}}")).toBe("local named a=b");
  const [found] = JSON.parse(await engine.ok("volume", "inspect", "named"));
  expect(found).toMatchObject({ Name: "named", Driver: "local", Scope: "local", Labels: { a: "b" }, Options: null });
  expect(existsSync(found.Mountpoint)).toBe(true);
  await engine.ok("run", "-d", "--name", "user", ...N, "-v", "named:/v", "bb", "sleep", "100");
  const id = await engine.inspect("user", "{{.Id}}");
  expect(await engine.fails(1, "volume", "rm", "named")).toContain(`remove named: volume is in use - [${id}]`);
  expect((await engine.ok("volume", "ls", "-q", "--filter", "dangling=false")).split("\n")).toEqual(["named"]);
  await engine.ok("rm", "-f", "user");
  expect(await engine.ok("volume", "rm", "named")).toBe("named");
  expect(existsSync(found.Mountpoint)).toBe(false);
  expect(await engine.fails(1, "volume", "rm", "named")).toContain("get named: no such volume");
  expect(await engine.fails(1, "volume", "create", "a/b")).toContain("includes invalid characters");
  expect(await engine.fails(1, "volume", "create", "-o", "nope=1", "x")).toContain('invalid option: "nope"');
});

test("volumes with a file system of their own, or of the host's folder", async () => {
  await engine.ok("volume", "create", "-o", "type=tmpfs", "-o", "device=tmpfs", "-o", "o=size=1m,mode=700", "small");
  expect(
    await engine.ok(
      "run",
      "--rm",
      ...N,
      "-v",
      "small:/s",
      "bb",
      "sh",
      "-c",
      "stat -c %a /s; grep ' /s ' /proc/mounts | cut -d' ' -f3; head -c 2m /dev/zero > /s/x || echo full",
    ),
  ).toContain("700\ntmpfs");
  await engine.ok("volume", "create", "-o", "type=none", "-o", `device=${engine.root}`, "-o", "o=bind", "folder");
  expect(
    await engine.ok(
      "run",
      "--rm",
      ...N,
      "-v",
      "folder:/f:ro",
      "bb",
      "sh",
      "-c",
      "ls /f | grep -c berth.db$; touch /f/x 2>/dev/null || echo protected",
    ),
  ).toBe("1\nprotected");
});

test("prune: what nobody uses, and what fits", async () => {
  await engine.ok("run", "--name", "old", ...N, "--label", "keep=no", "-v", "/anonymous", "bb", "sh", "-c", "head -c 1000000 /dev/zero > /big");
  await engine.ok("run", "--name", "kept", ...N, "--label", "keep=yes", "bb", "true");
  await engine.ok("run", "-d", "--name", "up", ...N, "bb", "sleep", "100");
  await engine.ok("volume", "create", "named");
  const id = await engine.inspect("old", "{{.Id}}");
  expect((await engine.run("container", "prune")).stderr).toContain("--force removes without asking");
  const out = await engine.ok("container", "prune", "-f", "--filter", "label!=keep=yes");
  expect(out).toStartWith(`Deleted Containers:\n${id}\n\nTotal reclaimed space: 1`);
  expect((await engine.ok("ps", "-a", "--format", "{{.Names}}")).split("\n").sort()).toEqual(["kept", "up"]);
  expect(await engine.ok("volume", "prune", "-f")).toMatch(/^Deleted Volumes:\n[0-9a-f]{64}\n/);
  expect(await engine.ok("volume", "ls", "-q", "--filter", "name=named")).toBe("named");
  expect(await engine.ok("volume", "prune", "-f", "-a")).toContain("named");
  expect(await engine.ok("system", "prune", "-f")).toContain("Deleted Containers:");
  expect(await engine.ok("ps", "-a", "--format", "{{.Names}}")).toBe("up");
  expect(await engine.fails(1, "container", "prune", "-f", "--filter", "nope=1")).toContain("invalid filter 'nope': expected until or label");
});
