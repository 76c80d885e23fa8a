/**
 * Bridges, published ports and walls, seen from every side: this process's network
 * namespace stands for the host, two more for a machine on the internet and another host.
 */

import { Database } from "bun:sqlite";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { BERTH, TestEngine, until } from "./engine.ts";

let engine: TestEngine;
const peers: Bun.Subprocess[] = [];
/** Addresses of a link between the host and the outside. */
const HOST = "198.51.100.1";
const INTERNET = "198.51.100.2";

const sh = (script: string) => {
  const { stdout, stderr, exitCode } = Bun.spawnSync(["sh", "-c", script]);
  return { out: stdout.toString().trim(), err: stderr.toString().trim(), code: exitCode };
};
const inside = (pid: number, script: string) => sh(`nsenter -t ${pid} -n sh -c '${script}'`);
let internet: number;

beforeAll(async () => {
  if (readFileSync("/proc/net/dev", "utf8").includes("eth0:")) throw new Error("these tests want a network namespace of their own: npm run test:e2e");
  const peer = Bun.spawn(["unshare", "-n", "sleep", "600"]);
  peers.push(peer);
  internet = peer.pid;
  await until("the other namespace", () => sh(`readlink /proc/${internet}/ns/net`).out !== sh("readlink /proc/self/ns/net").out);
  const made = sh(`ip link add out0 type veth peer name eth0 netns ${internet} && ip addr add ${HOST}/24 dev out0 && ip link set out0 up &&
    nsenter -t ${internet} -n sh -c 'ip addr add ${INTERNET}/24 dev eth0; ip link set eth0 up; ip link set lo up' && ip route add default via ${INTERNET}`);
  expect(made.err).toBe("");
  engine = await TestEngine.make();
  // It answers with the address it was asked from.
  const server = "Bun.serve({ port: 80, fetch: (request, server) => new Response(server.requestIP(request).address) })";
  peers.push(Bun.spawn(["nsenter", "-t", String(internet), "-n", process.execPath, "-e", server]));
  await until("the internet", () => inside(internet, "cat /proc/net/tcp /proc/net/tcp6").out.includes(":0050"));
});
afterAll(async () => {
  await engine[Symbol.asyncDispose]();
  for (const peer of peers) peer.kill("SIGKILL");
  sh("ip link del out0");
});

afterEach(async () => {
  const ids = (await engine.ok("ps", "-aq")).split("\n").filter(Boolean);
  if (ids.length > 0) await engine.ok("rm", "-f", ...ids);
});

const PAGE = "echo hello > /index.html; exec httpd -f -h /";
const fetchPage = "timeout 3 busybox wget -qO-";
const rules = () => sh("nft list ruleset").out;

async function web(name: string, ...flags: string[]): Promise<void> {
  await engine.ok("run", "-d", "--name", name, ...flags, "bb", "sh", "-c", PAGE);
  await until("the server", async () => (await engine.run("exec", name, "wget", "-qO-", "http://127.0.0.1/index.html")).exitCode === 0);
}

describe("the default network", () => {
  test("an address, a route, names; and the way out, under the host's address", async () => {
    const out = await engine.ok(
      "run",
      "--rm",
      "--hostname",
      "me",
      "bb",
      "sh",
      "-c",
      "ip -o -4 addr show eth0; ip route; cat /etc/hosts; cat /sys/class/net/eth0/address",
    );
    expect(out).toMatch(/inet 172\.17\.0\.2\/16 brd 172\.17\.255\.255/);
    expect(out).toMatch(/default via 172\.17\.0\.1 dev eth0/);
    expect(out).toContain("172.17.0.2\tme");
    expect(out).toMatch(/02:42:ac:11:00:02$/);
    expect((await engine.ok("run", "--rm", "bb", "wget", "-qO-", `http://${INTERNET}/`)).replace("::ffff:", "")).toBe(HOST);
  });

  test("a published port: from the host, from outside, from 127.0.0.1, from containers", async () => {
    await web("web", "-p", "8080:80");
    for (const address of ["127.0.0.1", HOST, "172.17.0.1"])
      expect(sh(`${fetchPage} http://${address}:8080/index.html`)).toMatchObject({ out: "hello", code: 0 });
    expect(inside(internet, `${fetchPage} http://${HOST}:8080/index.html`).out).toBe("hello");
    for (const address of ["172.17.0.1:8080", `${HOST}:8080`, "172.17.0.2"])
      expect(await engine.ok("run", "--rm", "bb", "wget", "-qO-", `http://${address}/index.html`)).toBe("hello");
    // On the host's IPv6 addresses it is passed on: all of it, both ways, also by who reads slowly.
    expect(await (await fetch("http://[::1]:8080/index.html")).text()).toBe("hello\n");
    await engine.ok("exec", "web", "sh", "-c", "head -c 30000000 /dev/zero > /zeros");
    const zeros = await fetch("http://[::1]:8080/zeros");
    await Bun.sleep(300);
    expect((await zeros.arrayBuffer()).byteLength).toBe(30_000_000);
    // By its own published port.
    expect(await engine.ok("exec", "web", "wget", "-qO-", `http://${HOST}:8080/index.html`)).toBe("hello");
    expect(await engine.ok("port", "web")).toBe("80/tcp -> 0.0.0.0:8080\n80/tcp -> [::]:8080");
    expect(await engine.ok("port", "web", "80")).toBe("0.0.0.0:8080\n[::]:8080");
    expect(await engine.ok("ps", "--format", "{{.Ports}} {{.Networks}}")).toBe("0.0.0.0:8080->80/tcp, [::]:8080->80/tcp bridge");
    expect(
      await engine.inspect(
        "web",
        '{{.NetworkSettings.IPAddress}} {{(index (index .NetworkSettings.Ports "80/tcp") 0).HostPort}} {{.NetworkSettings.Networks.bridge.Gateway}}',
      ),
    ).toBe("172.17.0.2 8080 172.17.0.1");
    await engine.ok("rm", "-f", "web");
    expect(rules()).not.toContain("8080");
    expect(sh(`${fetchPage} http://127.0.0.1:8080/index.html`).code).not.toBe(0);
  });

  test("ports: one address of the host, ranges, any that is free, all that are exposed", async () => {
    await web("web", "-p", `${HOST}:81:80`, "-p", "9000-9001:80-81/udp", "-p", "80", "--expose", "99", "-P");
    expect(sh(`${fetchPage} http://${HOST}:81/index.html`).out).toBe("hello");
    expect(sh(`${fetchPage} http://127.0.0.1:81/index.html`).code).not.toBe(0);
    const ports = await engine.ok("ps", "--format", "{{.Ports}}");
    expect(ports).toContain("0.0.0.0:9000-9001->80-81/udp");
    const any = /0\.0\.0\.0:(\d+)->80\/tcp/.exec(ports)?.[1];
    expect(sh(`${fetchPage} http://127.0.0.1:${any}/index.html`).out).toBe("hello");
    expect(ports).toMatch(/0\.0\.0\.0:\d+->99\/tcp/);
    await engine.ok("rm", "-f", "web");
  });

  test("a port that is taken is refused before anything starts", async () => {
    await web("web", "-p", "8080:80");
    expect(await engine.fails(125, "run", "-p", "8080:80", "--name", "second", "bb", "true")).toContain(
      "Bind for 0.0.0.0:8080 failed: port is already allocated",
    );
    expect(await engine.fails(125, "run", "--rm", "-p", `${HOST}:8080:80`, "bb", "true")).toContain("port is already allocated");
    const other = Bun.listen({ hostname: "127.0.0.1", port: 8090, socket: { data() {} } });
    expect(await engine.fails(125, "run", "--rm", "-p", "8090:80", "bb", "true")).toContain(
      "Bind for 0.0.0.0:8090 failed: port is already allocated",
    );
    other.stop(true);
    // And nobody else on the host takes a published one.
    expect(() => Bun.listen({ hostname: "127.0.0.1", port: 8080, socket: { data() {} } })).toThrow();
    expect(await engine.inspect("second", "{{.State.Status}} {{.NetworkSettings.IPAddress}}")).toBe("created ");
    await engine.ok("rm", "-f", "web", "second");
  });

  test("an end is recorded also where the table is gone, or another's", async () => {
    await web("web", "-p", "8080:80");
    const table = /table ip (berth-\w+)/.exec(rules())?.[1] ?? "";
    expect(sh(`nft delete table ip ${table}`).code).toBe(0);
    await engine.ok("stop", "-t", "0", "web");
    expect(await engine.inspect("web", "{{.State.Status}}")).toBe("exited");
    // And the next one finds it as it should be.
    await engine.ok("start", "web");
    await until("the server", () => sh(`${fetchPage} http://127.0.0.1:8080/index.html`).out === "hello");
    sh(`nft flush map ip ${table} ports`);
    await engine.ok("rm", "-f", "web");
    expect(rules()).not.toContain("8080");
  });

  test("what is killed leaves no rule, address, port or link", async () => {
    await web("web", "-p", "8080:80");
    const [monitor] = engine.processes();
    const pid = Number(await engine.inspect("web", "{{.State.Pid}}"));
    process.kill(monitor as number, "SIGKILL");
    process.kill(pid, "SIGKILL");
    await until("its end", () => !sh("ip -o link").out.includes("veth"));
    expect(await engine.ok("ps", "-q")).toBe("");
    expect(rules()).not.toContain("8080");
    await engine.ok("rm", "web");
    await web("web", "-p", "8080:80");
    expect(await engine.inspect("web", "{{.NetworkSettings.IPAddress}}")).toBe("172.17.0.2");
    await engine.ok("rm", "-f", "web");
  });
});

describe("networks", () => {
  test("made, listed, inspected, removed", async () => {
    const id = await engine.ok(
      "network",
      "create",
      "--subnet",
      "10.20.0.0/24",
      "--ip-range",
      "10.20.0.128/25",
      "--gateway",
      "10.20.0.254",
      "--label",
      "a=b",
      "net1",
    );
    expect(id).toMatch(/^[0-9a-f]{64}$/);
    expect(await engine.ok("network", "ls", "--filter", "label=a", "--format", "{{.ID}} {{.Name}} {{.Driver}}")).toBe(
      `${id.slice(0, 12)} net1 bridge`,
    );
    expect((await engine.ok("network", "ls", "--format", "{{.Name}}")).split("\n")).toEqual(["bridge", "host", "net1", "none"]);
    expect(
      await engine.ok("run", "--rm", "--network", "net1", "bb", "sh", "-c", "ip -o -4 addr show eth0 | cut -d/ -f1; ip route | head -1"),
    ).toMatch(/inet 10\.20\.0\.128\ndefault via 10\.20\.0\.254/);
    await engine.ok("run", "-d", "--name", "fixed", "--network", "net1:ip=10.20.0.5", "--mac-address", "02:00:00:00:00:09", "bb", "sleep", "100");
    const [network] = JSON.parse(await engine.ok("network", "inspect", "net1"));
    expect(network.IPAM.Config).toEqual([{ Subnet: "10.20.0.0/24", IPRange: "10.20.0.128/25", Gateway: "10.20.0.254" }]);
    expect(Object.values(network.Containers)).toMatchObject([{ Name: "fixed", MacAddress: "02:00:00:00:00:09", IPv4Address: "10.20.0.5/24" }]);
    expect(await engine.fails(125, "run", "--rm", "--network", "net1", "--ip", "10.20.0.5", "bb", "true")).toContain("Address already in use");
    expect(await engine.fails(1, "network", "rm", "net1")).toContain("has active endpoints");
    await engine.ok("rm", "-f", "fixed");
    expect(await engine.ok("network", "rm", "net1")).toBe("net1");
    expect(sh("ip -o link").out).not.toContain(id.slice(0, 12));
  });

  test("bad input", async () => {
    await engine.ok("network", "create", "--subnet", "10.21.0.0/30", "tiny");
    const create = (...args: string[]) => engine.fails(1, "network", "create", ...args);
    expect(await create("--subnet", "10.21.0.0/24", "x")).toContain("Pool overlaps with other one on this address space");
    expect(await create("--subnet", "198.51.0.0/16", "x")).toContain("Pool overlaps");
    expect(await create("--subnet", "10.300.0.0/24", "x")).toContain("invalid subnet 10.300.0.0/24");
    expect(await create("--subnet", "10.22.0.0/24", "--gateway", "10.23.0.1", "x")).toContain("no matching subnet for gateway 10.23.0.1");
    expect(await create("tiny")).toContain("network with name tiny already exists");
    expect(await create("-o", "com.docker.network.bridge.name=out0", "x")).toContain("the host has an interface out0 already");
    await engine.ok("run", "-d", "--name", "only", "--network", "tiny", "bb", "sleep", "100");
    expect(await engine.fails(125, "run", "--rm", "--network", "tiny", "bb", "true")).toContain("no available IPv4 addresses");
    expect(await engine.fails(125, "run", "--network", "nope", "bb", "true")).toContain("network nope not found");
    expect(await engine.fails(125, "run", "--ip", "172.17.0.9", "bb", "true")).toContain(
      "user specified IP address is supported on user defined networks only",
    );
    expect(await engine.fails(125, "run", "-p", "70000:80", "bb", "true")).toContain("expected a number from 1 to 65535");
    expect(await engine.fails(125, "run", "-p", "0:80", "bb", "true")).toContain("expected a number from 1 to 65535");
    expect(await engine.fails(125, "run", "-p", "9-8:80", "bb", "true")).toContain("its end is before its start");
    expect(await engine.fails(125, "run", "-p", "80-82:80-81", "bb", "true")).toContain("invalid ranges specified");
    await engine.ok("rm", "-f", "only");
    await engine.ok("network", "rm", "tiny");
  });

  test("walls between two, and around one that is internal; connect and disconnect open and shut them", async () => {
    await engine.ok("network", "create", "--subnet", "10.31.0.0/24", "left");
    await engine.ok("network", "create", "--subnet", "10.32.0.0/24", "--internal", "right");
    await web("server", "--network", "left");
    await engine.ok("run", "-d", "--name", "client", "--network", "right", "bb", "sleep", "100");
    const ask = (url: string) => engine.run("exec", "client", "timeout", "2", "wget", "-qO-", url);
    expect((await ask("http://10.31.0.2/index.html")).exitCode).not.toBe(0);
    expect((await ask(`http://${INTERNET}/`)).exitCode).not.toBe(0);
    // From outside, a container is reached by published ports only.
    inside(internet, `ip route add 10.31.0.0/24 via ${HOST}`);
    expect(inside(internet, "timeout 2 busybox wget -qO- http://10.31.0.2/index.html").code).not.toBe(0);
    await engine.ok("network", "connect", "left", "client");
    expect((await ask("http://10.31.0.2/index.html")).stdout).toBe("hello\n");
    expect((await ask(`http://${INTERNET}/`)).exitCode).toBe(0);
    expect(await engine.inspect("client", "{{range $name, $net := .NetworkSettings.Networks}}{{$name}}={{$net.IPAddress}} {{end}}")).toBe(
      "left=10.31.0.3 right=10.32.0.2 ",
    );
    await engine.ok("network", "disconnect", "left", "client");
    expect((await ask("http://10.31.0.2/index.html")).exitCode).not.toBe(0);
    // The ports that led to the address it loses lead nowhere: the next one has it.
    await web("moved", "-p", "8089:80");
    await engine.ok("network", "connect", "left", "moved");
    await engine.ok("pause", "moved");
    await engine.ok("network", "disconnect", "bridge", "moved");
    await engine.ok("unpause", "moved");
    await web("next");
    expect(sh(`${fetchPage} http://${HOST}:8089/index.html`).code).not.toBe(0);
    expect(rules()).not.toContain("8089");
    expect(await engine.ok("port", "moved")).toBe("");
    const id = JSON.parse(await engine.ok("network", "inspect", "bridge"))[0].Id;
    expect(await engine.fails(1, "network", "rm", id)).toContain("bridge is a pre-defined network and cannot be removed");
    await engine.ok("rm", "-f", "server", "client", "moved", "next");
    expect((await engine.ok("network", "prune", "-f")).trim().split("\n").sort()).toEqual(["Deleted Networks:", "left", "right"]);
  });

  test("a pod: a proxy and a backend in the namespaces of a container that only holds them", async () => {
    await engine.ok("run", "-d", "--name", "pause", "-p", "8088:80", "bb", "sleep", "100");
    const shared = ["--network", "container:pause", "--ipc", "container:pause", "--pid", "container:pause"];
    await engine.ok(
      "run",
      "-d",
      "--name",
      "backend",
      ...shared,
      "bb",
      "sh",
      "-c",
      "echo from the backend > /index.html; httpd -f -p 127.0.0.1:81 -h /",
    );
    await engine.ok("run", "-d", "--name", "proxy", ...shared, "bb", "sh", "-c", "while :; do nc -l -p 80 -e nc 127.0.0.1 81; done");
    const own = (name: string) => engine.ok("exec", name, "sh", "-c", "hostname; cat /etc/hosts /etc/hostname");
    expect(await own("backend")).toBe(await own("pause"));
    await until("the pod", () => inside(internet, `${fetchPage} http://${HOST}:8088/index.html`).out === "from the backend");
    await engine.ok("rm", "-f", "proxy", "backend", "pause");
  });

  test("names and name servers that are asked for", async () => {
    const flags = [
      "--add-host",
      "db:10.0.0.9",
      "--add-host",
      "host:host-gateway",
      "--dns",
      "10.0.0.53",
      "--dns-search",
      "example.com",
      "--dns-option",
      "ndots:3",
    ];
    const out = await engine.ok("run", "--rm", ...flags, "bb", "sh", "-c", "grep -E 'db|host$' /etc/hosts; cat /etc/resolv.conf");
    expect(out).toMatch(/10\.0\.0\.9\tdb\n172\.17\.0\.1\thost\n[\s\S]*nameserver 10\.0\.0\.53\nsearch example\.com\noptions ndots:3/u);
  });

  test("neighbours by name, alias and id, coming and going; other names from the host's resolver", async () => {
    await engine.ok("network", "create", "names");
    const id = await engine.ok("run", "-d", "--name", "one", "--network", "names", "--network-alias", "www", "bb", "sleep", "100");
    await engine.ok("run", "-d", "--name", "asker", "--network", "names", "--dns", INTERNET, "bb", "sleep", "100");
    const ask = async (name: string, ...more: string[]) => {
      const { stdout } = await engine.run("exec", "asker", "nslookup", ...more, name);
      return [...stdout.matchAll(/^(?:Address: |.*name = )(\S+)$/gm)].map(([, found]) => found).join(" ");
    };
    const address = await engine.inspect("one", "{{.NetworkSettings.Networks.names.IPAddress}}");
    for (const name of ["one", "ONE", "www", "one.names", id.slice(0, 12)]) expect(await ask(name)).toBe(address);
    expect(await ask(address)).toBe("one.names");
    expect(await ask("asker")).not.toBe("");
    // A resolver on "the internet" that knows one name.
    const program = `Bun.udpSocket({ port: 53, hostname: "${INTERNET}", socket: { data(s, q, port, address) {
      q = Buffer.from(q); const known = q.includes("example"); const a = Buffer.concat([q, Buffer.from("c00c00010001000000050004cb007107", "hex")]);
      q.writeUInt16BE(known ? 0x8180 : 0x8183, 2); a.writeUInt16BE(0x8180, 2); a.writeUInt16BE(1, 6);
      s.send(known && q.readUInt16BE(q.length - 4) === 1 ? a : q, port, address); } } })`;
    const resolver = Bun.spawn(["nsenter", "-t", String(internet), "-n", process.execPath, "-e", program]);
    await until("the resolver", async () => (await ask("example.com")) === "203.0.113.7");
    expect(await ask("nobody.example.org.invalid", "-type=a")).toBe("203.0.113.7");
    expect(await ask("nothing")).toBe("");
    resolver.kill("SIGKILL");
    // Over TCP, too; and what is no query gets no answer and does no harm.
    const query = "\\000\\035\\022\\064\\001\\000\\000\\001\\000\\000\\000\\000\\000\\000\\003one\\000\\000\\001\\000\\001".replace("\\035", "\\025");
    const tcp = await engine.ok("exec", "asker", "sh", "-c", `(printf '${query}'; sleep 1) | nc 127.0.0.11 53 | od -An -tu1 | tr -s ' \\n' ' '`);
    expect(tcp.trim()).toEndWith(address.replaceAll(".", " "));
    await engine.run("exec", "asker", "sh", "-c", "for i in $(seq 200); do head -c 40 /dev/urandom; done | nc -u -w 1 127.0.0.11 53");
    await engine.ok("network", "disconnect", "names", "one");
    expect(await ask("one")).toBe("");
    await engine.ok("network", "connect", "--alias", "again", "names", "one");
    expect(await ask("again")).toBe(await engine.inspect("one", "{{.NetworkSettings.Networks.names.IPAddress}}"));
    await engine.ok("rm", "-f", "one");
    expect(await ask("one")).toBe("");
    await engine.ok("rm", "-f", "asker");
    await engine.ok("network", "rm", "names");
  });
});

test("--link: another container's address under a name", async () => {
  const id = await engine.ok("run", "-d", "--name", "db", "bb", "sleep", "100");
  expect(
    await engine.ok("run", "--rm", "--link", "db:database", "bb", "sh", "-c", "grep database /etc/hosts; ping -c 1 -W 1 database | head -1"),
  ).toMatch(new RegExp(`^172\\.\\d+\\.0\\.2\tdatabase ${id.slice(0, 12)} db\nPING database`));
  expect(await engine.fails(125, "run", "--link", "nope", "bb", "true")).toContain("could not get container for nope: No such container: nope");
});

test("macvlan: a neighbour of the host's own neighbours", async () => {
  const create = (...args: string[]) => engine.run("network", "create", "-d", "macvlan", ...args, "lan");
  expect((await create("-o", "parent=out0")).stderr).toContain("needs the subnet");
  expect((await create("--subnet", "198.51.100.0/24", "-o", "parent=nope")).stderr).toContain("the host has no interface nope");
  expect((await create("--subnet", "198.51.100.0/24", "--gateway", INTERNET, "--ip-range", "198.51.100.64/26", "-o", "parent=out0")).exitCode).toBe(
    0,
  );
  await web("direct", "--network", "lan");
  expect(await engine.inspect("direct", "{{.NetworkSettings.Networks.lan.IPAddress}}")).toBe("198.51.100.64");
  expect(inside(internet, `${fetchPage} http://198.51.100.64/index.html`).out).toBe("hello");
  // Seen from there it is itself, not the host.
  expect((await engine.ok("exec", "direct", "wget", "-qO-", `http://${INTERNET}/`)).replace("::ffff:", "")).toBe("198.51.100.64");
  await engine.ok("rm", "-f", "direct");
  expect(await engine.ok("network", "rm", "lan")).toBe("lan");
  expect(sh("ip -o link show out0").code).toBe(0);
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
  await web("web", "--network", "beside", "-p", "8080:80");
  expect(inside(internet, `${fetchPage} http://${HOST}:8080/index.html`).out).toBe("hello");
  expect((await engine.ok("exec", "web", "wget", "-qO-", `http://${INTERNET}/`)).replace("::ffff:", "")).toBe(HOST);
  // Somebody starts his firewall anew: the next container finds out.
  sh("iptables -F FORWARD; iptables -I FORWARD -j DOCKER-USER");
  expect(inside(internet, `${fetchPage} http://${HOST}:8080/index.html`).out).toBe("");
  expect((await engine.ok("run", "--rm", "bb", "wget", "-qO-", `http://${INTERNET}/`)).replace("::ffff:", "")).toBe(HOST);
  expect(inside(internet, `${fetchPage} http://${HOST}:8080/index.html`).out).toBe("hello");
  sh("iptables -A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT; iptables -A FORWARD -i docker0 ! -o docker0 -j ACCEPT");
  await engine.ok("rm", "-f", "web");
  await engine.ok("network", "rm", "beside");
  await engine.ok("network", "prune", "-f");
  expect(untimed(sh("iptables-save -t filter").out)).toBe(untimed(before));
  sh("nft delete table ip filter");
});

test("bandwidth: both ways, changed while it runs", async () => {
  const bytes = 3_000_000;
  await engine.ok(
    "run",
    "-d",
    "--name",
    "slow",
    "--bandwidth",
    "8mbit",
    "-p",
    "8080:80",
    "bb",
    "sh",
    "-c",
    `head -c ${bytes} /dev/zero > /zeros; httpd -f -h /`,
  );
  await until("the server", () => sh("timeout 1 busybox nc 127.0.0.1 8080 </dev/null").code === 0);
  // Bytes a second that came through, as a share of what may.
  const share = async (rate: number, move: () => Promise<unknown>) => {
    const start = performance.now();
    await move();
    return bytes / ((performance.now() - start) / 1000) / rate;
  };
  const out = () => fetch("http://127.0.0.1:8080/zeros").then((response) => response.arrayBuffer());
  const into = async () => {
    const server = Bun.serve({ hostname: HOST, port: 0, fetch: () => new Response(new Uint8Array(bytes)) });
    await engine.ok("exec", "slow", "wget", "-qO", "/dev/null", `http://${HOST}:${server.port}/`);
    await server.stop(true);
  };
  for (const [rate, text] of [
    [1e6, "8mbit"],
    [2e6, "2MB/s"],
  ] as const) {
    if (text !== "8mbit") await engine.ok("update", "--bandwidth", text, "slow");
    for (const move of [out, into]) {
      const measured = await share(rate, move);
      expect(measured).toBeGreaterThan(0.85);
      expect(measured).toBeLessThan(1.15);
    }
  }
  expect(await engine.inspect("slow", "{{.HostConfig.Bandwidth.in}}")).toBe("2000000");
  expect(await engine.fails(125, "run", "--bandwidth", "fast", "bb", "true")).toContain("such as 8mbit, 1gbit or 10MB/s");
  expect(await engine.fails(125, "run", "--network", "host", "--bandwidth", "8mbit", "bb", "true")).toContain(
    "needs a network of the container's own",
  );
});

test("killed in every combination, nothing is left: no link, address, rule or port", async () => {
  const count = Number(process.env.BERTH_STRESS ?? 30);
  const names = ["n-a", "n-b"];
  // What other engines may have left in this namespace is not this one's.
  await engine.ok("network", "prune", "-f");
  const links = () => sh("ip -o link | cut -d: -f2").out;
  const before = { links: links(), rules: rules() };
  for (const name of names) await engine.ok("network", "create", name);
  const networks = [
    ["--network", "bridge"],
    ["--network", "n-a"],
    ["--network", "n-a", "--network", "n-b"],
  ];
  const one = async (i: number) => {
    const flags = [...(networks[i % 3] as string[]), "-p", `${20_000 + i}:80`, ...(i % 4 === 0 ? ["--rm"] : [])];
    const child = Bun.spawn([BERTH, "run", "-d", "--name", `chaos-${i}`, ...flags, "bb", "sleep", "1000"], {
      env: engine.env,
      stdout: "ignore",
      stderr: "ignore",
    });
    if (i % 3 === 0) {
      // Somewhere on its way.
      await Bun.sleep(Math.random() * 80);
      child.kill("SIGKILL");
    }
    await child.exited;
    const pid = Number((await engine.run("inspect", "-f", "{{.State.Pid}}", `chaos-${i}`)).stdout);
    if (!pid) return;
    const monitor = Number(/^PPid:\t(\d+)$/m.exec(readStatus(pid))?.[1]);
    const victims = [[monitor], [pid], [monitor, pid], [pid, monitor], []][i % 5] as number[];
    for (const victim of victims) kill(victim);
  };
  for (let i = 0; i < count; i += 6) await Promise.all(Array.from({ length: Math.min(6, count - i) }, (_, k) => one(i + k)));
  // Containers whose monitor alone was killed go on, with their address and port.
  const ids = (await engine.ok("ps", "-aq")).split("\n").filter(Boolean);
  if (ids.length > 0) await engine.ok("rm", "-f", ...ids);
  await until("the links' end", () => !sh("ip -o link").out.includes("veth"));
  expect((await engine.ok("network", "prune", "-f")).trim().split("\n")).toEqual(["Deleted Networks:", ...names]);
  expect({ links: links(), rules: rules() }).toEqual(before);
  using db = new Database(join(engine.root, "berth.db"), { readonly: true });
  for (const table of ["endpoints", "published_ports", "lost_endpoints"]) expect(db.query(`SELECT * FROM ${table}`).all()).toEqual([]);
  // And all of it can be had again.
  expect(await engine.ok("run", "--rm", "-p", "20000:80", "bb", "ip", "-o", "-4", "addr", "show", "eth0")).toMatch(/inet \d+\.\d+\.0\.2\/16/);
});

function readStatus(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, "utf8");
  } catch {
    return ""; // gone
  }
}

function kill(pid: number): void {
  try {
    if (pid > 1) process.kill(pid, "SIGKILL");
  } catch {
    // gone
  }
}
