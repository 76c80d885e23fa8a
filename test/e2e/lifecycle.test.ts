import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { TestEngine, until } from "./engine.ts";

let engine: TestEngine;
beforeAll(async () => {
  engine = await TestEngine.make();
});
afterAll(async () => {
  await engine[Symbol.asyncDispose]();
});

const COUNTING = ["sh", "-c", "i=0; while :; do i=$((i+1)); echo line $i; sleep 0.05; done"];

describe("a container in the background", () => {
  test("wait: conditions, of several any; what was never started, or is removed", async () => {
    await engine.ok("create", "--name", "w", "--network", "none", "bb", "sh", "-c", "trap 'exit 6' USR1; while :; do sleep 0.02; done");
    expect(await engine.ok("wait", "w")).toBe("0");
    const start = performance.now();
    const running = engine.ok("wait", "--condition", "running", "--condition", "paused", "w");
    const next = engine.ok("wait", "--condition", "next-exit", "w");
    const removed = engine.ok("wait", "--condition", "removed", "w");
    await Bun.sleep(200);
    await engine.ok("start", "w");
    expect(await running).toBe("0");
    expect(performance.now() - start).toBeLessThan(2000);
    await engine.ok("kill", "-s", "USR1", "w");
    expect(await next).toBe("6");
    expect(await engine.ok("wait", "w", "w")).toBe("6\n6");
    await engine.ok("rm", "w");
    expect(await removed).toBe("6");
    expect(await engine.fails(1, "wait", "w")).toContain("No such container: w");
    expect(await engine.fails(1, "wait", "--condition", "nope", "w")).toContain('invalid condition "nope"');
  });

  test("from run to rm", async () => {
    const id = await engine.ok("run", "-d", "--name", "a", "bb", ...COUNTING);
    expect(id).toMatch(/^[0-9a-f]{64}$/);
    expect(await engine.ok("ps", "--format", "{{.ID}} {{.Names}} {{.State}} {{.Image}}")).toBe(`${id.slice(0, 12)} a running bb`);
    await until("three lines", async () => (await engine.ok("logs", "a")).includes("line 3\n"));
    expect(await engine.ok("stop", "-t", "0", "a")).toBe("a");
    expect(await engine.ok("ps", "-q")).toBe("");
    expect(await engine.ok("ps", "-a", "--format", "{{.Status}}")).toStartWith("Exited (137) ");
    expect(await engine.ok("start", "a")).toBe("a");
    expect(await engine.inspect("a", "{{.State.Running}}")).toBe("true");
    expect(await engine.fails(1, "rm", "a")).toContain(`You cannot remove a running container ${id}`);
    expect(await engine.ok("rm", "-f", "a")).toBe("a");
    expect(await engine.leftovers()).toEqual([]);
  });

  test("stop sends the stop signal, then SIGKILL after the timeout", async () => {
    await engine.ok("run", "-d", "--name", "obeys", "bb", "sh", "-c", "trap 'exit 3' TERM; echo ready; while :; do sleep 0.05; done");
    await engine.ok(
      "run",
      "-d",
      "--name",
      "custom",
      "--stop-signal",
      "SIGUSR1",
      "bb",
      "sh",
      "-c",
      "trap 'exit 4' USR1; echo ready; while :; do sleep 0.05; done",
    );
    await engine.ok("run", "-d", "--name", "stubborn", "--stop-timeout", "1", "bb", "sleep", "100");
    for (const name of ["obeys", "custom"]) await until("its traps", async () => (await engine.ok("logs", name)) === "ready");
    expect(await engine.ok("stop", "obeys", "custom", "stubborn")).toBe("obeys\ncustom\nstubborn");
    expect(await engine.inspect("obeys", "{{.State.ExitCode}}")).toBe("3");
    expect(await engine.inspect("custom", "{{.State.ExitCode}}")).toBe("4");
    expect(await engine.inspect("stubborn", "{{.State.ExitCode}}")).toBe("137");
    expect(await engine.ok("stop", "obeys")).toBe("obeys"); // no error, as with docker
    await engine.ok("rm", "obeys", "custom", "stubborn");
  });

  test("kill sends any signal and says which containers do not run", async () => {
    await engine.ok("run", "-d", "--name", "k", "bb", "sh", "-c", "trap 'echo got USR1' USR1; echo ready; while :; do sleep 0.05; done");
    await until("its trap", async () => (await engine.ok("logs", "k")) === "ready");
    for (const signal of ["USR1", "SIGUSR1", "10"]) await engine.ok("kill", "-s", signal, "k");
    await until("the trap", async () => (await engine.ok("logs", "k")).includes("got USR1"));
    expect(await engine.fails(1, "kill", "-s", "NOPE", "k")).toContain("Invalid signal: NOPE");
    expect(await engine.ok("kill", "k")).toBe("k");
    expect(await engine.inspect("k", "{{.State.Status}} {{.State.ExitCode}}")).toBe("exited 137");
    expect(await engine.fails(1, "kill", "k")).toContain("is not running");
    await engine.ok("rm", "k");
  });

  // It looks by itself twice a second, and must not need that.
  test("wait is told of the end", async () => {
    let late = 0;
    for (let i = 0; i < 30; i++) {
      await engine.ok("run", "-d", "--name", "brief", "--network", "none", "bb", "sleep", "0.1");
      const start = performance.now();
      await engine.ok("wait", "brief");
      if (performance.now() - start > 450) late++;
      await engine.ok("rm", "brief");
    }
    expect(late).toBeLessThan(4);
  });

  test("wait gives exit codes, also of what removes itself", async () => {
    await engine.ok("run", "-d", "--name", "w1", "bb", "sh", "-c", "exit 5");
    await engine.ok("run", "-d", "--rm", "--name", "w2", "bb", "sh", "-c", "sleep 2; exit 6");
    expect(await engine.ok("wait", "w1", "w2")).toBe("5\n6");
    expect(await engine.ok("wait", "w1")).toBe("5");
    await until("w2 is gone", async () => (await engine.run("inspect", "w2")).exitCode === 1);
    expect(await engine.fails(1, "wait", "w2")).toContain("No such container: w2");
    await engine.ok("rm", "w1");
  });

  test("restart keeps the container's files", async () => {
    await engine.ok("run", "-d", "--name", "r", "bb", "sh", "-c", "echo again >> /count; sleep 100");
    await until("the file", async () => (await engine.run("exec", "r", "cat", "/count")).stdout === "again\n");
    const before = await engine.inspect("r", "{{.State.Pid}}");
    await engine.ok("restart", "-t", "0", "r");
    await until("the second line", async () => (await engine.run("exec", "r", "cat", "/count")).stdout === "again\nagain\n");
    expect(await engine.inspect("r", "{{.State.Pid}}")).not.toBe(before);
    await engine.ok("rm", "-f", "r");
  });

  test("create, then start -a and -i", async () => {
    const id = await engine.ok("create", "-i", "--name", "c", "bb", "cat");
    expect(await engine.ok("ps", "-a", "--format", "{{.Status}}")).toBe("Created");
    expect((await engine.withInput("through\n", "start", "-ai", "c")).stdout).toBe("through\n");
    expect(await engine.inspect(id.slice(0, 6), "{{.State.ExitCode}}")).toBe("0");
    await engine.ok("rm", id);
    await engine.ok("create", "--name", "d", "bb", "sh", "-c", "echo out; exit 8");
    expect(await engine.run("start", "-a", "d")).toEqual({ stdout: "out\n", stderr: "", exitCode: 8 });
    await engine.ok("rm", "d");
  });

  test("addressed by name, id or a unique beginning of it", async () => {
    const id = await engine.ok("create", "--name", "addressed", "bb", "true");
    for (const name of ["addressed", "/addressed", id, id.slice(0, 12), id.slice(0, 5)]) expect(await engine.inspect(name, "{{.Id}}")).toBe(id);
    expect(await engine.fails(1, "rm", "nobody")).toBe("berth: No such container: nobody");
    await engine.ok("rm", "addressed");
  });

  test("several at once: what fails does not keep the rest", async () => {
    await engine.ok("create", "--name", "one", "bb", "true");
    await engine.ok("create", "--name", "two", "bb", "true");
    const result = await engine.run("rm", "one", "missing", "two");
    expect(result).toEqual({ stdout: "one\ntwo\n", stderr: "berth: No such container: missing\n", exitCode: 1 });
  });

  test("names: generated, refused when malformed or taken", async () => {
    const id = await engine.ok("create", "bb", "true");
    expect(await engine.inspect(id, "{{.Name}}")).toMatch(/^\/[a-z]+_[a-z]+\d*$/);
    await engine.ok("create", "--name", "taken", "bb", "true");
    const message = await engine.fails(125, "run", "--name", "taken", "bb", "true");
    expect(message).toMatch(/^berth: Conflict\. The container name "\/taken" is already in use by container "[0-9a-f]{64}"/);
    expect(await engine.fails(1, "create", "--name", "taken", "bb", "true")).toContain("already in use by container");
    expect(await engine.fails(125, "run", "--name", "no/slash", "bb", "true")).toContain("Invalid container name (no/slash)");
    await engine.ok("rm", id, "taken");
  });

  test("twenty at once with one name: one wins, nineteen say why", async () => {
    const results = await Promise.all(Array.from({ length: 20 }, () => engine.run("run", "-d", "--name", "contended", "bb", "sleep", "100")));
    expect(results.filter((r) => r.exitCode === 0)).toHaveLength(1);
    const losers = results.filter((r) => r.exitCode === 125 && r.stderr.includes("already in use by container"));
    expect(losers).toHaveLength(19);
    await engine.ok("rm", "-f", "contended");
    expect(await engine.leftovers()).toEqual([]);
  });
});

describe("logs", () => {
  test("streams, timestamps, tail, since, until", async () => {
    await engine.ok("run", "--name", "l", "bb", "sh", "-c", "echo one; echo two >&2; echo three; sleep 1; echo four; printf end");
    expect(await engine.run("logs", "l")).toEqual({ stdout: "one\nthree\nfour\nend", stderr: "two\n", exitCode: 0 });
    expect(await engine.ok("logs", "--tail", "2", "l")).toBe("four\nend");
    expect(await engine.ok("logs", "-n0", "l")).toBe("");
    const stamped = await engine.ok("logs", "-t", "l");
    expect(stamped.split("\n")[0]).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z one$/);
    const middle = stamped.split("\n").at(-2)?.split(" ")[0] ?? "";
    expect(await engine.ok("logs", "--since", middle, "l")).toBe("four\nend");
    const before = new Date(Date.parse(middle) - 300).toISOString();
    expect(await engine.ok("logs", "--until", before, "l")).toBe("one\nthree");
    expect(await engine.fails(125, "logs", "--tail", "many", "l")).toContain('invalid argument "many" for "-n, --tail" flag');
    expect(await engine.fails(125, "logs", "--since", "yesterday", "l")).toContain("expected a time");
    await engine.ok("rm", "l");
  });

  test("-f follows to the end of the container and loses nothing", async () => {
    await engine.ok("run", "-d", "--name", "f", "bb", "sh", "-c", "for i in $(seq 1 300); do echo line $i; usleep 2000; done");
    const followed = await engine.ok("logs", "-f", "f");
    expect(followed.split("\n")).toEqual(Array.from({ length: 300 }, (_, i) => `line ${i + 1}`));
    await engine.ok("rm", "f");
  });

  test("the log is docker's json-file format, whatever the bytes", async () => {
    const script = `printf 'quote " back \\\\ tab\\t\\033[1m <&> \\303\\244\\n'; printf '\\377\\n'; yes 0123456789 | head -c 40000; echo`;
    await engine.ok("run", "--name", "j", "bb", "sh", "-c", script);
    const text = await Bun.file(await engine.inspect("j", "{{.LogPath}}")).text();
    const records = text
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as { log: string; stream: string; time: string });
    expect(records[0]?.log).toBe('quote " back \\ tab\t\u001b[1m <&> ä\n');
    expect(records[1]?.log).toBe("\ufffd\n");
    expect(records.every((r) => r.stream === "stdout" && /^\d{4}-.*Z$/.test(r.time))).toBe(true);
    await engine.ok("rm", "j");
  });

  test("a long line is logged in pieces and comes back whole", async () => {
    await engine.ok("run", "--name", "long", "bb", "sh", "-c", "head -c 100000 /dev/zero | tr '\\0' x; echo");
    expect(await engine.ok("logs", "long")).toBe("x".repeat(100_000));
    await engine.ok("rm", "long");
  });
});

describe("ps and inspect", () => {
  test("filters and shapes", async () => {
    await engine.ok("create", "--name", "p1", "-l", "kind=test", "-l", "n=1", "bb", "true");
    await engine.ok("run", "--name", "p2", "-l", "kind=test", "bb", "sh", "-c", "exit 3").catch(() => {});
    await engine.ok("run", "-d", "--name", "p3", "bb", "sleep", "100");
    const names = async (...args: string[]) => (await engine.ok("ps", "--format", "{{.Names}}", ...args)).split("\n").filter(Boolean);
    expect(await names()).toEqual(["p3"]);
    expect(await names("-a")).toEqual(["p3", "p2", "p1"]);
    expect(await names("-n", "2")).toEqual(["p3", "p2"]);
    expect(await names("-l")).toEqual(["p3"]);
    expect(await names("-a", "-f", "label=kind=test")).toEqual(["p2", "p1"]);
    expect(await names("-f", "exited=3")).toEqual(["p2"]);
    expect(await names("-f", "status=created")).toEqual(["p1"]);
    expect(await names("-a", "-f", "name=p[12]", "-f", "label=n")).toEqual(["p1"]);
    expect(await names("-a", "-f", "ancestor=bb", "-f", "before=p3")).toEqual(["p2", "p1"]);
    await engine.ok("run", "-d", "--name", "p4", "-p", "127.0.0.1:18480:80", "--expose", "90/udp", "bb", "sleep", "100");
    expect(await names("-f", "publish=18480")).toEqual(["p4"]);
    expect(await names("-f", "publish=18000-18999/tcp")).toEqual(["p4"]);
    expect(await names("-f", "publish=80", "-f", "publish=18480/udp")).toEqual([]);
    expect(await names("-f", "expose=80")).toEqual(["p4"]);
    expect(await names("-f", "expose=90/udp")).toEqual(["p4"]);
    expect(await names("-f", "is-task=true")).toEqual([]);
    expect(await engine.fails(1, "ps", "-f", "expose=web")).toContain("expected a port");
    await engine.ok("rm", "-f", "p4");
    expect(await engine.fails(1, "ps", "-f", "nope=1")).toContain("invalid filter 'nope'");
    const table = (await engine.ok("ps", "-a", "--no-trunc")).split("\n");
    expect(table[0]).toMatch(/^CONTAINER ID {2,}IMAGE {2,}COMMAND {2,}CREATED {2,}STATUS {2,}PORTS {2,}NAMES$/);
    expect(JSON.parse((await engine.ok("ps", "--format", "json")).split("\n")[0] ?? "").Names).toBe("p3");
    await engine.ok("rm", "-f", "p1", "p2", "p3");
  });

  test("inspect has docker's shape and templates", async () => {
    await engine.ok("create", "--name", "i", "-l", "a=b", "-e", "X=1", "-m", "64m", "bb", "echo", "hi");
    const [value] = JSON.parse(await engine.ok("inspect", "i"));
    expect(value).toMatchObject({
      Name: "/i",
      Path: "echo",
      Args: ["hi"],
      State: { Status: "created", OOMKilled: false },
      HostConfig: { Memory: 64 << 20 },
    });
    expect(await engine.inspect("i", '{{index .Config.Labels "a"}} {{len .Args}} {{range .Config.Env}}{{.}};{{end}}')).toBe("b 1 X=1;");
    expect(await engine.inspect("i", "{{json .State.Status}}")).toBe('"created"');
    // Maps as Go prints them.
    await engine.ok("create", "--name", "sorted", "-l", "z=1", "-l", "a=2", "-h", "under_score_", "-p", "90:90", "-p", "80:80", "bb", "true");
    expect(await engine.inspect("sorted", "{{json .Config.Labels}} {{json .HostConfig.PortBindings}} {{.Config.Hostname}}")).toBe(
      '{"a":"2","z":"1"} {"80/tcp":[{"HostIp":"","HostPort":"80"}],"90/tcp":[{"HostIp":"","HostPort":"90"}]} under_score_',
    );
    await engine.ok("rm", "sorted");
    expect(await engine.fails(1, "inspect", "-f", "{{.Nope}}", "i")).toContain('map has no entry for key "Nope"');
    expect(await engine.run("inspect", "nothing")).toMatchObject({ stdout: "[]\n", exitCode: 1 });
    await engine.ok("rm", "i");
  });
});

test("pause and unpause; what stands still can be stopped, killed and removed", async () => {
  const count = "i=0; while :; do i=$((i + 1)); echo $i > /count; sleep 0.02; done";
  await engine.ok("run", "-d", "--name", "still", "bb", "sh", "-c", count);
  const pid = await engine.inspect("still", "{{.State.Pid}}");
  const counted = () => readFileSync(`/proc/${pid}/root/count`, "utf8");
  await until("it counts", () => existsSync(`/proc/${pid}/root/count`));
  expect(await engine.ok("pause", "still")).toBe("still");
  const before = counted();
  await Bun.sleep(150);
  expect(counted()).toBe(before);
  expect(await engine.ok("ps", "--format", "{{.Status}}")).toMatch(/^Up .* \(Paused\)$/);
  expect(await engine.inspect("still", "{{.State.Status}} {{.State.Paused}}")).toBe("paused true");
  expect(await engine.fails(1, "pause", "still")).toContain("Container still is already paused");
  expect(await engine.fails(1, "exec", "still", "true")).toContain("is paused");
  await engine.ok("unpause", "still");
  await until("it goes on", () => counted() !== before);
  expect(await engine.fails(1, "unpause", "still")).toContain("Container still is not paused");
  await engine.ok("pause", "still");
  await engine.ok("kill", "still");
  expect(await engine.inspect("still", "{{.State.Status}} {{.State.ExitCode}}")).toBe("exited 137");
  expect(await engine.fails(1, "pause", "still")).toContain("Container still is not running");
  for (const end of [
    ["stop", "-t", "0"],
    ["rm", "-f"],
  ]) {
    await engine.ok("start", "still");
    await engine.ok("pause", "still");
    await engine.ok(...end, "still");
  }
  expect(await engine.leftovers()).toEqual([]);
});

describe("the command line", () => {
  test("says what is wrong with it, in one line", async () => {
    expect(await engine.fails(125, "run", "--naem", "x", "bb")).toBe("berth: unknown flag: --naem, did you mean --name? See 'berth run --help'.");
    expect(await engine.fails(125, "run", "-x", "bb")).toContain("unknown shorthand flag: 'x' in -x");
    expect(await engine.fails(125, "run", "-e")).toContain("flag needs an argument: 'e' in -e");
    expect(await engine.fails(125, "run", "--rm=maybe", "bb")).toContain('invalid argument "maybe"');
    expect(await engine.fails(1, "stop")).toContain("'berth stop' requires at least 1 argument");
    expect(await engine.fails(1, "pss")).toContain("did you mean berth ps?");
    expect(await engine.fails(125, "run", "--pull", "never", "nosuch", "true")).toContain("No such image: nosuch:latest");
    const missing = await engine.run("run", "localhost:1/nosuch", "true");
    expect(missing.exitCode).toBe(125);
    expect(missing.stderr).toMatch(
      /^Unable to find image 'localhost:1\/nosuch:latest' locally\n.*\nberth: localhost:1: cannot be reached: ECONNREFUSED\n$/,
    );
    expect(await engine.fails(125, "run", "--network", "nope", "bb", "true")).toContain("network nope not found");
    for (const [flag, value] of [
      ["-m", "1x"],
      ["-m", "1k"],
      ["--cpus", "many"],
      ["--cpus", "-1"],
      ["-v", "a:b:c:d"],
      ["-v", "relative"],
      ["-e", "=x"],
      ["--mount", "typ=bind"],
      ["--mount", "type=bind,target=/x"],
      ["--tmpfs", "/x:nope"],
      ["--ulimit", "nofile"],
      ["--pids-limit", "a"],
      ["--stop-signal", "SIGNOPE"],
      ["--cap-add", "NOPE"],
      ["--sysctl", "kernel.panic=1"],
      ["--device", "relative"],
      ["-l", ""],
      ["-w", "relative"],
      ["--cpuset-cpus", "x"],
      ["--shm-size", "big"],
    ] as const) {
      expect(await engine.fails(125, "run", "--rm", flag, value, "bb", "true")).toContain("invalid argument");
    }
    expect(await engine.leftovers()).toEqual([]);
  });

  test("both spellings, combined short flags, version and help", async () => {
    expect(await engine.ok("container", "run", "--rm", "-eA=B", "-w/tmp", "bb", "sh", "-c", "echo $A; pwd")).toBe("B\n/tmp");
    expect(await engine.ok("container", "ls", "-aq")).toBe("");
    expect(await engine.ok("image", "ls", "-q")).toMatch(/^[0-9a-f]{12}$/);
    expect(await engine.ok("version", "-f", "{{.Client.Version}}")).toMatch(/^\d+\.\d+\.\d+$/);
    expect(await engine.ok("--version")).toMatch(/^berth version \d/);
    expect(await engine.ok("run", "--help")).toStartWith("Usage:  berth run [OPTIONS] IMAGE [COMMAND] [ARG...]");
    expect(await engine.ok("--help")).toContain("Commands:\n");
    expect(JSON.parse(await engine.ok("info", "-f", "json"))).toMatchObject({ Driver: "overlay2", DockerRootDir: engine.root });
  });
});
