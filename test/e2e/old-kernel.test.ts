/** Kernels before system calls that berth likes to use: a filter answers ENOSYS to them, and everything else works. */
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { $ } from "zx";
import { BERTH, TestEngine } from "./engine.ts";

/** By the kernel that has them first. Their numbers are the same for all processors. */
const SINCE: Record<string, number[]> = {
  "5.1": [424, 425, 426, 427], // pidfd_send_signal, io_uring
  "5.2": [428, 429, 430, 431, 432, 433], // the mount API: open_tree, move_mount, fsopen …
  "5.3": [434, 435], // pidfd_open, clone3
  "5.6": [437, 438], // openat2, pidfd_getfd
  "5.9": [436, 439], // close_range, faccessat2
  "5.12": [441, 442], // epoll_pwait2, mount_setattr
  "6.15": Array.from({ length: 25 }, (_, i) => 443 + i),
};

let engine: TestEngine;
let folder: string;
let program: string;
beforeAll(async () => {
  engine = await TestEngine.make();
  folder = mkdtempSync(join(tmpdir(), "berth-old-kernel-"));
  program = join(folder, "old-kernel");
  await $`cc -o ${program} ${join(import.meta.dir, "../fixtures/old-kernel.c")}`;
});
afterAll(async () => {
  rmSync(folder, { recursive: true });
  await engine[Symbol.asyncDispose]();
});
afterEach(() => engine.removeContainers());

test.each(["4.19", "5.4", "5.10"])("what Linux %s has is enough", async (version) => {
  const age = (text: string) => Number(text.split(".")[0]) * 100 + Number(text.split(".")[1]);
  const missing = Object.entries(SINCE).flatMap(([since, numbers]) => (age(since) > age(version) ? numbers : []));
  const ok = async (...args: string[]) => {
    const { stdout, stderr, exitCode } = await $({ env: engine.env, nothrow: true, quiet: true })`${program} ${missing} -- ${BERTH} ${args}`;
    expect({ args, exitCode, stderr }).toMatchObject({ args, exitCode: 0 });
    return stdout.trimEnd();
  };
  expect(await ok("run", "--rm", "--read-only", "-u", "1000", "-m", "32m", "--init", "bb", "sh", "-c", "id -u; ip route | head -1")).toMatch(
    /^1000\ndefault via /,
  );
  await ok("run", "-d", "--name", "a", "-v", "data:/data", "-p", "127.0.0.1::80", "bb", "sh", "-c", "echo started; exec sleep 1000");
  expect(await ok("exec", "a", "sh", "-c", "echo kept > /data/x; echo $$")).toMatch(/^\d+$/);
  await ok("cp", "/etc/passwd", "a:/copied");
  expect(await ok("exec", "a", "head", "-c", "4", "/copied")).toBe("root");
  expect(await ok("logs", "a")).toBe("started");
  expect(await ok("ps", "--format", "{{.Names}} {{.State}}")).toBe("a running");
  for (const verb of ["pause", "unpause"]) await ok(verb, "a");
  expect(await ok("top", "a", "-o", "pid,args")).toContain("sleep 1000");
  expect(await ok("diff", "a")).toContain("A /copied");
  await ok("commit", "a", "made");
  await ok("stop", "-t", "0", "a");
  expect(await ok("wait", "a")).toBe("137");
  await ok("start", "a");
  await ok("rm", "-f", "a");
  expect(await ok("run", "--rm", "--network", "none", "-v", "data:/data", "made", "cat", "/data/x")).toBe("kept");
  await ok("rmi", "made");
  await ok("volume", "rm", "data");
});

test("a kernel without namespaces: said, and nothing is left", async () => {
  const unshare = process.arch === "arm64" ? 97 : 272;
  const { stderr, exitCode } = await $({ env: engine.env, nothrow: true, quiet: true })`${program} ${unshare} -- ${BERTH} run --rm bb true`;
  expect({ stderr, exitCode }).toMatchObject({ stderr: expect.stringMatching(/^berth: .*function not implemented\n$/), exitCode: 125 });
  expect(await engine.leftovers()).toEqual([]);
});
