/** Health checks: by flags and of images, told by inspect and ps. */
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { busybox, TestEngine, until } from "./engine.ts";

let engine: TestEngine;
const N = ["--network", "none"];
const FAST = ["--health-interval", "150ms", "--health-timeout", "2s", "--health-retries", "2"];
const status = (name: string) => engine.inspect(name, "{{.State.Health.Status}}");

beforeAll(async () => {
  engine = await TestEngine.make();
});
afterAll(() => engine[Symbol.asyncDispose]());
afterEach(() => engine.removeContainers());

test("goes good and bad, and says so", async () => {
  await engine.ok("run", "-d", "--name", "a", ...N, ...FAST, "--health-cmd", "echo looked; test -e /good", "bb", "sleep", "1000");
  expect(await status("a")).toBe("starting");
  expect(await engine.ok("ps", "--format", "{{.Status}}")).toMatch(/\(health: starting\)$/);
  await until("bad", async () => (await status("a")) === "unhealthy");
  await engine.ok("exec", "a", "touch", "/good");
  await until("good", async () => (await status("a")) === "healthy");
  expect(await engine.ok("ps", "--filter", "health=healthy", "--format", "{{.Names}} {{.Status}}")).toMatch(/^a Up .* \(healthy\)$/);
  await until("five probes", async () => (await engine.inspect("a", "{{len .State.Health.Log}}")) === "5");
  const health = JSON.parse(await engine.inspect("a", "{{json .State.Health}}"));
  expect(health).toMatchObject({ FailingStreak: 0 });
  expect(health.Log.at(-1)).toMatchObject({ ExitCode: 0, Output: "looked\n" });
  await engine.ok("exec", "a", "rm", "/good");
  await until("bad again", async () => (await status("a")) === "unhealthy");
  // What it looked with is gone every time.
  await engine.ok("pause", "a");
  expect((await engine.ok("top", "a")).split("\n").length).toBeLessThanOrEqual(3);
  await engine.ok("unpause", "a");
});

test("wait --condition healthy", async () => {
  await engine.ok("run", "-d", "--name", "a", ...N, ...FAST, "--health-cmd", "test -e /good", "bb", "sh", "-c", "sleep 0.5; touch /good; sleep 1000");
  await engine.ok("wait", "--condition", "healthy", "a");
  expect(await status("a")).toBe("healthy");
  await engine.ok("run", "-d", "--name", "b", ...N, ...FAST, "--health-cmd", "false", "bb", "sleep", "0.3");
  expect(await engine.fails(1, "wait", "--condition", "healthy", "b")).toContain("container b ended before it was healthy");
});

test("one that hangs, writes without end, or cannot be run", async () => {
  const run = (name: string, command: string, ...flags: string[]) =>
    engine.ok("run", "-d", "--name", name, ...N, ...FAST, ...flags, "--health-cmd", command, "bb", "sleep", "1000");
  await run("hangs", "sleep 100", "--health-timeout", "200ms");
  await run("writes", "yes", "--health-timeout", "400ms");
  await run("ends", "head -c 100000 /dev/zero | tr '\\0' x; exit 3");
  for (const name of ["hangs", "writes", "ends"]) await until(name, async () => (await status(name)) === "unhealthy", 20);
  const last = async (name: string) => JSON.parse(await engine.inspect(name, "{{json (index .State.Health.Log 0)}}"));
  expect(await last("hangs")).toMatchObject({ ExitCode: -1, Output: "Health check exceeded timeout (200ms)" });
  expect((await last("writes")).Output.length).toBeLessThan(5000);
  expect(await last("ends")).toMatchObject({ ExitCode: 3, Output: "x".repeat(4096) });
}, 40_000);

test("failures while it starts do not count", async () => {
  const flags = ["--health-start-period", "2s", "--health-start-interval", "100ms"];
  await engine.ok("run", "-d", "--name", "a", ...N, ...FAST, ...flags, "--health-cmd", "test -e /good", "bb", "sleep", "1000");
  await until("some probes", async () => Number(await engine.inspect("a", "{{len .State.Health.Log}}")) >= 4);
  expect(await engine.inspect("a", "{{.State.Health.Status}} {{.State.Health.FailingStreak}}")).toBe("starting 0");
  await until("bad, after that", async () => (await status("a")) === "unhealthy");
});

test("an image's check, changed and switched off", async () => {
  const folder = mkdtempSync(join(tmpdir(), "berth-checked-"));
  try {
    copyFileSync(busybox(), join(folder, "layer.tar"));
    const diffId = `sha256:${new Bun.CryptoHasher("sha256").update(readFileSync(join(folder, "layer.tar"))).digest("hex")}`;
    const Healthcheck = { Test: ["CMD-SHELL", "test -e /good"], Interval: 150_000_000, Retries: 1 };
    const image = {
      architecture: process.arch === "x64" ? "amd64" : process.arch,
      os: "linux",
      config: { Healthcheck },
      rootfs: { type: "layers", diff_ids: [diffId] },
    };
    writeFileSync(join(folder, "config.json"), JSON.stringify(image));
    writeFileSync(join(folder, "manifest.json"), JSON.stringify([{ Config: "config.json", RepoTags: ["checked:latest"], Layers: ["layer.tar"] }]));
    expect(Bun.spawnSync(["tar", "-C", folder, "-cf", join(folder, "image.tar"), "config.json", "manifest.json", "layer.tar"]).exitCode).toBe(0);
    await engine.ok("load", "-i", join(folder, "image.tar"));
  } finally {
    rmSync(folder, { recursive: true });
  }
  await engine.ok("run", "-d", "--name", "a", ...N, "checked", "sleep", "1000");
  await until("bad", async () => (await status("a")) === "unhealthy");
  expect(await engine.inspect("a", "{{.Config.Healthcheck.Interval}} {{.Config.Healthcheck.Retries}}")).toBe("150000000 1");
  await engine.ok("run", "-d", "--name", "b", ...N, "--health-cmd", "true", "checked", "sleep", "1000");
  await until("good", async () => (await status("b")) === "healthy");
  await engine.ok("run", "-d", "--name", "c", ...N, "--no-healthcheck", "checked", "sleep", "1000");
  expect(await engine.inspect("c", "{{.State.Health}}")).toBe("<nil>");
});

test("what does not fit is refused", async () => {
  const refused = (...args: string[]) => engine.fails(125, "run", ...N, ...args, "bb", "true");
  expect(await refused("--health-interval", "soon", "--health-cmd", "true")).toContain("expected a duration");
  expect(await refused("--no-healthcheck", "--health-cmd", "true")).toContain("--no-healthcheck conflicts with --health-* options");
});
