import { dlopen, ptr } from "bun:ffi";
import { describe, expect, test } from "bun:test";
import { closeSync, existsSync, mkdirSync, readFileSync, readSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { receiveWithDescriptors } from "../../ffi/socket.ts";
import { defaultSpec } from "../../src/runtime/container/describe.ts";
import { until } from "./engine.ts";
import { TestRuntime } from "./oci.ts";

const runtime = new TestRuntime();
const { oci, ok, fails, bundle, status } = runtime;

describe("the life of a container", () => {
  test("create, state, start, exec, pause, resume, ps, events, update, kill, delete", async () => {
    const pidFile = join(runtime.folder, "pid");
    const path = bundle(
      (spec) => {
        spec.annotations = { key: "value" };
      },
      ["sh", "-c", "echo started; sleep 100"],
    );
    await ok("create", "-b", path, "--pid-file", pidFile, "c1");
    const output = runtime.lastOutput;
    const state = JSON.parse(await ok("state", "c1"));
    expect(state).toMatchObject({ ociVersion: "1.2.0", id: "c1", status: "created", bundle: path, annotations: { key: "value" } });
    expect(readFileSync(pidFile, "utf8")).toBe(String(state.pid));
    expect(readFileSync(output, "utf8")).toBe("");
    await ok("start", "c1");
    await until("its output", () => readFileSync(output, "utf8") === "started\n");
    expect(await status("c1")).toBe("running");
    expect(await ok("exec", "c1", "sh", "-c", "hostname; exit 0")).toBe("berth");
    expect((await oci("exec", "-e", "A=5", "c1", "sh", "-c", "exit $A")).exitCode).toBe(5);
    expect(await ok("exec", "-u", "7:8", "--cwd", "/tmp", "c1", "sh", "-c", "id -u; id -g; pwd")).toBe("7\n8\n/tmp");
    await ok("pause", "c1");
    expect(await status("c1")).toBe("paused");
    expect(await fails("exec", "c1", "true")).toContain("cannot exec in a paused container");
    await ok("resume", "c1");
    expect(JSON.parse(await ok("ps", "-f", "json", "c1"))).toContain(state.pid);
    expect(await ok("ps", "c1")).toMatch(/^UID +PID +PPID +TIME +CMD\n/);
    await ok("update", "--memory", "64m", "--pids-limit", "50", "c1");
    const stats = JSON.parse(await ok("events", "--stats", "c1"));
    expect(stats).toMatchObject({ type: "stats", id: "c1", data: { memory: { usage: { limit: 64 << 20 } }, pids: { limit: 50 } } });
    expect(await ok("list", "-q")).toContain("c1");
    expect(await fails("delete", "c1")).toContain("cannot delete container c1 that is not stopped: running");
    expect(await fails("start", "c1")).toContain("cannot start an already running container");
    await ok("kill", "c1", "KILL");
    await until("its end", async () => (await status("c1")) === "stopped");
    expect(await fails("kill", "c1")).toContain("container not running");
    expect(await fails("start", "c1")).toContain("cannot start a container that has stopped");
    await ok("delete", "c1");
    expect(await fails("state", "c1")).toContain("container does not exist");
  });

  test("run: streams, exit code, --keep, -d", async () => {
    const result = await oci(
      "run",
      "-b",
      bundle(() => {}, ["sh", "-c", "echo out; echo err >&2; exit 6"]),
      "r1",
    );
    expect(result).toEqual({ stdout: "out\n", stderr: "err\n", exitCode: 6 });
    await oci(
      "run",
      "--keep",
      "-b",
      bundle(() => {}, ["true"]),
      "r2",
    );
    expect(await status("r2")).toBe("stopped");
    await ok("delete", "r2");
    await ok("run", "-d", "-b", bundle(), "r3");
    expect(await status("r3")).toBe("running");
    await ok("delete", "-f", "r3");
    await ok("delete", "-f", "r3");
  });

  test("a created container can be deleted, and nothing of it stays", async () => {
    await ok("create", "-b", bundle(), "d1");
    const { pid } = JSON.parse(await ok("state", "d1"));
    await ok("delete", "d1");
    expect(existsSync(join(runtime.folder, "state/d1"))).toBe(false);
    await until("the end of its process", () => !existsSync(`/proc/${pid}`) || readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z"));
  });

  test("exec --process, -d and --pid-file", async () => {
    await ok("run", "-d", "-b", bundle(), "e1");
    const file = join(runtime.folder, "process.json");
    const process = {
      ...defaultSpec().process,
      terminal: false,
      args: ["sh", "-c", "echo $X > /tmp/from-exec; sleep 100"],
      env: ["X=1", "PATH=/bin"],
    };
    writeFileSync(file, JSON.stringify(process));
    const pidFile = join(runtime.folder, "exec-pid");
    await ok("exec", "-d", "--process", file, "--pid-file", pidFile, "e1");
    expect(readFileSync(`/proc/${readFileSync(pidFile, "utf8")}/cmdline`, "utf8")).toContain("sleep");
    // Detached, it writes when it gets to it.
    await until("its first words", async () => (await ok("exec", "e1", "sh", "-c", "cat /tmp/from-exec 2>/dev/null || true")) !== "");
    expect(await ok("exec", "e1", "cat", "/tmp/from-exec")).toBe("1");
    expect(await fails("exec", "e1", "nope")).toContain("executable file not found in $PATH");
    await ok("kill", "-a", "e1", "9");
    await ok("delete", "-f", "e1");
  });

  test("a terminal through a console socket", async () => {
    const { symbols } = dlopen("libc.so.6", {
      socket: { args: ["i32", "i32", "i32"], returns: "i32" },
      bind: { args: ["i32", "ptr", "u32"], returns: "i32" },
      listen: { args: ["i32", "i32"], returns: "i32" },
      accept: { args: ["i32", "ptr", "ptr"], returns: "i32" },
    });
    const path = join(runtime.folder, "console");
    const address = Buffer.alloc(110);
    address.writeUInt16LE(1, 0);
    address.write(path, 2);
    const listener = symbols.socket(1, 1, 0);
    expect(symbols.bind(listener, ptr(address), 2 + path.length + 1)).toBe(0);
    symbols.listen(listener, 1);
    const created = oci(
      "create",
      "-b",
      bundle(
        (spec) => {
          spec.process.terminal = true;
        },
        ["sh", "-c", "tty; stty -echo; cat"],
      ),
      "--console-socket",
      path,
      "t1",
    );
    await created;
    const connection = symbols.accept(listener, null, null);
    const { fds } = receiveWithDescriptors(connection, 64);
    expect((await created).exitCode).toBe(0);
    const master = fds[0]?.fd ?? -1;
    await ok("start", "t1");
    const buffer = Buffer.alloc(100);
    expect(buffer.toString("utf8", 0, readSync(master, buffer))).toBe("/dev/pts/0\r\n");
    for (const fd of [connection, listener]) closeSync(fd);
    fds[0]?.close();
    await ok("delete", "-f", "t1");
    expect(
      await fails(
        "create",
        "-b",
        bundle((spec) => {
          spec.process.terminal = true;
        }),
        "t2",
      ),
    ).toContain("without setting console socket");
  });
});

test("spec, features, version", async () => {
  const path = join(runtime.folder, "spec");
  mkdirSync(path);
  await ok("spec", "-b", path);
  expect(JSON.parse(readFileSync(join(path, "config.json"), "utf8"))).toMatchObject({ ociVersion: "1.2.0", root: { path: "rootfs" } });
  expect(await fails("spec", "-b", path)).toContain("exists already");
  expect(JSON.parse(await ok("features"))).toMatchObject({ ociVersionMin: "1.0.0", linux: { cgroup: { v1: true, v2: true } } });
  expect(await ok("--version")).toMatch(/^runc version \d.*\ncommit: .*\nspec: 1\.2\.0/);
  expect(readFileSync(runtime.lastOutput, "utf8")).not.toBe("");
});
