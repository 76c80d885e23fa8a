import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { BERTH, TestEngine, until } from "./engine.ts";

let engine: TestEngine;
beforeAll(async () => {
  engine = await TestEngine.make();
  await engine.ok("run", "-d", "--name", "a", "-e", "FROM=container", "-w", "/tmp", "-m", "64m", "bb", "sleep", "1000");
});
afterAll(async () => {
  await engine[Symbol.asyncDispose]();
});

describe("exec", () => {
  test("runs in the container, with its environment, folder and output streams", async () => {
    expect(await engine.run("exec", "a", "sh", "-c", "hostname >&2; pwd; echo $FROM; exit 3")).toEqual({
      stdout: "/tmp\ncontainer\n",
      stderr: `${await engine.inspect("a", "{{.Config.Hostname}}")}\n`,
      exitCode: 3,
    });
    const out = await engine.ok("exec", "-e", "A=B", "-w", "/root", "-u", "user", "a", "sh", "-c", "pwd; echo $A $HOME; id -un");
    expect(out).toBe("/root\nB /home/user\nuser");
    await engine.ok("exec", "a", "mkdir", "/tmp/sub");
    expect(await engine.ok("exec", "-w", "sub", "a", "pwd")).toBe("/tmp/sub");
  });

  test("is in the container's namespaces and cgroup, and as limited", async () => {
    expect(await engine.ok("exec", "a", "sh", "-c", "ps | grep -c 'sleep 1000'")).not.toBe("0");
    for (const name of ["mnt", "net", "pid", "ipc", "uts", "cgroup"]) {
      const own = await engine.ok("exec", "a", "readlink", `/proc/1/ns/${name}`);
      expect(await engine.ok("exec", "a", "readlink", `/proc/self/ns/${name}`)).toBe(own);
    }
    expect(await engine.ok("exec", "a", "grep", "CapEff", "/proc/self/status")).toBe("CapEff:\t00000000a80425fb");
    expect(await engine.ok("exec", "--privileged", "a", "grep", "CapEff", "/proc/self/status")).not.toBe("CapEff:\t00000000a80425fb");
    expect(await engine.ok("exec", "a", "ls", "/proc/self/fd")).toBe("0\n1\n2\n3");
    const pid = await engine.inspect("a", "{{.State.Pid}}");
    const run = engine.start("exec", "a", "sleep", "0.5");
    await until("a second process in the cgroup", () => {
      const path = readFileSync(`/proc/${pid}/cgroup`, "utf8")
        .split("\n")
        .map((l) => l.split(":"))
        .find(([, c]) => c === "pids" || c === "")?.[2];
      const folder = readFileSync(`/proc/${pid}/cgroup`, "utf8").includes(":pids:") ? "/sys/fs/cgroup/pids" : "/sys/fs/cgroup";
      return readFileSync(`${folder}${path}/cgroup.procs`, "utf8").trim().split("\n").length === 2;
    });
    await run;
  });

  test("-i passes bytes and their end", async () => {
    const input = Buffer.alloc(500_000, "0123456789\n");
    expect((await engine.withInput(input, "exec", "-i", "a", "md5sum")).stdout.split(" ")[0]).toBe(
      new Bun.CryptoHasher("md5").update(input).digest("hex"),
    );
    expect((await engine.withInput("x", "exec", "a", "cat")).stdout).toBe("");
  });

  test.each([["run --rm bb"], ["exec a"]])("all output comes, whenever it was written, to a reader who is slow to begin: %s", (command) => {
    const write =
      "for i in 0 1 2 3 4 5 6 7 8 9; do head -c 20000 /dev/zero | tr '\\0' $i; usleep $((i * 1000)); done; echo end >&2; head -c 300000 /dev/zero";
    for (const reader of ["cat", "(sleep 0.1; cat)"]) {
      const { stdout, stderr } = Bun.spawnSync(["bash", "-c", `${BERTH} ${command} sh -c "${write.replaceAll("$", "\\$")}" | ${reader}`], {
        env: engine.env,
      });
      const bytes = Buffer.concat([..."0123456789"].map((digit) => Buffer.alloc(20_000, digit)));
      expect(Buffer.compare(stdout, Buffer.concat([bytes, Buffer.alloc(300_000)]))).toBe(0);
      expect(stderr.toString()).toBe("end\n");
    }
  });

  test("-d returns at once and leaves the command there", async () => {
    expect(await engine.ok("exec", "-d", "a", "sh", "-c", "sleep 0.3; echo done > /tmp/detached")).toBe("");
    await until("the file", async () => (await engine.run("exec", "a", "cat", "/tmp/detached")).stdout === "done\n");
  });

  test("what a command leaves in the background does not hold it up", async () => {
    const start = performance.now();
    expect(await engine.ok("exec", "a", "sh", "-c", "sleep 20 & echo left")).toBe("left");
    expect(performance.now() - start).toBeLessThan(5000);
  });

  test("says why not", async () => {
    expect(await engine.fails(127, "exec", "a", "nope")).toContain('exec: "nope": executable file not found in $PATH');
    expect(await engine.fails(126, "exec", "a", "/etc/passwd")).toContain("permission denied");
    expect(await engine.fails(1, "exec", "missing", "true")).toContain("No such container: missing");
    expect(await engine.fails(126, "exec", "-u", "nobody", "a", "true")).toContain("unable to find user nobody");
    expect(await engine.fails(126, "exec", "-w", "/nosuch", "a", "true")).toContain('working directory "/nosuch"');
    expect(await engine.fails(1, "exec", "a", "ls", "-d", "/nosuch")).toContain("No such file");
    await engine.ok("create", "--name", "stopped", "bb", "true");
    expect(await engine.fails(1, "exec", "stopped", "true")).toMatch(/Container [0-9a-f]{64} is not running/);
    expect(await engine.fails(1, "exec", "-it", "a", "true")).toContain("the input device is not a TTY");
    await engine.ok("rm", "stopped");
  });

  test("ends with its container", async () => {
    await engine.ok("run", "-d", "--name", "short", "bb", "sleep", "100");
    const run = engine.start("exec", "short", "sleep", "50");
    await until("it runs", async () => (await engine.ok("top", "short")).includes("sleep 50"));
    await engine.ok("rm", "-f", "short");
    expect((await run).exitCode).toBe(137);
  });
});

test("who is inside sees nothing of what comes in but its command", async () => {
  const look = "while [ ! -e /tmp/end ]; do cat /proc/[0-9]*/cmdline; cat /proc/[0-9]*/environ; ls -l /proc/[0-9]*/exe; done";
  await engine.ok("run", "-d", "--name", "looks", "bb", "sh", "-c", `(${look}) 2>/dev/null | tr '\\0' '\\n' | sort -u; echo that was all`);
  const secret = { HOST_SECRET: "of-the-host" };
  for (let i = 0; i < 20; i++) {
    const exec = Bun.spawn([BERTH, "exec", "-e", "OWN=of-its-own", "looks", "true", "seen"], { env: { ...engine.env, ...secret } });
    expect(await exec.exited).toBe(0);
  }
  await engine.ok("exec", "looks", "touch", "/tmp/end");
  await until("the list", async () => (await engine.ok("logs", "looks")).includes("that was all"));
  const seen = await engine.ok("logs", "looks");
  for (const text of ["of-the-host", BERTH, engine.root]) expect(seen).not.toContain(text);
  await engine.ok("rm", "-f", "looks");
});
