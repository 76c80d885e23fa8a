/** Monitors that rest: small, and there again when their container writes or ends, or a command wants something. */
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { Datagrams } from "../fixtures/datagrams.ts";
import { BERTH, TestEngine, until } from "./engine.ts";
import { Terminal } from "./terminal.ts";

let engine: TestEngine;
const N = ["--network", "none"];

beforeAll(async () => {
  engine = await TestEngine.make();
});
afterAll(() => engine[Symbol.asyncDispose]());
afterEach(() => engine.removeContainers());

const start = (name: string, flags: string[], ...command: string[]) => engine.ok("run", "-d", "--name", name, ...flags, "bb", ...command);
const isResting = (monitor: number) => readFileSync(`/proc/${monitor}/cmdline`, "utf8") === "berth-monitor\0monitor\0resting\0";
async function rested(name: string): Promise<number> {
  const monitor = await engine.monitorOf(name);
  await until(`the monitor of ${name} rests`, () => isResting(monitor));
  return monitor;
}
/** KiB that it wrote: its executable is the page cache's, two megabytes at once where that has huge pages. */
const memoryOf = (monitor: number) => Number(/^Private_Dirty: +(\d+)/m.exec(readFileSync(`/proc/${monitor}/smaps_rollup`, "utf8"))?.[1]);

test.each(["none", "bridge", "host"])("one that rests has next to no memory and does nothing, network %s", async (network) => {
  await start("quiet", ["--network", network], "sleep", "1000");
  const monitor = await rested("quiet");
  expect(readFileSync(`/proc/${monitor}/comm`, "utf8")).toBe("berth-monitor\n");
  expect(readdirSync(`/proc/${monitor}/task`)).toHaveLength(1);
  expect(memoryOf(monitor)).toBeLessThan(256);
  const switches = () => readFileSync(`/proc/${monitor}/status`, "utf8").match(/ctxt_switches:\t\d+/g);
  const before = switches();
  await Bun.sleep(1000);
  expect(switches()).toEqual(before);
  // Its own, and of the store both files whose locks say that it is in use.
  const open = readdirSync(`/proc/${monitor}/fd`).map((fd) => readlinkSync(`/proc/${monitor}/fd/${fd}`).replace(/.*\//, ""));
  expect(open.filter((name) => /^(berth.db|std)/.test(name)).sort()).toEqual(["berth.db", "berth.db-shm", "stderr", "stdout"]);
  expect(open.length).toBeLessThan(14);
});

test("one whose container closed its output is not woken by that", async () => {
  await start("silent", N, "sh", "-c", "echo all; exec > /dev/null 2>&1; sleep 1000");
  const monitor = await rested("silent");
  await Bun.sleep(1500);
  expect(isResting(monitor)).toBe(true);
  expect(await engine.ok("logs", "silent")).toBe("all");
});

test("what its container writes is in the log, all of it and once; then it rests again", async () => {
  await start("writes", N, "sh", "-c", "echo first; sleep 3; seq 1 200000; echo last >&2; sleep 1000");
  const monitor = await rested("writes");
  const expected = `first\n${Array.from({ length: 200_000 }, (_, i) => i + 1).join("\n")}`;
  await until("all of it", async () => (await engine.run("logs", "writes")).stderr === "last\n");
  expect(await engine.ok("logs", "writes")).toBe(expected);
  expect(await rested("writes")).toBe(monitor);
});

test("a line that is not ended has its rest after the monitor's", async () => {
  await start("asks", N, "sh", "-c", "printf 'name: '; printf 'häl' >&2; sleep 3.5; printf no; sleep 3; echo body; echo f >&2; sleep 1000");
  await rested("asks");
  expect(await engine.run("logs", "asks")).toEqual({ stdout: "", stderr: "", exitCode: 0 });
  await until("it goes on", async () => !isResting(await engine.monitorOf("asks")));
  await rested("asks");
  await until("the line", async () => (await engine.ok("logs", "asks")) === "name: nobody");
  expect((await engine.run("logs", "asks")).stderr).toBe("hälf\n");
});

test("an end: its code, what was written last, --rm, and restarts", async () => {
  const waited = [start("seven", N, "sh", "-c", "sleep 2.5; echo bye; exit 7"), start("gone", [...N, "--rm"], "sleep", "2.5")];
  await start("again", [...N, "--restart", "on-failure:1"], "sh", "-c", "echo life; sleep 2.5; exit 3");
  await Promise.all(waited);
  await rested("seven");
  expect(await engine.ok("wait", "seven")).toBe("7");
  expect(await engine.ok("logs", "seven")).toBe("bye");
  await until("it is removed", async () => (await engine.run("inspect", "gone")).exitCode !== 0);
  await until("its second life", async () => (await engine.inspect("again", "{{.RestartCount}} {{.State.Status}}")) === "1 running");
  await rested("again");
  await until("its end", async () => (await engine.inspect("again", "{{.State.Status}} {{.State.ExitCode}}")) === "exited 3");
  expect(await engine.ok("logs", "again")).toBe("life\nlife");
});

test("commands find it: exec, stop, kill, rm, pause, rename, a network more", async () => {
  const trap = ["sh", "-c", "trap 'exit 9' TERM; sleep 1000 & wait"];
  await Promise.all(["one", "two", "three"].map((name) => start(name, [], ...trap)));
  for (const name of ["one", "two", "three"]) await rested(name);
  expect(await engine.ok("exec", "one", "echo", "hi")).toBe("hi");
  await engine.ok("rename", "one", "uno");
  await engine.ok("network", "create", "more");
  await engine.ok("network", "connect", "more", "uno");
  const address = await engine.inspect("uno", "{{.NetworkSettings.Networks.more.IPAddress}}");
  expect(await engine.ok("exec", "uno", "cat", "/etc/hosts")).toContain(address);
  expect(await engine.ok("exec", "uno", "nslookup", "uno")).toContain(address);
  await engine.ok("pause", "two");
  await engine.ok("unpause", "two");
  await engine.ok("stop", "uno", "two");
  for (const name of ["uno", "two"]) expect(await engine.inspect(name, "{{.State.Status}} {{.State.ExitCode}}")).toBe("exited 9");
  await engine.ok("rm", "-f", "three", "uno");
  await engine.ok("network", "rm", "more");
});

test("who attaches sees what comes, also in the moment in which it goes to rest", async () => {
  const names = Array.from({ length: 12 }, (_, i) => `c${i}`);
  const begun = performance.now();
  const seen = names.map(async (name, i) => {
    await start(name, N, "sh", "-c", "sleep 4; echo hello; exit 5");
    const started = performance.now();
    await Bun.sleep(Math.max(0, 1950 + i * 12 - (performance.now() - started)));
    const { stdout, exitCode } = await engine.run("attach", "--no-stdin", name);
    return [stdout, exitCode];
  });
  expect(await Promise.all(seen)).toEqual(names.map(() => ["hello\n", 5]));
  expect(performance.now() - begun).toBeLessThan(20_000);
});

test("signals to its group are not for it", async () => {
  await start("session", N, "sleep", "1000");
  const monitor = await rested("session");
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGURG", "SIGTERM"] as const) process.kill(monitor, signal);
  await until("it is awake", () => !isResting(monitor));
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGURG"] as const) process.kill(monitor, signal);
  expect(await rested("session")).toBe(monitor);
  expect(await engine.inspect("session", "{{.State.Status}}")).toBe("running");
});

test("killed, it has a successor, which rests, too", async () => {
  await start("orphan", ["--rm", ...N], "sh", "-c", "sleep 3; echo later; sleep 4; exit 5");
  const monitor = await rested("orphan");
  process.kill(monitor, "SIGKILL");
  const takenOver = async () => (await engine.inspect("orphan", "{{.State.TakenOverAt}}")) !== "0001-01-01T00:00:00Z";
  await until("another one", async () => {
    await engine.ok("ps");
    return takenOver();
  });
  await until("the log", async () => (await engine.ok("logs", "orphan")) === "later");
  const successors = () => engine.processes().filter((pid) => readFileSync(`/proc/${pid}/cmdline`, "utf8").startsWith("berth-monitor\0"));
  expect(successors()).toHaveLength(1);
  const [successor = 0] = successors();
  await until("it rests", () => isResting(successor));
  expect(memoryOf(successor)).toBeLessThan(256);
  expect(["5", "255"]).toContain(await engine.ok("wait", "orphan")); // as far as the kernel tells it
  await until("it is removed", async () => (await engine.run("inspect", "orphan")).exitCode !== 0);
});

test("a log that is rotated goes on where it was", async () => {
  await start("rotates", [...N, "--log-opt", "max-size=20k", "--log-opt", "max-file=3"], "sh", "-c", "seq 1 300; sleep 3; seq 301 900; sleep 1000");
  await rested("rotates");
  await until("all of it", async () => (await engine.ok("logs", "--tail", "1", "rotates")) === "900");
  const numbers = (await engine.ok("logs", "rotates")).split("\n").map(Number);
  expect(numbers).toEqual(Array.from({ length: numbers.length }, (_, i) => 900 - numbers.length + 1 + i));
});

test("published ports are kept by one that rests, and who comes where it passes on itself is served", async () => {
  await start("web", ["-p", "18491:80", "-p", "18491:80/udp"], "sh", "-c", "echo hello > /index.html; exec httpd -f -h /");
  const monitor = await rested("web");
  const page = (host: string) => fetch(`http://${host}:18491/index.html`).then((response) => response.text());
  expect(memoryOf(monitor)).toBeLessThan(256);
  // The kernel leads there.
  expect(await page("127.0.0.1")).toBe("hello\n");
  expect(isResting(monitor)).toBe(true);
  for (const hostname of ["0.0.0.0", "::"]) {
    expect(() => Bun.listen({ hostname, port: 18_491, socket: { data() {} } })).toThrow("Failed to listen");
    expect(() => void Bun.udpSocket({ hostname, port: 18_491 })).toThrow("EADDRINUSE");
  }
  // Here it does not: all at once, and a second time, after the next rest.
  for (let round = 0; round < 2; round++) {
    await rested("web");
    expect(await Promise.all(Array.from({ length: 20 }, () => page("[::1]")))).toEqual(Array.from({ length: 20 }, () => "hello\n"));
    expect(isResting(monitor)).toBe(false);
  }
  await engine.ok("stop", "-t", "0", "web");
  for (const hostname of ["0.0.0.0", "::"]) Bun.listen({ hostname, port: 18_491, socket: { data() {} } }).stop(true);
});

test("datagrams reach a container whose monitor passes them on after a rest, and answers come back", async () => {
  await start("echo", ["-p", "18492:53/udp"], "sleep", "1000");
  const pid = await engine.inspect("echo", "{{.State.Pid}}");
  const program = "Bun.udpSocket({ port: 53, hostname: '0.0.0.0', socket: { data: (s, data, port, address) => s.send(data, port, address) } })";
  await using server = Bun.spawn(["nsenter", "-t", pid, "-n", process.execPath, "-e", program]);
  await rested("echo");
  const replies: string[] = [];
  const socket = await Bun.udpSocket({
    hostname: "::",
    connect: { hostname: "::1", port: 18_492 },
    socket: { data: (_, data) => void replies.push(data.toString()) },
  });
  // What comes first is there when it is up.
  for (const text of ["one", "two", "three"]) socket.send(Buffer.from(text));
  await until("all answers", () => replies.length === 3);
  expect(replies.sort()).toEqual(["one", "three", "two"]);
  socket.close();
  server.kill("SIGKILL");
});

test("names of a network of one's own are told by one that rests, also new ones; and networks come and go", async () => {
  for (const name of ["named", "other"]) await engine.ok("network", "create", name);
  await start("asks", ["--network", "named"], "sleep", "1000");
  await start("first", ["--network", "named"], "sleep", "1000");
  const monitor = await rested("asks");
  expect(memoryOf(monitor)).toBeLessThan(256);
  const answer = async (name: string) => (await engine.run("exec", "asks", "nslookup", "-type=a", name, "127.0.0.11")).stdout;
  const addressOf = async (name: string, network: string) => engine.inspect(name, `{{.NetworkSettings.Networks.${network}.IPAddress}}`);
  expect(await answer("first")).toContain(await addressOf("first", "named"));
  await rested("asks");
  await start("second", ["--network", "other"], "sleep", "1000");
  expect(await answer("second")).toContain("can't find second");
  await rested("asks");
  await engine.ok("network", "connect", "other", "asks");
  expect(await answer("second")).toContain(await addressOf("second", "other"));
  await engine.ok("network", "disconnect", "other", "asks");
  expect(await answer("second")).toContain("can't find second");
  await engine.removeContainers();
  await engine.ok("network", "rm", "named", "other");
});

test("one that rests is up for its container's probes, and knows of those before", async () => {
  const check = ["--health-interval", "6s", "--health-retries", "2", "--health-cmd"];
  const failing = 'echo "probe $(wc -l < /count)"; echo >> /count; false';
  await start("checked", [...check, failing], "sh", "-c", "touch /count; exec sleep 1000");
  const health = async () =>
    (await engine.inspect("checked", "{{.State.Health.Status}} {{.State.Health.FailingStreak}} {{len .State.Health.Log}}")).trim();
  await rested("checked");
  expect(await health()).toBe("starting 0 0");
  await until("the first probe", async () => (await health()) === "starting 1 1");
  await rested("checked");
  await until("the second one", async () => (await health()) === "unhealthy 2 2");
  const log = JSON.parse(await engine.inspect("checked", "{{json .State.Health.Log}}")) as { Start: string; Output: string }[];
  expect(log.map(({ Output }) => Output)).toEqual(["probe 0\n", "probe 1\n"]);
  const [first = 0, second = 0] = log.map(({ Start }) => Date.parse(Start));
  expect(second - first).toBeGreaterThan(5900);
});

test("a terminal, and the prompt in it: who attaches after a rest types there; its size stays", async () => {
  using terminal = new Terminal(engine.env);
  await start("shell", ["-it", ...N], "sh");
  const monitor = await rested("shell");
  expect(memoryOf(monitor)).toBeLessThan(256);
  // What is known of a terminal has to be known after the next rest, too.
  for (const round of [1, 2]) {
    await rested("shell");
    await terminal.prompts();
    terminal.type(`${BERTH} attach shell; echo code-${round} $?`);
    await until("it is up", () => !isResting(monitor));
    await until("a shell answers", () => {
      terminal.type(`echo round-$((${round}+10)); stty size`);
      return new RegExp(`round-${round + 10}\\s+30 100`).test(terminal.screen());
    });
    terminal.key("C-p");
    terminal.key("C-q");
    await terminal.shows(new RegExp(`read escape sequence\\s+code-${round} 1`));
  }
  await rested("shell");
  terminal.type(`${BERTH} attach shell; echo code $?`);
  await until("it is up", () => !isResting(monitor));
  terminal.type("exit 9");
  await terminal.shows(/code 9/);
  const log = (await engine.ok("logs", "shell")).replaceAll("\r", "");
  for (const text of ["round-11\n30 100\n", "round-12\n", "exit 9"]) expect(log).toContain(text);
}, 90_000);

test("an input: what is written to it after a rest, and its end", async () => {
  await start("reads", ["-i", ...N], "sh", "-c", "read a; echo $a; read b; echo $b; exit 7");
  const monitor = await rested("reads");
  expect(memoryOf(monitor)).toBeLessThan(256);
  const writes = async (line: string) => {
    const attached = Bun.spawn([BERTH, "attach", "reads"], { env: engine.env, stdin: "pipe", stdout: "pipe" });
    attached.stdin.write(`${line}\n`);
    await attached.stdin.flush();
    await until("it is read", async () => (await engine.ok("logs", "reads")).split("\n").includes(line));
    attached.kill("SIGKILL");
    await attached.exited;
  };
  await writes("first");
  expect(await rested("reads")).toBe(monitor);
  await writes("second");
  expect(await engine.ok("wait", "reads")).toBe("7");
  // One that ended before.
  await engine.ok("create", "-i", "--name", "ends", ...N, "bb", "sh", "-c", "cat > /got; touch /end; sleep 3; wc -c < /got; sleep 1000");
  const started = Bun.spawn([BERTH, "start", "-a", "-i", "ends"], { env: engine.env, stdin: new Blob(["x".repeat(200_000)]) });
  await until("it ended", async () => (await engine.run("exec", "ends", "test", "-e", "/end")).exitCode === 0);
  started.kill("SIGKILL");
  await rested("ends");
  await until("all of it", async () => (await engine.ok("logs", "ends")) === "200000");
});

test("a service of the system that has the log has it after a rest, too", async () => {
  const path = `${engine.root}/syslog.sock`;
  using socket = new Datagrams(path);
  await start("tells", ["--log-driver", "syslog", "--log-opt", `syslog-address=unixgram://${path}`, ...N], "sh", "-c", "echo one; sleep 3; echo two");
  expect(socket.next().toString()).toEndWith(": one");
  await rested("tells");
  await engine.ok("wait", "tells");
  expect(socket.next().toString()).toEndWith(": two");
});
