/** Ways out that other engines had, each tried: the attack finds itself stopped. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "tar";
import { $ } from "zx";
import { makeBusyboxRoot } from "../fixtures/busybox.ts";
import { BERTH, TestEngine } from "./engine.ts";

let engine: TestEngine;
const N = ["--network", "none"];

beforeAll(async () => {
  engine = await TestEngine.make();
});
afterAll(() => engine[Symbol.asyncDispose]());
afterEach(() => engine.removeContainers());

const digest = (path: string) => new Bun.CryptoHasher("sha256").update(readFileSync(path)).digest("hex");

/** A root in which `change` was done, as an image. */
async function imageOf(name: string, change: (root: string) => void): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "berth-cve-"));
  try {
    makeBusyboxRoot(folder);
    change(folder);
    const tar = join(engine.root, `${name}.tar`);
    create({ cwd: folder, file: tar, sync: true }, ["."]);
    await engine.ok("import", tar, name);
    rmSync(tar);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

describe("CVE-2019-5736: the host's executable", () => {
  test("is not what /proc/self/exe means, as a command, an interpreter, or in exec", async () => {
    const outputs: string[] = [];
    const attempt = async (...args: string[]) => {
      const { stdout, stderr, exitCode } = await engine.run(...args);
      expect(exitCode).not.toBe(0);
      outputs.push(stdout + stderr);
    };
    await imageOf("script", (root) => writeFileSync(join(root, "s"), "#!/proc/self/exe\n", { mode: 0o755 }));
    await attempt("run", "--rm", ...N, "bb", "/proc/self/exe", "version");
    await attempt("run", "--rm", ...N, "--init", "bb", "/proc/self/exe", "version");
    await attempt("run", "--rm", ...N, "script", "/s", "version");
    await engine.ok("run", "-d", "--name", "a", ...N, "script", "sleep", "100");
    await attempt("exec", "a", "/proc/self/exe", "version");
    await attempt("exec", "a", "/s", "version");
    for (const output of outputs) expect(output).not.toContain("BunVersion");
  });

  test("cannot be written through a process of ours, not even by who may look into others", async () => {
    const own = join(engine.root, "berth-copy");
    copyFileSync(BERTH, own);
    chmodSync(own, 0o755);
    const before = digest(own);
    const script = `while [ ! -e /stop ]; do for p in /proc/[0-9]*; do
      case $p in */1|*/$$) continue;; esac; [ "$(cat $p/comm 2>/dev/null)" = sh ] && continue
      (echo overwritten > $p/exe) 2>/dev/null && echo wrote to $p; (exec 9<$p/exe && echo x > /proc/self/fd/9) 2>/dev/null && echo reopened $p; done; done; true`;
    const call = (...args: string[]) => $({ env: engine.env, nothrow: true, quiet: true })`${own} ${args}`;
    await call("run", "-d", "--name", "a", ...N, "--cap-add", "SYS_PTRACE", "--security-opt", "seccomp=unconfined", "bb", "sh", "-c", script);
    for (let i = 0; i < 15; i++) expect((await call("exec", "a", "/bin/true")).exitCode).toBe(0);
    await call("exec", "a", "touch", "/stop");
    expect((await call("wait", "a")).stdout.trim()).toBe("0");
    expect((await call("logs", "a")).stdout).toBe("");
    expect(digest(own)).toBe(before);
  });
});

test("CVE-2024-21626: no descriptor of ours leads out", async () => {
  const list = ["sh", "-c", "for f in /proc/self/fd/*; do echo $f; done | grep -v '/[0-2]$' | while read f; do readlink $f; done; true"];
  const isOurs = (text: string) => text.split("\n").filter((line) => line !== "" && !/^(pipe:|\/proc\/\d+\/fd$)/.test(line));
  expect(isOurs(await engine.ok("run", "--rm", ...N, "bb", ...list))).toEqual([]);
  await engine.ok("run", "-d", "--name", "a", ...N, "bb", "sleep", "100");
  expect(isOurs(await engine.ok("exec", "a", ...list))).toEqual([]);
  // A working folder by the number of one that was left open would be the host's.
  const marker = join(engine.root, "marker");
  writeFileSync(marker, "");
  for (let fd = 3; fd < 16; fd++) {
    for (const path of [`/proc/self/fd/${fd}`, `/proc/self/fd/${fd}/../../..`, `/proc/1/fd/${fd}`]) {
      for (const command of [
        ["run", "--rm", ...N, "-w", path, "bb", "ls", `.${marker}`],
        ["exec", "-w", path, "a", "ls", `../../../../..${marker}`],
      ]) {
        const { stdout } = await engine.run(...command);
        expect(stdout).toBe("");
      }
    }
  }
}, 60_000);

describe("mounts and writes that a link would lead elsewhere", () => {
  let victim: string;
  beforeAll(() => {
    victim = mkdtempSync(join(tmpdir(), "berth-victim-"));
    writeFileSync(join(victim, "file"), "untouched");
    chmodSync(victim, 0o777);
  });
  afterAll(() => {
    expect(readFileSync(join(victim, "file"), "utf8")).toBe("untouched");
    expect(Bun.spawnSync(["ls", victim]).stdout.toString()).toBe("file\n");
    rmSync(victim, { recursive: true });
  });
  const nowhere = () => readFileSync("/proc/self/mountinfo", "utf8").includes(victim);

  test("CVE-2019-19921 and CVE-2025-52881: /proc and /sys are the kernel's own, or there is no container", async () => {
    await engine.ok(
      "run",
      "--rm",
      ...N,
      "-v",
      "fake:/fake",
      "bb",
      "sh",
      "-c",
      "mkdir -p /fake/sys/net/ipv4 /fake/self/attr; echo 0 > /fake/sys/net/ipv4/ip_forward",
    );
    for (const flags of [
      ["-v", "fake:/proc"],
      ["-v", "fake:/proc/sys"],
      ["--tmpfs", "/proc/sys/net"],
    ]) {
      const { exitCode } = await engine.run("run", "--rm", ...N, ...flags, "--sysctl", "net.ipv4.ip_forward=1", "bb", "true");
      expect({ flags, exitCode }).toEqual({ flags, exitCode: 125 });
    }
    await engine.ok("run", "--rm", ...N, "-v", "fake:/fake", "bb", "grep", "0", "/fake/sys/net/ipv4/ip_forward");
    await imageOf("linked", (root) => symlinkSync(victim, join(root, "proc")));
    expect((await engine.run("run", "--rm", ...N, "linked", "true")).exitCode).toBe(125);
  });

  test("CVE-2021-30465: a target that another container swaps for a link, over and over", async () => {
    const swap = `mkdir -p /a/x /a/real; cd /a; while [ ! -e /stop ]; do mv x y 2>/dev/null; ln -s ${victim} x 2>/dev/null; rm -f x; mv y x 2>/dev/null; done; true`;
    await engine.ok("run", "-d", "--name", "swapper", ...N, "-v", "shared:/a", "bb", "sh", "-c", swap);
    for (let i = 0; i < 25; i++) {
      await engine.run(
        "run",
        "--rm",
        ...N,
        "-v",
        "shared:/a",
        "-v",
        "other:/a/x",
        "--tmpfs",
        "/a/x/deep",
        "bb",
        "sh",
        "-c",
        "touch /a/x/made /a/x/deep/made",
      );
      expect(existsSync(join(victim, "made"))).toBe(false);
      expect(existsSync(join(victim, "deep"))).toBe(false);
      expect(nowhere()).toBe(false);
    }
    await engine.endsOnceThereIs("/stop", "swapper");
  }, 60_000);

  test("CVE-2025-31133 and CVE-2025-52565: an image's /dev/null, /dev/console and /dev/pts", async () => {
    await imageOf("devices", (root) => {
      mkdirSync(join(root, "dev"));
      for (const name of ["null", "console", "ptmx"]) symlinkSync("/proc/sysrq-trigger", join(root, "dev", name));
      symlinkSync(victim, join(root, "dev/pts"));
    });
    const script =
      "stat -c %t:%T /dev/null; [ -c /dev/console ] && echo console; tty; cat /proc/keys | wc -c; (echo x > /proc/sysrq-trigger) 2>/dev/null || echo protected";
    const { stdout } = await engine.run("run", "--rm", "-t", ...N, "devices", "sh", "-c", script);
    expect(stdout.replaceAll("\r", "")).toBe("1:3\nconsole\n/dev/pts/0\n0\nprotected\n");
    // The same from a volume in the place of /dev: what is masked there stays masked, or it does not start.
    await engine.ok("run", "--rm", ...N, "-v", "dev:/d", "bb", "sh", "-c", "ln -s /proc/sysrq-trigger /d/null; mkdir /d/pts");
    const result = await engine.run(
      "run",
      "--rm",
      ...N,
      "-v",
      "dev:/dev",
      "bb",
      "sh",
      "-c",
      "cat /proc/keys | wc -c; (echo x > /proc/sysrq-trigger) 2>&1",
    );
    if (result.exitCode !== 125) expect(result.stdout).toMatch(/^0\n.*(Read-only|nonexistent)/);
  });

  test("the copy that fills a volume goes nowhere else", async () => {
    await imageOf("filler", (root) => {
      rmSync(join(root, "data"), { recursive: true });
      symlinkSync(`/../../../..${victim}`, join(root, "data"));
    });
    await engine.run("run", "--rm", ...N, "-v", "filled:/data", "filler", "true");
    const { stdout } = await engine.run("run", "--rm", ...N, "-v", "filled:/x", "bb", "ls", "/x");
    expect(stdout).not.toContain("file");
  });
});

test("CVE-2022-36109: the main group is among the others", async () => {
  expect(await engine.ok("run", "--rm", ...N, "-u", "1000:50", "bb", "id", "-G")).toBe("50");
  expect(await engine.ok("run", "--rm", ...N, "-u", "1000:50", "bb", "grep", "Groups", "/proc/self/status")).toMatch(/^Groups:\t50\s*$/);
});

test("nobody in a container looks into our own processes there", async () => {
  // What init has in memory or open would be told on standard output.
  const script = `while [ ! -e /stop ]; do for p in /proc/[0-9]*; do case "$(readlink $p/exe 2>&1)" in /bin/busybox|"") ;; *) grep -v 'memfd\\|busybox\\|\\[' $p/maps 2>/dev/null | grep /; ls $p/fd 2>/dev/null | grep -v '^[0-2]$'; esac; done; done; true`;
  await engine.ok("run", "-d", "--name", "a", ...N, "bb", "sh", "-c", script);
  for (let i = 0; i < 10; i++) await engine.run("exec", "a", "true");
  await engine.endsOnceThereIs("/stop", "a");
  expect(await engine.ok("logs", "a")).toBe("");
});
