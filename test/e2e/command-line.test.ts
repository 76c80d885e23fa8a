/** The command line as a whole: what surrounds the commands. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BERTH, TestEngine } from "./engine.ts";
import { Terminal } from "./terminal.ts";

let engine: TestEngine;
beforeAll(async () => {
  engine = await TestEngine.make();
});
afterAll(() => engine[Symbol.asyncDispose]());
const N = ["--network", "none"];

test("help: of all, of groups, of commands in every spelling", async () => {
  const help = await engine.ok("--help");
  for (const section of ["Common Commands:\n", "Management Commands:\n", "Commands:\n", "Global Options:\n"]) expect(help).toContain(section);
  for (const words of [["-h"], ["help"], []]) expect(await engine.ok(...words)).toBe(help);
  const group = await engine.ok("container", "--help");
  expect(group).toStartWith("Usage:  berth container COMMAND\n");
  expect(group).toMatch(/^ {2}ls +List containers$/m);
  for (const words of [["container"], ["container", "-h"], ["help", "container"]]) expect(await engine.ok(...words)).toBe(group);
  const ps = await engine.ok("ps", "--help");
  expect(ps).toMatch(/^ {2}-a, --all +Show all containers/m);
  expect(ps).not.toContain("default: true");
  for (const words of [
    ["ps", "-h"],
    ["help", "ps"],
    ["ps", "-a", "--help"],
  ])
    expect(await engine.ok(...words)).toBe(ps);
  expect(await engine.ok("container", "ls", "--help")).toStartWith("Usage:  berth container ls [OPTIONS]\n");
  expect(await engine.ok("run", "--help")).not.toContain("--cpu-count");
});

test("what is misspelt: a word on what was meant, docker's exit codes", async () => {
  expect(await engine.fails(1, "contaner", "ls")).toBe("berth: unknown command: berth contaner, did you mean berth container? See 'berth --help'");
  expect(await engine.fails(1, "container", "prun")).toContain("did you mean berth container prune?");
  expect(await engine.fails(125, "container", "--nope")).toContain("unknown flag: --nope");
  expect(await engine.fails(125, "run", "--rm", "--nam", "x", "bb")).toContain("unknown flag: --nam, did you mean --name?");
  expect(await engine.fails(125, "ps", "-Z")).toContain("unknown shorthand flag: 'Z' in -Z");
});

describe("docker's flags without a meaning here", () => {
  test("are refused with a reason, or have a warning; none is taken for an image", async () => {
    for (const [flag, why] of [
      ["--cpu-count", "is only supported on Windows"],
      ["--storage-opt", "pquota"],
    ])
      expect(await engine.fails(125, "run", flag as string, "1", "bb", "true")).toContain(why as string);
    expect(await engine.fails(125, "run", "--use-api-socket", "bb", "true")).toContain("needs a daemon");
    expect(await engine.fails(125, "run", "--isolation", "hyperv", "bb", "true")).toContain("linux only supports 'default'");
    expect(await engine.fails(125, "run", "--runtime", "kata", "bb", "true")).toContain("Unknown runtime specified kata");
    expect(await engine.fails(125, "pull", "--disable-content-trust=false", "bb")).toContain("cannot be switched off");
    const same = ["--isolation", "default", "--runtime", "runc", "--volume-driver", "local", "--disable-content-trust"];
    expect(await engine.run("run", "--rm", ...N, ...same, "bb", "echo", "hi")).toEqual({ stdout: "hi\n", stderr: "", exitCode: 0 });
    expect(await engine.run("run", "--rm", ...N, "--kernel-memory", "50m", "bb", "echo", "hi")).toMatchObject({
      stdout: "hi\n",
      stderr: expect.stringMatching(/^WARNING: Specifying a kernel memory limit is deprecated/),
    });
  });

  test("before the command", async () => {
    expect(await engine.fails(1, "-H", "tcp://remote:2375", "ps")).toContain("berth has no daemon to connect to");
    expect(await engine.ok("-H", "unix:///var/run/docker.sock", "--context", "default", "-D", "-l", "info", "ps", "-q")).toBe("");
    expect(await engine.fails(125, "--tls", "ps")).toContain('"--tls" has no meaning');
  });
});

test("a link named docker is docker", async () => {
  symlinkSync(BERTH, join(engine.root, "docker"));
  const script =
    "docker run --rm --network none -eA=B bb sh -c 'echo $A'; docker version --format '{{.Server.Os}}'; docker ps -a --format '{{.Names}}'";
  const { stdout } = Bun.spawnSync(["sh", "-ec", script], { env: { ...engine.env, PATH: `${engine.root}:${engine.env.PATH}` } });
  expect(stdout.toString()).toBe("B\nlinux\n");
});

test("formats of the user's docker configuration; --config says where it is", async () => {
  const folder = join(engine.root, "docker-config");
  mkdirSync(folder);
  writeFileSync(
    join(folder, "config.json"),
    JSON.stringify({
      psFormat: "table {{.Names}}\\t{{.Image}}",
      imagesFormat: "{{.Repository}}!",
      networksFormat: "{{.Name}}?",
      volumesFormat: "{{.Name}}.",
    }),
  );
  await engine.ok("create", "--name", "formatted", ...N, "bb", "true");
  await engine.ok("volume", "create", "vol");
  const ask = (...args: string[]) => engine.ok("--config", folder, ...args);
  expect(await ask("ps", "-a")).toBe("NAMES       IMAGE\nformatted   bb");
  expect(await ask("ps", "-a", "--format", "{{.Names}}")).toBe("formatted");
  expect(await ask("ps", "-aq")).toMatch(/^[0-9a-f]{12}$/);
  expect(await ask("images")).toBe("bb!");
  expect(await ask("network", "ls")).toContain("host?");
  expect(await ask("volume", "ls")).toBe("vol.");
  writeFileSync(join(folder, "config.json"), "{ broken");
  expect(await ask("ps", "-a")).toContain("CONTAINER ID");
  await engine.ok("rm", "formatted");
});

test("stats goes on; a label's column has its name above", async () => {
  await engine.ok("run", "-d", "--name", "watched", "--label", "com.example.my-app=x", ...N, "bb", "sleep", "1000");
  const child = Bun.spawn([BERTH, "stats", "watched"], { env: engine.env, stdout: "pipe", stderr: "pipe" });
  await Bun.sleep(4500);
  child.kill("SIGINT");
  expect(await new Response(child.stderr).text()).toBe("");
  expect((await new Response(child.stdout).text()).match(/CONTAINER ID/g)?.length ?? 0).toBeGreaterThan(1);
  expect(await engine.ok("ps", "--format", 'table {{.Names}}\\t{{.Label "com.example.my-app"}}')).toBe("NAMES     my app\nwatched   x");
  await engine.ok("rm", "-f", "watched");
});

describe("doctor", () => {
  test("tells what there is, and what follows from what is not", async () => {
    const report = await engine.ok("doctor");
    expect(report).toMatch(/^ok +kernel +Linux \d/m);
    expect(report).toMatch(/^ok +storage +overlay, on /m);
    expect(report).toMatch(/^(ok|limited) +nf_tables +/m);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: no colours in a pipe
    expect(report).not.toMatch(/\x1b/);
    const findings = (await engine.ok("doctor", "--format", "json")).split("\n").map((line) => JSON.parse(line));
    for (const { State, Follows } of findings) expect(State === "ok").toBe(Follows === "");
    expect(await engine.ok("doctor", "-f", "{{.Topic}}")).toContain("cgroups\n");
  });

  test("without overlay, namespaces or cgroups: said, each with what it means", () => {
    // What a container without rights has.
    const script = `mount --make-rprivate / && umount -lR /sys/fs/cgroup && exec "${BERTH}" doctor`;
    const { stdout } = Bun.spawnSync(["unshare", "-m", "sh", "-c", script], { env: engine.env });
    expect(stdout.toString()).toMatch(/^limited +cgroups +none\n +containers run without limits/m);
  });

  test("in colours on a terminal, unless NO_COLOR says no", async () => {
    for (const [env, expected] of [
      [{}, /\^\[\[32mok/],
      [{ NO_COLOR: "1" }, /(^|[^m])ok +kernel/m],
    ] as const) {
      using terminal = new Terminal({ ...engine.env, ...env });
      terminal.type(`script -qc "${BERTH} doctor" /dev/null | cat -v | head -5`);
      await terminal.shows(expected);
    }
  });
});
