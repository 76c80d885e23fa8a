/** Pods: what their containers share, and how they come and go together. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { TestEngine, until } from "./engine.ts";

let engine: TestEngine;
beforeAll(async () => {
  engine = await TestEngine.make();
});
afterAll(async () => {
  const pods = (await engine.ok("pod", "ls", "-q")).split("\n").filter(Boolean);
  if (pods.length > 0) await engine.ok("pod", "rm", "-f", ...pods);
  await engine[Symbol.asyncDispose]();
});
const states = async (pod: string) => (await engine.ok("pod", "ls", "-f", `name=${pod}`, "--format", "{{.Status}} {{.NumberOfContainers}}")).trim();

test("a proxy in front of a server on 127.0.0.1, the port published by the pod", async () => {
  const id = await engine.ok("pod", "create", "--name", "web", "-p", "7400:80", "--label", "a=b");
  expect(await states("web")).toBe("Created 1");
  await engine.ok("run", "-d", "--pod", "web", "--name", "server", "bb", "sh", "-c", "echo hello > /index.html; exec httpd -f -h / -p 127.0.0.1:81");
  await engine.ok("run", "-d", "--pod", id.slice(0, 12), "--name", "proxy", "bb", "sh", "-c", "while true; do nc -l -p 80 -e nc 127.0.0.1 81; done");
  expect(await states("web")).toBe("Running 3");
  await until("the page", async () => {
    try {
      return (await (await fetch("http://127.0.0.1:7400/index.html")).text()) === "hello\n";
    } catch {
      return false;
    }
  });
  expect(await engine.ok("exec", "server", "hostname")).toBe("web");
  await engine.ok("exec", "server", "sh", "-c", "echo x > /dev/shm/shared");
  expect(await engine.ok("exec", "proxy", "cat", "/dev/shm/shared")).toBe("x");
  // Processes are their own.
  expect(await engine.ok("exec", "server", "cat", "/proc/1/comm")).toBe("httpd");
  // What holds the namespaces is a program of a few kilobytes.
  const infra = await engine.ok("pod", "inspect", "-f", "{{.InfraContainerID}}", "web");
  const pid = await engine.inspect(infra, "{{.State.Pid}}");
  expect(Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1])).toBeLessThan(64);
  expect(JSON.parse(await engine.ok("pod", "inspect", "web"))).toMatchObject([
    { Id: id, Name: "web", State: "Running", Labels: { a: "b" }, NumContainers: 3, SharedNamespaces: ["ipc", "net", "uts"] },
  ]);
  expect(await engine.fails(1, "rm", "-f", infra)).toContain("is the infra container of pod");
  expect(await engine.fails(1, "pod", "rm", "web")).toContain("has running containers (server, proxy)");
  await engine.ok("kill", "proxy");
  expect(await states("web")).toBe("Degraded 3");
  await engine.ok("pod", "stop", "-t", "0", "web");
  expect(await states("web")).toBe("Exited 3");
  await engine.ok("container", "prune", "-f");
  expect(await states("web")).toBe("Exited 1");
  await engine.ok("pod", "rm", "web");
  expect(await engine.ok("ps", "-aq")).toBe("");
  expect(await engine.ok("pod", "ls", "-q")).toBe("");
});

test("a member's start starts the pod's own container; pod start starts all", async () => {
  await engine.ok("run", "-d", "--pod", "new:p", "--name", "one", "bb", "sleep", "1000");
  await engine.ok("create", "--pod", "p", "--name", "two", "bb", "sleep", "1000");
  await engine.ok("pod", "stop", "-t", "0", "p");
  await engine.ok("start", "one");
  expect(await states("p")).toBe("Degraded 3");
  await engine.ok("pod", "start", "p");
  expect(await states("p")).toBe("Running 3");
  expect(await engine.ok("run", "--rm", "--pod", "p", "bb", "hostname")).toBe("p");
  await engine.ok("pod", "rm", "-f", "p");
});

test("--share: processes too, or nothing at all", async () => {
  await engine.ok("pod", "create", "--name", "all", "--share", "pid,net", "--network", "none");
  await engine.ok("run", "-d", "--pod", "all", "--name", "a", "bb", "sleep", "4711");
  expect(await engine.ok("run", "--rm", "--pod", "all", "bb", "ps")).toContain("sleep 4711");
  // The first process of all reaps what is orphaned.
  await engine.ok("exec", "a", "sh", "-c", "(sleep 0.1 &) ; exit");
  await until("no zombies", async () => !(await engine.ok("exec", "a", "ps", "-o", "stat")).includes("Z"));
  await engine.ok("pod", "rm", "-f", "all");
  await engine.ok("pod", "create", "--name", "none", "--share", "none", "--network", "none");
  expect(await engine.ok("run", "--rm", "--network", "none", "--pod", "none", "--hostname", "own", "bb", "hostname")).toBe("own");
  await engine.ok("pod", "rm", "none");
});

test("what is refused", async () => {
  expect(await engine.fails(125, "run", "--pod", "nope", "bb", "true")).toContain("no pod with name or ID nope found");
  await engine.ok("pod", "create", "x");
  expect(await engine.fails(1, "pod", "create", "x")).toContain("name x is in use: pod already exists");
  expect(await engine.fails(125, "run", "--pod", "x", "-p", "1:1", "bb", "true")).toContain("publish ports with 'pod create -p'");
  expect(await engine.fails(125, "run", "--pod", "x", "--network", "host", "bb", "true")).toContain("cannot set --network and --pod");
  expect(await engine.fails(125, "run", "--pod", "x", "-h", "own", "bb", "true")).toContain("cannot set --hostname and --pod");
  expect(await engine.fails(125, "pod", "create", "--share", "mnt")).toContain('invalid argument "mnt" for "--share" flag');
  expect(await engine.fails(1, "pod", "rm", "nope")).toContain("no such pod");
  expect((await engine.ok("pod", "ls", "-q")).split("\n")).toHaveLength(1);
  await engine.ok("pod", "rm", "x");
});
