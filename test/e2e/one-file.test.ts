import { afterAll, beforeAll, expect, test } from "bun:test";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BERTH, busybox } from "./engine.ts";

// An empty root with the executable, a tar, and the kernel's file systems; in a mount
// namespace of its own, so that it takes its mounts with it.
let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "berth-bare-"));
  for (const name of ["proc", "sys", "dev", "tmp"]) mkdirSync(join(root, name));
  copyFileSync(BERTH, join(root, "berth"));
  copyFileSync(busybox(), join(root, "bb.tar"));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

function inBareRoot(...commands: string[][]): string {
  const mounts = `mount --make-rprivate / && mount -t proc p ${root}/proc`;
  const rest = `mount --rbind /sys ${root}/sys && mount --rbind /dev ${root}/dev && mount -t tmpfs t ${root}/tmp`;
  const lines = commands.map((command) => `chroot ${root} /berth --root /tmp/engine ${command.map((word) => `'${word}'`).join(" ")}`);
  const { stdout, stderr, exitCode } = Bun.spawnSync(["unshare", "-m", "sh", "-e", "-c", [mounts, rest, ...lines].join("\n")]);
  expect({ exitCode, stderr: stderr.toString() }).toEqual({ exitCode: 0, stderr: "" });
  return stdout.toString();
}

test("the executable names no dynamic loader", () => {
  const { stdout, exitCode } = Bun.spawnSync(["readelf", "-lW", BERTH]);
  expect(exitCode).toBe(0);
  expect(stdout.toString()).not.toContain("INTERP");
});

test("its segments can be mapped in huge pages", () => {
  const { stdout } = Bun.spawnSync(["readelf", "-lW", BERTH]);
  const segments = [...stdout.toString().matchAll(/^ {2}LOAD +(0x\w+) (0x\w+) .* (R E|R {2}) /gm)].map(([, offset, address]) => ({
    offset: Number(offset) % 0x200000,
    address: Number(address) % 0x200000,
  }));
  expect(segments.length).toBeGreaterThan(1);
  expect(segments.filter(({ offset, address }) => offset !== address)).toEqual([]);
});

test("starts where there is nothing but /proc", () => {
  const script = `mount --make-rprivate / && mount -t proc p ${root}/proc && chroot ${root} /berth version -f '{{.Client.Os}}'`;
  expect(Bun.spawnSync(["unshare", "-m", "sh", "-c", script]).stdout.toString()).toBe("linux\n");
});

test("imports and runs a container there, in the foreground and in the background", () => {
  const out = inBareRoot(
    ["import", "/bb.tar", "bb"],
    ["run", "--rm", "bb", "echo", "hi from a bare root"],
    ["run", "-d", "--name", "a", "bb", "sleep", "100"],
    ["exec", "a", "hostname", "-i"],
    ["rm", "-f", "a"],
    ["ps", "-aq"],
    ["network", "prune", "-f"], // its bridge is in the tests' network namespace
  );
  expect(out).toContain("hi from a bare root\n");
  expect(out).toMatch(/\na\n(Deleted Networks:\nbridge\n\n)?$/);
});

test("a .env, a bunfig.toml or a preload in the current folder is not ours to run", () => {
  const folder = join(root, "tmp", "cwd");
  mkdirSync(folder, { recursive: true });
  Bun.spawnSync([
    "sh",
    "-c",
    `cd ${folder} && echo 'BERTH_ROOT=/from-dot-env' > .env && echo 'preload = ["./evil.js"]' > bunfig.toml && echo 'console.log("evil")' > evil.js`,
  ]);
  const { stdout } = Bun.spawnSync([BERTH, "version", "-f", "{{.Client.Os}}"], { cwd: folder });
  expect(stdout.toString()).toBe("linux\n");
});
