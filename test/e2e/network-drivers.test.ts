/** Networks past the host, and beside other firewalls of it. */
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import type { TestEngine } from "./engine.ts";
import { ConnectedHost, fetchPage, HOST, INTERNET, inside, sh } from "./internet.ts";

let host: ConnectedHost;
let engine: TestEngine;

beforeAll(async () => {
  host = await ConnectedHost.make();
  engine = host.engine;
});
afterAll(() => host[Symbol.asyncDispose]());
afterEach(() => host.removeContainers());

test("macvlan: a neighbour of the host's own neighbours", async () => {
  const create = (...args: string[]) => engine.run("network", "create", "-d", "macvlan", ...args, "lan");
  expect((await create("-o", "parent=out0")).stderr).toContain("needs the subnet");
  expect((await create("--subnet", "198.51.100.0/24", "-o", "parent=nope")).stderr).toContain("the host has no interface nope");
  expect((await create("--subnet", "198.51.100.0/24", "--gateway", INTERNET, "--ip-range", "198.51.100.64/26", "-o", "parent=out0")).exitCode).toBe(
    0,
  );
  await host.web("direct", "--network", "lan");
  expect(await engine.inspect("direct", "{{.NetworkSettings.Networks.lan.IPAddress}}")).toBe("198.51.100.64");
  expect(inside(host.internet, `${fetchPage} http://198.51.100.64/index.html`).out).toBe("hello");
  // Seen from there it is itself, not the host.
  expect(await engine.ok("exec", "direct", "wget", "-qO-", `http://${INTERNET}/`)).toBe("198.51.100.64");
  await engine.ok("rm", "-f", "direct");
  expect(await engine.ok("network", "rm", "lan")).toBe("lan");
  expect(sh("ip -o link show out0").code).toBe(0);
});

// Not every kernel has all kinds of links: then it is said, and nothing is left.
const hasKind = (kind: string) => sh(`ip link add probe0 link out0 type ${kind} && ip link del probe0`).code === 0;

test("macvlan on a VLAN that is made for it, and without a parent", async () => {
  const create = (name: string, ...args: string[]) => engine.ok("network", "create", "-d", "macvlan", "--subnet", "10.61.0.0/24", ...args, name);
  await create("tagged", "-o", "parent=out0.61");
  const run = () => engine.run("run", "--rm", "--network", "tagged", "bb", "ip", "-o", "-4", "addr", "show", "eth0");
  if (hasKind("vlan id 5")) {
    expect((await run()).stdout).toContain("10.61.0.2/24");
    expect(sh("ip -d link show out0.61").out).toContain("vlan protocol 802.1Q id 61");
  } else expect((await run()).stderr).toContain("cannot make the interface out0.61 of network tagged");
  await engine.ok("network", "rm", "tagged");
  await create("apart");
  expect((await engine.ok("network", "inspect", "-f", "{{.Internal}}", "apart")).trim()).toBe("true");
  const alone = await engine.run("run", "--rm", "--network", "apart", "bb", "ip", "-o", "-4", "addr", "show", "eth0");
  if (sh("ip link add probe0 type dummy && ip link del probe0").code === 0) expect(alone.stdout).toContain("10.61.0.2/24");
  else expect(alone.stderr).toContain("the kernel has no module dummy");
  await engine.ok("network", "rm", "apart");
  expect(sh("ip -o link").out).not.toMatch(/out0\.61|dm-/);
});

test("ipvlan: an address of its own on the host's link", async () => {
  await engine.ok("network", "create", "-d", "ipvlan", "--subnet", "198.51.100.0/24", "--ip-range", "198.51.100.96/27", "-o", "parent=out0", "ipv");
  const { stdout, stderr } = await engine.run("run", "--rm", "--network", "ipv", "bb", "wget", "-qO-", `http://${INTERNET}/`);
  if (hasKind("ipvlan")) expect(stdout).toBe("198.51.100.96");
  else expect(stderr).toContain("the kernel may lack bridges, veth, or the network's driver");
  await engine.ok("network", "rm", "ipv");
});

test("beside docker's firewall, which drops what it does not know", async () => {
  const iptables = `iptables -P FORWARD DROP; iptables -N DOCKER-USER; iptables -A DOCKER-USER -j RETURN; iptables -I FORWARD -j DOCKER-USER
    iptables -A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT; iptables -A FORWARD -i docker0 ! -o docker0 -j ACCEPT`;
  expect(sh(iptables).err).toBe("");
  const before = sh("iptables-save -t filter").out;
  const untimed = (text: string) =>
    text
      .replace(/^#.*$/gm, "")
      .replace(/\[\d+:\d+\]/g, "")
      .trim();
  await engine.ok("network", "create", "beside");
  await host.web("web", "--network", "beside", "-p", "8080:80");
  expect(inside(host.internet, `${fetchPage} http://${HOST}:8080/index.html`).out).toBe("hello");
  expect(await engine.ok("exec", "web", "wget", "-qO-", `http://${INTERNET}/`)).toBe(HOST);
  // Somebody starts his firewall anew: the next container finds out.
  sh("iptables -F FORWARD; iptables -I FORWARD -j DOCKER-USER");
  expect(inside(host.internet, `${fetchPage} http://${HOST}:8080/index.html`).out).toBe("");
  expect(await engine.ok("run", "--rm", "bb", "wget", "-qO-", `http://${INTERNET}/`)).toBe(HOST);
  expect(inside(host.internet, `${fetchPage} http://${HOST}:8080/index.html`).out).toBe("hello");
  sh("iptables -A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT; iptables -A FORWARD -i docker0 ! -o docker0 -j ACCEPT");
  await engine.ok("rm", "-f", "web");
  await engine.ok("network", "rm", "beside");
  await engine.ok("network", "prune", "-f");
  expect(untimed(sh("iptables-save -t filter").out)).toBe(untimed(before));
  sh("nft delete table ip filter");
});
