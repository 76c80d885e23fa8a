/** Attaching to containers, leaving them, and readers that do not read. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { BERTH, TestEngine, until } from "./engine.ts";
import { Terminal } from "./terminal.ts";

let engine: TestEngine;
const N = ["--network", "none"];

beforeAll(async () => {
  engine = await TestEngine.make();
});
afterAll(() => engine[Symbol.asyncDispose]());
afterEach(async () => {
  await engine.removeContainers();
  expect(existsSync(join(engine.root, "run/callbacks")) ? readdirSync(join(engine.root, "run/callbacks")) : []).toEqual([]);
});

/** As somebody at a terminal would. */
const attachTerminal = (name: string) =>
  Bun.spawn(["script", "-qec", `${BERTH} attach ${name}`, "/dev/null"], { env: engine.env, stdin: "pipe", stdout: "ignore", stderr: "ignore" });
const attachPipe = (...args: string[]) => Bun.spawn([BERTH, "attach", ...args], { env: engine.env, stdin: "pipe", stdout: "pipe", stderr: "pipe" });

describe("at a terminal", () => {
  test("run -it, detach, attach from two terminals, resize both, detach; the log is complete", async () => {
    using one = new Terminal(engine.env);
    using two = new Terminal(engine.env);
    one.type(`${BERTH} run -it --name c ${N.join(" ")} bb sh; echo code $?`);
    await one.shows(/\/ #/);
    one.type("echo one-$((1+1))");
    await one.shows(/one-2/);
    one.key("C-p");
    one.key("C-q");
    await one.shows(/code 0/);
    one.type(`${BERTH} attach c; echo code $?`);
    two.type(`${BERTH} attach c; echo code $?`);
    await until("both are there", async () => {
      two.type("echo hello-$((2+3))");
      return /hello-5/.test(two.screen()) && /hello-5/.test(one.screen());
    });
    one.resize(90, 25);
    two.resize(77, 22);
    await until("the size", () => {
      two.type("stty size");
      return /22 77/.test(two.screen());
    });
    await one.shows(/22 77/);
    one.resize(66, 21);
    await until("the other's size", () => {
      one.type("stty size");
      return /21 66/.test(two.screen());
    });
    one.key("C-p");
    one.key("C-q");
    await one.shows(/read escape sequence\s+code 1/);
    two.type("exit 9");
    await two.shows(/code 9/);
    const log = await engine.ok("logs", "c");
    for (const text of ["one-2", "hello-5", "22 77", "21 66", "exit 9"]) expect(log).toContain(text);
  });

  test("typing more than the container reads holds up nobody", async () => {
    await engine.ok("run", "-dit", "--name", "c", ...N, "bb", "sh", "-c", "stty raw -echo; while sleep 0.1; do echo tick; done");
    const attached = attachTerminal("c");
    attached.stdin.write("x".repeat(300_000));
    await attached.stdin.flush();
    await Bun.sleep(1000);
    const ticks = async () => (await engine.ok("logs", "c")).split("tick").length;
    const before = await ticks();
    await until("it goes on", async () => (await ticks()) > before + 5);
    attached.kill("SIGKILL");
    await attached.exited;
    await engine.ok("rm", "-f", "c");
  });

  test("keys of one's own, from exec too, whose process goes on; start -ai", async () => {
    using terminal = new Terminal(engine.env);
    await engine.ok("run", "-dit", "--name", "c", ...N, "bb", "sh");
    terminal.type(`${BERTH} exec -it --detach-keys a,ctrl-b c sh -c 'sleep 1; echo still-$((4+4)) > /there; sleep 1000'; echo code $?`);
    await until("it runs", async () => (await engine.ok("top", "c")).includes("still-"));
    terminal.key("a");
    terminal.key("C-b");
    await terminal.shows(/read escape sequence\s+code 1/);
    await until("it goes on", async () => (await engine.run("exec", "c", "cat", "/there")).stdout === "still-8\n");
    await engine.ok("stop", "-t", "0", "c");
    terminal.type(`${BERTH} start -ai --detach-keys x c; echo started $?`);
    await terminal.shows(/\/ #/);
    terminal.type("echo again-$((1+2))");
    await terminal.shows(/again-3/);
    terminal.key("x");
    await terminal.shows(/started 1/);
    // What begins like the keys and is not is for the container.
    terminal.type(`${BERTH} attach --detach-keys q,q,w c; echo left $?`);
    await until("it is there", () => {
      terminal.type("echo qqa$((3+3))");
      return /qqa6/.test(terminal.screen());
    });
    for (const key of ["q", "q", "w"]) terminal.key(key);
    await terminal.shows(/left 1/);
  });
});

test("through pipes: input, output, exit code; several see the same; --no-stdin", async () => {
  await engine.ok("run", "-di", "--name", "c", ...N, "bb", "sh", "-c", "while read line; do echo got $line; [ $line = end ] && exit 5; done");
  const reader = attachPipe("--no-stdin", "c");
  await Bun.sleep(1000);
  const writer = attachPipe("c");
  writer.stdin.write("a\nend\n");
  await writer.stdin.end();
  expect(await Promise.all([writer.exited, reader.exited])).toEqual([5, 5]);
  expect(await new Response(writer.stdout).text()).toBe("got a\ngot end\n");
  expect(await new Response(reader.stdout).text()).toBe("got a\ngot end\n");
});

test("signals are passed on, but for --sig-proxy=false", async () => {
  await engine.ok("run", "-d", "--name", "c", ...N, "bb", "sh", "-c", "trap 'echo term; exit 3' TERM; while :; do sleep 0.05; done");
  const deaf = attachPipe("--sig-proxy=false", "c");
  const reader = attachPipe("c");
  await Bun.sleep(1000);
  deaf.kill("SIGTERM");
  await deaf.exited;
  expect(await engine.inspect("c", "{{.State.Running}}")).toBe("true");
  reader.kill("SIGTERM");
  expect(await reader.exited).toBe(3);
});

test("one that does not read holds up neither the container nor the log, and is told what it missed", async () => {
  await engine.ok(
    "run",
    "-d",
    "--name",
    "c",
    ...N,
    "bb",
    "sh",
    "-c",
    "while [ ! -e /go ]; do sleep 0.05; done; yes 0123456789 | head -n 2000000; sleep 0.5; echo last; sleep 1000",
  );
  const reader = attachPipe("c");
  const output = new Response(reader.stdout).text();
  await Bun.sleep(1000);
  reader.kill("SIGSTOP");
  await engine.ok("exec", "c", "touch", "/go");
  await until("all is in the log", async () => (await engine.ok("logs", "--tail", "1", "c")) === "last", 30);
  reader.kill("SIGCONT");
  await until("it has read", async () => (await engine.ok("exec", "c", "true")) === "");
  await Bun.sleep(500);
  await engine.ok("kill", "c");
  expect(await reader.exited).toBe(137);
  const lost = [...(await new Response(reader.stderr).text()).matchAll(/(\d+) bytes of output were not shown/g)].reduce(
    (sum, [, n]) => sum + Number(n),
    0,
  );
  expect(lost + (await output).length).toBe(2_000_000 * 11 + "last\n".length);
  expect(lost).toBeGreaterThan(1_000_000);
});

test("what cannot be attached to", async () => {
  expect(await engine.fails(1, "attach", "nothing")).toContain("No such container: nothing");
  await engine.ok("create", "--name", "made", ...N, "bb", "true");
  expect(await engine.fails(1, "attach", "made")).toContain("You cannot attach to a stopped container, start it first");
  await engine.ok("run", "-d", "--name", "still", ...N, "bb", "sleep", "1000");
  await engine.ok("pause", "still");
  expect(await engine.fails(1, "attach", "still")).toContain("paused container, unpause it first");
  expect(await engine.fails(125, "attach", "--detach-keys", "ctrl-ö", "still")).toContain('"ctrl-ö" for "--detach-keys"');
  await engine.ok("run", "-dit", "--name", "tty", ...N, "bb", "sh");
  expect(await engine.fails(1, "attach", "tty")).toContain("the input device is not a TTY");
});

describe("a monitor that was killed", () => {
  const killMonitor = async (name: string) => process.kill(await engine.monitorOf(name), "SIGKILL");

  test("another one takes over: output, exit code, attach, names of the end", async () => {
    const script = "n=0; while [ ! -e /end ]; do n=$((n+1)); echo line $n; sleep 0.02; done; echo lines $n; exit 7";
    await engine.ok("run", "-d", "--name", "c", ...N, "bb", "sh", "-c", script);
    await Bun.sleep(200);
    await killMonitor("c");
    await Bun.sleep(300);
    expect(await engine.ok("ps", "--format", "{{.Names}} {{.State}}")).toBe("c running");
    expect(Date.parse(await engine.inspect("c", "{{.State.TakenOverAt}}"))).toBeGreaterThan(Date.now() - 10_000);
    const reader = attachPipe("c");
    await Bun.sleep(200);
    await engine.endsOnceThereIs("/end", "c", 7);
    expect(await reader.exited).toBe(7);
    expect(await new Response(reader.stdout).text()).toMatch(/lines \d+\n$/);
    const lines = (await engine.ok("logs", "c")).split("\n");
    const count = Number(lines.pop()?.split(" ")[1]);
    expect(lines).toEqual(Array.from({ length: count }, (_, i) => `line ${i + 1}`));
    await engine.ok("start", "c");
    expect(await engine.ok("wait", "c")).toBe("7");
    expect(await engine.inspect("c", "{{.State.TakenOverAt}}")).toBe("0001-01-01T00:00:00Z");
  });

  test("its output waits in the pipe, and it is not killed by SIGPIPE", async () => {
    await engine.ok("run", "-d", "--name", "c", ...N, "bb", "sh", "-c", "sleep 0.5; yes | head -n 200000; echo done; exit 4");
    await killMonitor("c");
    await Bun.sleep(1000);
    expect(await engine.ok("wait", "c")).toBe("4");
    expect(await engine.ok("logs", "--tail", "1", "c")).toBe("done");
    expect((await engine.ok("logs", "c")).length).toBe(400_004);
  });

  test("its policy, its health and --rm go on", async () => {
    await engine.ok("run", "-d", "--name", "again", ...N, "--restart", "always", "bb", "sleep", "1000");
    await engine.ok("run", "-d", "--name", "once", "--rm", ...N, "bb", "sleep", "1000");
    await engine.ok("run", "-d", "--name", "ill", ...N, "--health-cmd", "test -e /ok", "--health-interval", "100ms", "bb", "sleep", "1000");
    for (const name of ["again", "once", "ill"]) await killMonitor(name);
    await engine.ok("ps");
    const pids = await Promise.all(["again", "once"].map((name) => engine.inspect(name, "{{.State.Pid}}")));
    for (const pid of pids) process.kill(Number(pid), "SIGKILL");
    await until("it runs again", async () => (await engine.inspect("again", "{{.State.Status}} {{.RestartCount}}")) === "running 1");
    await until("it is gone", async () => (await engine.run("inspect", "once")).exitCode === 1);
    await engine.ok("exec", "ill", "touch", "/ok");
    await until("it is healthy", async () => (await engine.inspect("ill", "{{.State.Health.Status}}")) === "healthy");
    expect(engine.processes()).toHaveLength(2);
  });
});
