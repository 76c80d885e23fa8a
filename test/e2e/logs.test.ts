/** Logs: what is kept of them, where, and how it is read. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { $ } from "zx";
import { jsonRecords } from "../../src/monitor/log/records.ts";
import { Datagrams } from "../fixtures/datagrams.ts";
import { BERTH, TestEngine, until } from "./engine.ts";

let engine: TestEngine;
const N = ["--network", "none"];

beforeAll(async () => {
  engine = await TestEngine.make();
});
afterAll(() => engine[Symbol.asyncDispose]());
afterEach(() => engine.removeContainers());

async function run(flags: string[], ...command: string[]): Promise<void> {
  await engine.ok("run", "-d", "--name", "c", ...N, ...flags, "bb", ...command);
  await engine.ok("wait", "c");
}
const opts = (...options: string[]) => options.flatMap((option) => ["--log-opt", option]);
const lines = async (...args: string[]) => (await engine.ok("logs", ...args, "c")).split("\n");
const files = async () =>
  readdirSync(dirname(await engine.inspect("c", "{{.LogPath}}")))
    .filter((name) => /\.log/.test(name))
    .map((name) => name.replace(/^[0-9a-f]{64}-json/, "c"))
    .sort();
const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => String(from + i));

describe("put aside when they are full", () => {
  test("so many files of such a size, read as one", async () => {
    await run(opts("max-size=2k", "max-file=3"), "seq", "1000");
    expect(await files()).toEqual(["c.log", "c.log.1", "c.log.2"]);
    const all = await lines();
    expect(all).toEqual(numbers(1000 - all.length + 1, 1000));
    expect(all.length).toBeGreaterThan(50);
    expect(await lines("--tail", "40")).toEqual(numbers(961, 1000));
    expect(await lines("--tail", "0")).toEqual([""]);
    expect(await lines("--tail", "100000")).toEqual(all);
  });

  test("one file only", async () => {
    await run(opts("max-size=1k"), "seq", "1000");
    expect(await files()).toEqual(["c.log"]);
    expect((await lines()).at(-1)).toBe("1000");
  });

  test("compressed, and read as before, by others too", async () => {
    await run(opts("max-size=20k", "max-file=4", "compress=true"), "seq", "5000");
    expect(await files()).toEqual(["c.log", "c.log.1.gz", "c.log.2.gz", "c.log.3.gz"]);
    const all = await lines();
    expect(all).toEqual(numbers(5000 - all.length + 1, 5000));
    expect(await lines("-n", "700")).toEqual(numbers(4301, 5000));
    const path = await engine.inspect("c", "{{.LogPath}}");
    const { stdout } = await $`gzip -dc ${path}.1.gz`.quiet();
    for (const line of stdout.trim().split("\n")) expect(JSON.parse(line)).toMatchObject({ stream: "stdout" });
    // A file system gives the number of a file that is gone to the next one: it does not tell them apart.
    const bytes = readFileSync(`${path}.2.gz`);
    bytes.writeBigUInt64LE(statSync(path, { bigint: true }).ino, 16);
    writeFileSync(`${path}.2.gz`, bytes);
    expect(await lines()).toEqual(all);
    expect(await lines("-f")).toEqual(all);
  });

  test.each([["compress=true"], ["compress=false"]])(
    "while somebody follows: in order, nothing twice, nothing lost that was there (%s)",
    async (compress) => {
      const count = process.env.BERTH_STRESS ? 2_000_000 : 100_000;
      // 100 bytes a line.
      await engine.ok(
        "run",
        "-d",
        "--name",
        "c",
        ...N,
        ...opts("max-size=1m", "max-file=5", compress as string),
        "bb",
        "awk",
        `BEGIN { while (system("test -e /go")) system("sleep 0.02"); for (i = 1; i <= ${count}; i++) printf "%099d\\n", i; system("sleep 0.3") }`,
      );
      const follower = Bun.spawn([BERTH, "logs", "-f", "c"], { env: engine.env, stdout: "pipe" });
      await Bun.sleep(200);
      await engine.ok("exec", "c", "touch", "/go");
      const seen = (await new Response(follower.stdout).text()).trimEnd().split("\n").map(Number);
      for (let i = 1; i < seen.length; i++) if (!((seen[i] as number) > (seen[i - 1] as number))) throw new Error(`${seen[i]} after ${seen[i - 1]}`);
      expect([seen[0], seen.at(-1)]).toEqual([1, count]);
      // What is still there was seen.
      const left = (await lines()).map(Number);
      expect(seen.slice(-left.length)).toEqual(left);
      // The files hold five megabytes: whoever reads as fast as they are written misses nothing.
      expect(seen.length).toBeGreaterThan(left.length);
    },
    120_000,
  );
});

describe("drivers", () => {
  test.each([["k8s-file"], ["local"]])("%s: the same is read from another format", async (driver) => {
    await run(["--log-driver", driver as string], "sh", "-c", "echo out; echo err >&2; printf 'no end'");
    expect(await engine.run("logs", "c")).toEqual({ stdout: "out\nno end", stderr: "err\n", exitCode: 0 });
    expect(readFileSync(await engine.inspect("c", "{{.LogPath}}"), "utf8")).toMatch(/^\S+Z stdout F out\n/);
    expect(await engine.inspect("c", "{{.HostConfig.LogConfig.Type}}")).toBe(driver as string);
  });

  test("none: nothing is kept, and that is said", async () => {
    await run(["--log-driver", "none"], "echo", "x");
    expect(await engine.fails(1, "logs", "c")).toContain("configured logging driver does not support reading");
    expect(await engine.ok("run", "--rm", ...N, "--log-driver", "none", "bb", "echo", "seen")).toBe("seen");
  });

  test("syslog: a datagram a line, and a copy that can be read", async () => {
    const path = join(engine.root, "syslog.sock");
    using socket = new Datagrams(path);
    await run(
      ["--log-driver", "syslog", ...opts(`syslog-address=unixgram://${path}`, "tag=t/{{.Name}}", "syslog-facility=local3")],
      "sh",
      "-c",
      "echo out; echo err >&2",
    );
    const got = [socket.next().toString(), socket.next().toString()].sort();
    expect(got[0]).toMatch(/^<155>\w{3} [ \d]\d \d\d:\d\d:\d\d t\/c\[\d+\]: err$/);
    expect(got[1]).toMatch(/^<158>.* t\/c\[\d+\]: out$/);
    expect(await engine.run("logs", "c")).toMatchObject({ stdout: "out\n", stderr: "err\n" });
    await engine.ok("rm", "c");
    await run(["--log-driver", "syslog", ...opts(`syslog-address=unixgram://${path}`, "syslog-format=rfc5424", "cache-disabled=true")], "echo", "x");
    expect(socket.next().toString()).toMatch(/^<30>1 \S+Z \S+ [0-9a-f]{12} \d+ [0-9a-f]{12} - x$/);
    expect(await engine.fails(1, "logs", "c")).toContain("does not support reading");
  });

  test("syslog over the network: an address, a name, and a name that nobody has", async () => {
    const lines: string[] = [];
    const server = await Bun.udpSocket({ hostname: "::", socket: { data: (_, data) => void lines.push(data.toString()) } });
    try {
      for (const host of ["127.0.0.1", "localhost"]) {
        await run(["--log-driver", "syslog", ...opts(`syslog-address=udp://${host}:${server.port}`, "tag=t")], "echo", host);
        await until("it is there", () => lines.at(-1)?.endsWith(`: ${host}`) === true);
        await engine.ok("rm", "c");
      }
    } finally {
      server.close();
    }
    const refused = ["run", "--name", "c", ...N, "--log-driver", "syslog", ...opts("syslog-address=udp://nobody.invalid:514"), "bb", "true"];
    expect(await engine.fails(125, ...refused)).toContain("failed to initialize logging driver: lookup nobody.invalid: no such host");
    await engine.ok("rm", "c");
  });

  test("journald: an entry a line, with the container's fields", async () => {
    // A /run of its own, into which the test reaches.
    const holder = Bun.spawn(["unshare", "-m", "sh", "-c", "mount -t tmpfs t /run && mkdir -p /run/systemd/journal && echo ready && exec cat"], {
      stdin: "pipe",
      stdout: "pipe",
    });
    await holder.stdout.getReader().read();
    try {
      using socket = new Datagrams(`/proc/${holder.pid}/root/run/systemd/journal/socket`);
      const command = [
        BERTH,
        "run",
        "--name",
        "c",
        ...N,
        "--log-driver",
        "journald",
        "--label",
        "my.label=1",
        "--log-opt",
        "labels=my.label",
        "bb",
        "echo",
        "hello",
      ];
      await $({ env: engine.env })`nsenter -t ${holder.pid} -m ${command}`.quiet();
      const entry = socket.next().toString("latin1");
      for (const [name, value] of [
        ["MESSAGE", "hello"],
        ["PRIORITY", "6"],
        ["CONTAINER_NAME", "c"],
        ["MY_LABEL", "1"],
        ["IMAGE_NAME", "bb"],
      ] as const)
        expect(entry).toContain(`${name}\n${String.fromCharCode(value.length)}\0\0\0\0\0\0\0${value}\n`);
    } finally {
      holder.kill("SIGKILL");
    }
    if (!existsSync("/run/systemd/journal/socket"))
      expect(await engine.fails(125, "run", "--rm", ...N, "--log-driver", "journald", "bb", "true")).toContain("journald is not enabled");
  });

  test("json-file: labels, variables and a tag in each line, shown with --details", async () => {
    await run(["--label", "a=b", "--label", "other=x", "-e", "X=y z", ...opts("labels=a", "env=X", "tag={{.Name}}/{{.ImageName}}")], "echo", "hi");
    expect(await lines("--details")).toEqual(["X=y%20z,a=b,tag=c%2Fbb hi"]);
    expect(JSON.parse(readFileSync(await engine.inspect("c", "{{.LogPath}}"), "utf8"))).toMatchObject({
      log: "hi\n",
      attrs: { X: "y z", a: "b", tag: "c/bb" },
    });
  });

  test("non-blocking: complete where the buffer is large enough", async () => {
    await run(opts("mode=non-blocking", "max-buffer-size=64m", "max-size=1m", "max-file=50"), "seq", "300000");
    expect(await lines()).toEqual(numbers(1, 300_000));
  });
});

test("a follower sees the lines of a container that was only made, and over a restart of it", async () => {
  await engine.ok("create", "--name", "c", ...N, "bb", "sh", "-c", "while [ ! -e /next ]; do sleep 0.01; done; echo now; sleep 1000");
  const follower = Bun.spawn([BERTH, "logs", "-f", "-t", "c"], { env: engine.env, stdout: "pipe" });
  await Bun.sleep(100);
  await engine.ok("start", "c");
  await engine.ok("exec", "c", "touch", "/next");
  const { value } = await follower.stdout.getReader().read();
  expect(Buffer.from(value as Uint8Array).toString()).toMatch(/^[-:.\dTZ]+ now\n$/);
  await engine.ok("kill", "c");
  expect(await follower.exited).toBe(0);
});

test("--rm: the follower has read all when it is gone", async () => {
  await engine.ok("run", "-d", "--rm", "--name", "c", ...N, "bb", "sh", "-c", "sleep 2; seq 20000");
  expect(await lines("-f")).toEqual(numbers(1, 20_000));
  // Of containers alone: "c" may be the beginning of a network's id.
  const isGone = async () => (await engine.run("container", "inspect", "c")).exitCode === 1;
  await until("it is gone", isGone);
});

describe("much of it, as fast as it can be written", () => {
  const digest = (text: string | Buffer) => Bun.hash(text).toString(16);
  const last = 1_500_000;
  const expected = () => `${numbers(1, last).join("\n")}\n`;
  // At once, and in bursts.
  const burst = `i=0; while [ $i -lt 50 ]; do seq $((i * ${last / 50} + 1)) $(((i + 1) * ${last / 50})); usleep 3000; i=$((i + 1)); done`;

  test.each([`seq ${last}`, burst])("is whole and in order, for all who read it: %s", async (command) => {
    const berth = (...args: string[]) => $({ env: { ...process.env, BERTH_ROOT: engine.root }, quiet: true })`${BERTH} ${args}`;
    const attached = await berth("run", "--name", "c", ...N, "bb", "sh", "-c", `${command}; sleep 1000 & exit 3`).nothrow();
    expect(attached.exitCode).toBe(3);
    const wanted = digest(expected());
    expect(digest(attached.stdout)).toBe(wanted);
    expect(digest((await berth("logs", "c")).stdout)).toBe(wanted);
    expect(digest((await berth("run", "--rm", "-t", ...N, "bb", "sh", "-c", command)).stdout.replaceAll("\r\n", "\n"))).toBe(wanted);
    await engine.ok("run", "-d", "--name", "d", ...N, "bb", "sleep", "1000");
    expect(digest((await berth("exec", "d", "sh", "-c", command)).stdout)).toBe(wanted);
  });

  test("waits for a reader who is slow, and for nobody else", async () => {
    const slow = $({ env: { ...process.env, BERTH_ROOT: engine.root }, quiet: true });
    const { stdout } = await slow`${BERTH} run --name c ${N} bb seq ${last} | { sleep 1; md5sum; }`;
    expect((await slow`${BERTH} logs c | md5sum`).stdout).toBe(stdout);
  });

  test("is kept as JSON has it, whatever it is", async () => {
    const parts = [
      "x",
      "plain text, ",
      '"',
      "\\",
      "\t",
      "\u0001\u001f\u007f",
      "é",
      "漢字",
      "😀",
      "\u2028",
      "\n",
      "\n",
      "\r\n",
      "y".repeat(15),
      "z".repeat(16),
    ];
    const wrong = [[0x80], [0xff, 0xfe], [0xc3], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe0, 0x80, 0x80], [0xc0, 0xaf], [0]].map((b) =>
      Buffer.from(b),
    );
    const pick = <T>(from: readonly T[]) => from[Math.floor(Math.random() * from.length)] as T;
    const pieces: Buffer[] = [];
    for (let i = 0; i < 60_000; i++) {
      const chance = Math.random();
      if (chance < 0.002) pieces.push(pick(wrong));
      else if (chance < 0.003) pieces.push(Buffer.from(pick(["a", "é", '"']).repeat(16_000 + Math.floor(Math.random() * 800))));
      else pieces.push(Buffer.from(pick(parts)));
    }
    const output = Buffer.concat([...pieces, Buffer.from("w".repeat(16_382)), Buffer.from(`\n${"v".repeat(16_383)}\n${"u".repeat(16_384)}\n`)]);
    writeFileSync(join(engine.root, "output"), output);
    await run(["-v", `${engine.root}:/in:ro`], "cat", "/in/output");
    const records = readFileSync(await engine.inspect("c", "{{.LogPath}}"), "utf8")
      .trimEnd()
      .split("\n");
    const logs = records.map((record) => (JSON.parse(record) as { log: string }).log);
    // Between characters, where a line is cut; so all of it is the same as when it is taken at once.
    const whole = String(jsonRecords()("stdout", output, "T"))
      .trimEnd()
      .split("\n");
    expect(digest(logs.join(""))).toBe(digest(whole.map((record) => (JSON.parse(record) as { log: string }).log).join("")));
    const fields = (record: string) => record.slice(0, record.indexOf('","stream":"stdout"'));
    const isShort = (record: string) => record.length < 16_384;
    expect(digest(records.map(fields).filter(isShort).join("\n"))).toBe(digest(whole.map(fields).filter(isShort).join("\n")));
  });
});

test.each([
  [["max-size=0"], "max-size must be a positive number"],
  [["max-size=-1"], "invalid size: '-1'"],
  [["max-size=abc"], "invalid size: 'abc'"],
  [["max-size=1k", "max-file=0"], "max-file cannot be less than 1"],
  [["compress=true"], "compress cannot be true when max-file is less than 2 or max-size is not set"],
  [["foo=1"], "unknown log opt 'foo' for json-file log driver"],
  [["mode=foo"], "logger: logging mode not supported: foo"],
  [["max-buffer-size=1m"], "max-buffer-size option is only supported with 'mode=non-blocking'"],
  [["tag={{.Nope}}"], "{{.Nope}}"],
])("%j is refused", async (options, message) => {
  expect(await engine.fails(125, "run", "-d", ...N, ...opts(...options), "bb", "true")).toContain(message);
  expect(await engine.ok("ps", "-aq")).toBe("");
});

test.each([
  [["--log-driver", "nope"], 'plugin "nope" not found'],
  [["--log-driver", "none", "--log-opt", "max-size=1m"], "invalid logging opts for driver none"],
  [["--log-driver", "syslog", "--log-opt", "syslog-facility=x"], "invalid syslog facility"],
  [["--log-driver", "syslog", "--log-opt", "syslog-address=x"], "syslog-address should be in form proto://address, got x"],
])("%j is refused", async (flags, message) => {
  expect(await engine.fails(125, "run", "-d", ...N, ...flags, "bb", "true")).toContain(message);
});
