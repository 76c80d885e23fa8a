import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { BERTH, TestEngine, until } from "./engine.ts";

let engine: TestEngine;
beforeAll(async () => {
  engine = await TestEngine.make();
});
afterAll(async () => {
  await engine[Symbol.asyncDispose]();
});

describe("run", () => {
  test("prints what the command prints, on its own streams", async () => {
    expect(await engine.run("run", "--rm", "bb", "sh", "-c", "echo out; echo err >&2")).toEqual({ stdout: "out\n", stderr: "err\n", exitCode: 0 });
  });

  test("exits as the command does", async () => {
    expect((await engine.run("run", "--rm", "bb", "sh", "-c", "exit 7")).exitCode).toBe(7);
  });

  test("what comes after the image belongs to the command", async () => {
    expect(await engine.ok("run", "--rm", "bb", "echo", "--rm", "-it", "--", "-x")).toBe("--rm -it -- -x");
  });

  test("a command that is not there is 127, one that cannot run 126", async () => {
    expect(await engine.fails(127, "run", "--rm", "bb", "nope")).toContain('exec: "nope": executable file not found in $PATH');
    expect(await engine.fails(127, "run", "--rm", "bb", "/bin/nope")).toContain("no such file or directory");
    expect(await engine.fails(126, "run", "--rm", "bb", "/etc/passwd")).toContain("permission denied");
    expect(await engine.leftovers()).toEqual([]);
  });

  test("without --rm a container that could not start stays, as created", async () => {
    await engine.fails(127, "run", "--name", "failed", "bb", "nope");
    expect(await engine.inspect("failed", "{{.State.Status}} {{.State.ExitCode}}")).toBe("created 127");
    await engine.ok("rm", "failed");
  });

  test("large arguments and much output pass whole", async () => {
    const large = "x".repeat(100_000);
    expect(await engine.ok("run", "--rm", "bb", "echo", large)).toBe(large);
    expect((await engine.ok("run", "--rm", "bb", "sh", "-c", "yes 0123456789 | head -n 200000")).length).toBe(200_000 * 11 - 1);
  });

  test("-i passes bytes and their end", async () => {
    const input = Buffer.from(Array.from({ length: 300_000 }, (_, i) => i % 256));
    const { stdout } = await engine.withInput(input, "run", "--rm", "-i", "bb", "md5sum");
    expect(stdout.split(" ")[0]).toBe(new Bun.CryptoHasher("md5").update(input).digest("hex"));
  });

  test("without -i there is no input", async () => {
    expect((await engine.withInput("hello", "run", "--rm", "bb", "cat")).stdout).toBe("");
  });

  test("environment: the image's, --env-file, -e, and nothing of ours", async () => {
    const file = join(engine.root, "env");
    writeFileSync(file, "# comment\nFROM_FILE=1\nBOTH=file\nHOME_OF_CALLER\n");
    engine.env.PASSED = "through";
    const args = ["--env-file", file, "-e", "BOTH=flag", "-ePASSED", "-e", "ABSENT", "-e", "NUMBER=007"];
    const env = (await engine.ok("run", "--rm", ...args, "bb", "env")).split("\n");
    expect(env).toContain("FROM_FILE=1");
    expect(env).toContain("BOTH=flag");
    expect(env).toContain("PASSED=through");
    expect(env).toContain("NUMBER=007");
    expect(env.some((line) => /^(ABSENT|BERTH_ROOT|BUN_)/.test(line))).toBe(false);
  });

  test("users and groups of the image's files", async () => {
    expect(await engine.ok("run", "--rm", "-u", "user", "bb", "id")).toBe("uid=1000(user) gid=1000(user) groups=50(extra),1000(user)");
    expect(await engine.ok("run", "--rm", "-u", "user:root", "bb", "id")).toBe("uid=1000(user) gid=0(root) groups=0(root)");
    expect(await engine.ok("run", "--rm", "-u", "7:8", "--group-add", "extra", "bb", "id")).toBe("uid=7 gid=8 groups=8,50(extra)");
    expect(await engine.fails(125, "run", "--rm", "-u", "nobody", "bb", "id")).toContain(
      "unable to find user nobody: no matching entries in passwd file",
    );
    expect(await engine.fails(125, "run", "--rm", "--group-add", "nogroup", "bb", "id")).toContain("unable to find group nogroup");
  });

  test("working folder, host name, domain", async () => {
    expect(await engine.ok("run", "--rm", "-w", "/made/for/it", "bb", "pwd")).toBe("/made/for/it");
    expect(
      await engine.ok("run", "--rm", "-h", "boat", "--domainname", "sea.org", "bb", "sh", "-c", "hostname; hostname -f; cat /etc/hostname"),
    ).toBe("boat\nboat.sea.org\nboat");
    expect(await engine.fails(125, "run", "--rm", "-w", "/etc/passwd", "bb", "pwd")).toContain('working directory "/etc/passwd" is not a directory');
  });

  test("--entrypoint replaces entry point and arguments", async () => {
    expect(await engine.ok("run", "--rm", "--entrypoint", "echo", "bb", "a", "b")).toBe("a b");
    expect(await engine.fails(125, "run", "--rm", "--entrypoint", "", "bb")).toContain("No command specified");
    expect(await engine.fails(125, "run", "--rm", "bb")).toContain("No command specified");
  });

  test("--cidfile and --pidfile", async () => {
    const cidfile = join(engine.root, "cid");
    const pidfile = join(engine.root, "pid");
    const id = await engine.ok("run", "-d", "--cidfile", cidfile, "--pidfile", pidfile, "bb", "sleep", "100");
    expect(readFileSync(cidfile, "utf8")).toBe(id);
    expect(readFileSync(pidfile, "utf8")).toBe(await engine.inspect(id, "{{.State.Pid}}"));
    expect(await engine.fails(125, "run", "--cidfile", cidfile, "bb", "true")).toContain("container ID file found");
    await engine.ok("rm", "-f", id);
  });

  test("--init reaps, hands on signals, and reports as without it", async () => {
    const out = await engine.ok("run", "--rm", "--init", "bb", "sh", "-c", "(sleep 0.1 & exec true) & sleep 1; ps -o pid,comm | tail -n +2");
    expect(out).not.toContain("sleep");
    expect((await engine.run("run", "--rm", "--init", "bb", "sh", "-c", "exit 9")).exitCode).toBe(9);
    expect(await engine.fails(127, "run", "--rm", "--init", "bb", "nope")).toContain("not found");
    await engine.ok("run", "-d", "--name", "init", "--init", "bb", "sleep", "100");
    await engine.ok("stop", "init");
    expect(await engine.inspect("init", "{{.State.ExitCode}}")).toBe("143");
    await engine.ok("rm", "init");
  });

  test("signals to a run in the foreground reach the container", async () => {
    for (const [signal, code] of [
      ["SIGINT", 42],
      ["SIGTERM", 43],
      ["SIGHUP", 44],
    ] as const) {
      const run = engine.start(
        "run",
        "--rm",
        "bb",
        "sh",
        "-c",
        "trap 'exit 42' INT; trap 'exit 43' TERM; trap 'exit 44' HUP; echo ready; while :; do sleep 0.05; done",
      );
      for await (const line of run.stdout) if (String(line).includes("ready")) break;
      await Bun.sleep(200);
      await run.kill(signal);
      expect((await run).exitCode).toBe(code);
    }
    expect(await engine.leftovers()).toEqual([]);
  });

  test("the monitor inherits nothing: no descriptor, variable or folder, and no signal that is ignored", async () => {
    const script = `trap "" USR1; exec 9</etc/passwd; cd /usr; exec "$0" run --name heir bb sh -c "sleep 1; exit 3"`;
    const command = Bun.spawn(["sh", "-c", script, BERTH], { env: { ...engine.env, SECRET: "1" } });
    await until("it runs", async () => (await engine.run("inspect", "-f", "{{.State.Running}}", "heir")).stdout === "true\n");
    const [, monitor = ""] = /^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${await engine.inspect("heir", "{{.State.Pid}}")}/status`, "latin1")) ?? [];
    const [, ignored = ""] = /^SigIgn:\s+(\w+)/m.exec(readFileSync(`/proc/${monitor}/status`, "latin1")) ?? [];
    expect(BigInt(`0x${ignored}`) & (1n << BigInt(constants.signals.SIGUSR1 - 1))).toBe(0n);
    const targets = readdirSync(`/proc/${monitor}/fd`).map((fd) => readlinkSync(`/proc/${monitor}/fd/${fd}`));
    expect(targets).not.toContain("/etc/passwd");
    expect(readFileSync(`/proc/${monitor}/environ`, "latin1")).not.toContain("SECRET");
    expect(readlinkSync(`/proc/${monitor}/cwd`)).toBe("/");
    expect(await command.exited).toBe(3);
    await engine.ok("rm", "heir");
  });

  test("a reader that goes away ends the command line, not the machine's patience", async () => {
    const run = Bun.spawnSync(
      [
        "sh",
        "-c",
        `"$0" run --name piped bb sh -c 'echo first; sleep 1; echo second; sleep 1' | head -n 1`,
        join(import.meta.dir, "../../dist/berth"),
      ],
      { env: engine.env },
    );
    expect(run.stdout.toString()).toBe("first\n");
    await engine.ok("rm", "-f", "piped");
  });

  test("--rootfs: a folder of the host, never written to", async () => {
    expect(await engine.ok("run", "--rm", "--rootfs", "/", "sh", "-c", "hostname; touch /written-inside && ls /written-inside")).toEndWith(
      "/written-inside",
    );
    expect(existsSync("/written-inside")).toBe(false);
    expect(await engine.fails(125, "run", "--rm", "--rootfs", "/nowhere", "sh")).toContain("invalid root folder /nowhere");
  });

  test("a root without /bin/sh", async () => {
    const tar = Bun.spawnSync(["tar", "-C", "/etc", "-cf", "-", "hostname"]).stdout;
    await engine.withInput(tar, "import", "-", "noshell");
    expect(await engine.fails(127, "run", "--rm", "noshell", "/bin/sh")).toContain("/bin/sh");
    await engine.ok("rmi", "noshell");
  });

  test("namespaces of another container", async () => {
    await engine.ok("run", "-d", "--name", "owner", "bb", "sh", "-c", "echo shared > /dev/shm/file; sleep 100");
    await until("the file", async () => (await engine.run("exec", "owner", "cat", "/dev/shm/file")).stdout === "shared\n");
    const out = await engine.ok(
      "run",
      "--rm",
      "--network",
      "container:owner",
      "--pid",
      "container:owner",
      "--ipc",
      "container:owner",
      "bb",
      "sh",
      "-c",
      "ps; cat /dev/shm/file",
    );
    expect(out).toContain("sleep 100");
    expect(out).toEndWith("shared");
    await engine.ok("rm", "-f", "owner");
    expect(await engine.fails(125, "run", "--rm", "--network", "container:owner", "bb", "true")).toContain("No such container: owner");
  });
});
