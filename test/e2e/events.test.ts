/** Events: what is told, to whom, how soon, and what is kept. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { BERTH, TestEngine, until } from "./engine.ts";

let engine: TestEngine;
const N = ["--network", "none"];

beforeAll(async () => {
  engine = await TestEngine.make();
});
afterAll(() => engine[Symbol.asyncDispose]());

interface Message {
  Type: string;
  Action: string;
  status?: string;
  Actor: { ID: string; Attributes: Record<string, string> };
  time: number;
  timeNano: number;
}
const events = async (since: string, ...filters: string[]): Promise<Message[]> => {
  const flags = filters.flatMap((filter) => ["-f", filter]);
  const text = await engine.ok("events", "--since", since, "--until", "0s", "--format", "json", ...flags);
  return text
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line));
};
const now = () => String(Date.now() / 1000);
const words = (messages: Message[]) => messages.map(({ Type, Action }) => `${Type} ${Action}`);

test("a container's life, in docker's words and order", async () => {
  const start = now();
  await engine.ok("run", "-d", "--name", "x", "--label", "a=b", "-v", "data:/data", ...N, "bb", "sleep", "1000");
  await engine.ok("exec", "x", "true");
  for (const verb of ["pause", "unpause"]) await engine.ok(verb, "x");
  await engine.ok("rename", "x", "y");
  await engine.ok("commit", "y", "made");
  await engine.ok("rmi", "made");
  await engine.ok("kill", "-s", "USR1", "y");
  await engine.ok("restart", "-t", "0", "y");
  await engine.ok("rm", "-f", "y");
  await engine.ok("volume", "rm", "data");
  const all = await events(start);
  expect(words(all)).toEqual([
    "container create",
    "volume create",
    "volume mount",
    "container start",
    "container exec_create: true",
    "container exec_start: true",
    "container exec_die",
    "container pause",
    "container unpause",
    "container rename",
    "container commit",
    "image untag",
    "image delete",
    "container kill",
    "container kill",
    "container die",
    "volume unmount",
    "container stop",
    "volume mount",
    "container start",
    "container restart",
    "container kill",
    "container die",
    "volume unmount",
    "container destroy",
    "volume destroy",
  ]);
  expect(all[0]?.Actor.Attributes).toEqual({ a: "b", image: "bb", name: "x" });
  expect(all[9]?.Actor.Attributes).toMatchObject({ name: "y", oldName: "/x" });
  expect(all.find(({ Action }) => Action === "die")?.Actor.Attributes.exitCode).toBe("137");
  expect(words(await events(start, "type=volume", "event=mount", "event=destroy"))).toEqual(["volume mount", "volume mount", "volume destroy"]);
  expect(words(await events(start, "container=y", "event=exec_create"))).toEqual([]);
  expect(words(await events(start, "container=x", "event=exec_create"))).toEqual(["container exec_create: true"]);
  expect(await events(start, "label=a=c")).toEqual([]);
  expect(await engine.ok("events", "--since", start, "--until", "0s", "-f", "event=pause")).toMatch(
    /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}(Z|[+-]\d\d:\d\d) container pause [0-9a-f]{64} \(a=b, image=bb, name=x\)$/,
  );
  expect(await engine.ok("events", "--since", start, "--until", "0s", "-f", "event=pause", "--format", "{{.Actor.Attributes.none}} {{.ID}}")).toMatch(
    /^<no value> [0-9a-f]{64}$/,
  );
});

test("health, networks, images, and a command that does not start", async () => {
  const start = now();
  await engine.ok("run", "-d", "--name", "h", "--health-cmd", "true", "--health-interval", "100ms", "bb", "sleep", "1000");
  await until("it is healthy", async () => (await engine.inspect("h", "{{.State.Health.Status}}")) === "healthy");
  await engine.ok("network", "create", "n");
  await engine.ok("network", "connect", "n", "h");
  await engine.ok("network", "disconnect", "n", "h");
  await engine.ok("network", "rm", "n");
  await engine.ok("tag", "bb", "other:1");
  await engine.ok("rm", "-f", "h");
  await engine.run("run", "--name", "bad", ...N, "bb", "nope");
  const all = words(await events(start));
  expect(all.filter((word) => !/kill|die|destroy/.test(word))).toEqual([
    "network create", // the default one, on its first use
    "container create",
    "network connect",
    "container start",
    "container health_status: healthy",
    "network create",
    "network connect",
    "network disconnect",
    "image tag",
    "network disconnect",
    "container create",
  ]);
  expect((await events(start, "type=network", "event=connect")).map(({ Actor }) => Actor.Attributes.name)).toEqual(["bridge", "n"]);
});

test("several followers see each event once, in order, at once, and wake for nothing else", async () => {
  const followers = [1, 2].map(() =>
    Bun.spawn([BERTH, "events", "--format", "{{.Action}} {{.Actor.Attributes.name}}"], { env: engine.env, stdout: "pipe" }),
  );
  await Bun.sleep(1000);
  const switches = (pid: number) => Number(/^voluntary_ctxt_switches:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
  const before = followers.map(({ pid }) => switches(pid));
  await Bun.sleep(1000);
  expect(followers.map(({ pid }) => switches(pid))).toEqual(before);
  const names = Array.from({ length: 20 }, (_, i) => `f${i}`);
  await Promise.all(names.map((name) => engine.ok("create", "--name", name, ...N, "bb", "true")));
  await Bun.sleep(500);
  for (const follower of followers) follower.kill();
  const [one, two] = await Promise.all(followers.map((follower) => new Response(follower.stdout).text()));
  expect(one).toBe(two as string);
  expect(one?.trim().split("\n").sort()).toEqual(names.map((name) => `create ${name}`).sort());
  await engine.ok("rm", ...names);
});

test("what is kept is bounded", async () => {
  using db = engine.openStore();
  db.run(
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12000) INSERT INTO events (time, type, action, actor, attributes) SELECT 1, 'container', 'old', 'x', '{}' FROM n",
  );
  const rest = 500 - ((db.query("SELECT max(sequence) AS last FROM events").get() as { last: number }).last % 500);
  for (let i = 0; i < rest; i += 100) await engine.ok("volume", "create", `v${i}`);
  db.run("UPDATE sqlite_sequence SET seq = (seq / 500 + 1) * 500 - 1 WHERE name = 'events'");
  await engine.ok("volume", "create", "last");
  expect((db.query("SELECT count(*) AS count FROM events").get() as { count: number }).count).toBeLessThanOrEqual(10_000);
});

test.each([
  [["-f", "foo=bar"], "invalid filter 'foo'"],
  [["-f", "foo"], "bad format of filter (expected name=value)"],
  [["-f", "type=foo"], "invalid filter 'type=foo'"],
  [["--since", "foo"], 'invalid argument "foo" for "--since" flag'],
])("%j is refused", async (flags, message) => {
  expect((await engine.run("events", "--until", "0s", ...flags)).stderr).toContain(message);
});

test("system df and ps -s: what takes room", async () => {
  await engine.ok(
    "run",
    "--name",
    "big",
    ...N,
    "-v",
    "room:/room",
    "bb",
    "sh",
    "-c",
    "head -c 200000 /dev/zero > /file; head -c 100000 /dev/zero > /room/file",
  );
  expect(await engine.ok("system", "df", "--format", "{{.Type}}|{{.TotalCount}}|{{.Active}}|{{.Size}}|{{.Reclaimable}}")).toMatch(
    /^Images\|1\|1\|[\d.]+MB\|0B \(0%\)\nContainers\|\d+\|0\|200kB\|200kB \(100%\)\nLocal Volumes\|\d+\|1\|100kB\|0B \(0%\)\nBuild Cache\|0\|0\|0B\|0B$/,
  );
  expect(await engine.ok("system", "df", "-v")).toMatch(/^room +1 +100kB$/m);
  expect(await engine.ok("ps", "-as", "-f", "name=big", "--format", "{{.Size}}")).toMatch(/^200kB \(virtual [\d.]+MB\)$/);
});
