/** IPv6 in networks: addresses, the way out and in, names; and without it. */
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { type TestEngine, until } from "./engine.ts";
import { ConnectedHost, fetchPage, HOST, HOST6, INTERNET6, inside, rules, sh } from "./internet.ts";

let host: ConnectedHost;
let engine: TestEngine;

beforeAll(async () => {
  host = await ConnectedHost.make();
  engine = host.engine;
});
afterAll(() => host[Symbol.asyncDispose]());
afterEach(() => host.removeContainers());

test("addresses of both kinds, the way out under the host's address, ports from every side", async () => {
  await engine.ok("network", "create", "--ipv6", "--subnet", "10.41.0.0/24", "--subnet", "fd41::/64", "six");
  expect(await engine.ok("network", "ls", "--filter", "name=six", "--format", "{{.IPv4}} {{.IPv6}}")).toBe("true true");
  const [network] = JSON.parse(await engine.ok("network", "inspect", "six"));
  expect(network).toMatchObject({
    EnableIPv6: true,
    IPAM: {
      Config: [
        { Subnet: "10.41.0.0/24", Gateway: "10.41.0.1" },
        { Subnet: "fd41::/64", Gateway: "fd41::1" },
      ],
    },
  });
  await host.web("web", "--network", "six", "-p", "8080:80", "-p", "8081:53/udp");
  expect(
    await engine.inspect("web", "{{with .NetworkSettings.Networks.six}}{{.GlobalIPv6Address}}/{{.GlobalIPv6PrefixLen}} {{.IPv6Gateway}}{{end}}"),
  ).toBe("fd41::2/64 fd41::1");
  expect(await engine.ok("exec", "web", "sh", "-c", "ip -6 route show default; grep fd41 /etc/hosts")).toMatch(
    /default via fd41::1 dev eth0.*\nfd41::2\t[0-9a-f]{12}$/,
  );
  expect(await engine.ok("exec", "web", "wget", "-qO-", `http://[${INTERNET6}]/`)).toBe(HOST6);
  for (const address of [`[${HOST6}]`, "[::1]", "[fd41::1]", "127.0.0.1", HOST])
    expect(sh(`${fetchPage} http://${address}:8080/index.html`)).toMatchObject({ out: "hello", code: 0 });
  expect(host.there(`${fetchPage} http://[${HOST6}]:8080/index.html`)).toBe("hello");
  // By its own published port, and from a container beside it.
  expect(await engine.ok("exec", "web", "wget", "-qO-", `http://[${HOST6}]:8080/index.html`)).toBe("hello");
  expect(await engine.ok("run", "--rm", "--network", "six", "bb", "wget", "-qO-", `http://[${HOST6}]:8080/index.html`)).toBe("hello");
  expect(await engine.ok("ps", "--format", "{{.Ports}}")).toBe("0.0.0.0:8080->80/tcp, [::]:8080->80/tcp, 0.0.0.0:8081->53/udp, [::]:8081->53/udp");
  await engine.ok("rm", "-f", "web");
  expect(rules()).not.toContain("8080");
  expect(sh(`${fetchPage} http://[::1]:8080/index.html`).code).not.toBe(0);
  await engine.ok("network", "rm", "six");
  expect(rules()).not.toContain("table ip6");
});

test("walls stand for IPv6, too; published addresses and fixed ones", async () => {
  await engine.ok("network", "create", "--ipv6", "left");
  await engine.ok("network", "create", "--ipv6", "--internal", "--subnet", "fd43::/64", "right");
  const [{ IPAM }] = JSON.parse(await engine.ok("network", "inspect", "left"));
  expect(IPAM.Config[1].Subnet).toMatch(/^fd[0-9a-f:]+::\/64$/);
  await host.web("server", "--network", "left", "-p", `[${HOST6}]:82:80`, "-p", "[::1]:83:80");
  const address = await engine.inspect("server", "{{.NetworkSettings.Networks.left.GlobalIPv6Address}}");
  await engine.ok("run", "-d", "--name", "client", "--network", "right:ip6=fd43::77", "bb", "sleep", "100");
  expect(await engine.inspect("client", "{{.NetworkSettings.Networks.right.GlobalIPv6Address}}")).toBe("fd43::77");
  const ask = (url: string) => engine.run("exec", "client", "timeout", "2", "wget", "-qO-", url);
  expect((await ask(`http://[${address}]/index.html`)).exitCode).not.toBe(0);
  expect((await ask(`http://[${INTERNET6}]/`)).exitCode).not.toBe(0);
  host.there(`ip -6 route add fd00::/8 via ${HOST6}`);
  expect(host.there(`timeout 2 busybox wget -qO- http://[${address}]/index.html`)).toBe("");
  expect(host.there(`${fetchPage} http://[${HOST6}]:82/index.html`)).toBe("hello");
  expect(sh(`${fetchPage} http://[::1]:83/index.html`).out).toBe("hello");
  expect(sh(`${fetchPage} http://[::1]:82/index.html`).code).not.toBe(0);
  expect(await engine.fails(125, "run", "--rm", "--network", "right", "--ip6", "fd43::77", "bb", "true")).toContain(
    "Address already in use: fd43::77",
  );
  expect(await engine.fails(125, "run", "--rm", "--network", "right", "--ip6", "fd99::1", "bb", "true")).toContain(
    "no configured subnet contains IP address fd99::1",
  );
  await engine.ok("network", "connect", "--ip6", "fd43::9", "right", "server");
  expect((await ask("http://[fd43::9]/index.html")).stdout).toBe("hello\n");
  await engine.ok("rm", "-f", "server", "client");
  await engine.ok("network", "rm", "left", "right");
});

test("routed: its own address is seen outside, and its published port reached by it", async () => {
  await engine.ok("network", "create", "--ipv6", "--subnet", "2001:db8:7::/64", "-o", "com.docker.network.bridge.gateway_mode_ipv6=routed", "own");
  host.there(`ip -6 route add 2001:db8:7::/64 via ${HOST6}`);
  await host.web("web", "--network", "own", "-p", "8080:80");
  expect(await engine.ok("exec", "web", "wget", "-qO-", `http://[${INTERNET6}]/`)).toBe("2001:db8:7::2");
  expect(host.there(`${fetchPage} http://[2001:db8:7::2]/index.html`)).toBe("hello");
  await engine.ok("exec", "-d", "web", "httpd", "-f", "-p", "81", "-h", "/");
  expect(host.there("timeout 2 busybox wget -qO- http://[2001:db8:7::2]:81/index.html")).toBe("");
  await engine.ok("rm", "-f", "web");
  await engine.ok("network", "rm", "own");
});

test("names: AAAA and PTR", async () => {
  await engine.ok("network", "create", "--subnet", "10.44.0.0/24", "--subnet", "fd44::/64", "names6");
  await engine.ok("run", "-d", "--name", "one", "--network", "names6", "bb", "sleep", "100");
  const asked = async (name: string, ...more: string[]) => engine.ok("run", "--rm", "--network", "names6", "bb", "nslookup", ...more, name);
  expect(await asked("one", "-type=aaaa")).toContain("Address: fd44::2");
  expect(await asked("fd44::2")).toContain("name = one.names6");
  await engine.ok("rm", "-f", "one");
  await engine.ok("network", "rm", "names6");
});

test("UDP on [::1] and on 127.0.0.1", async () => {
  await engine.ok("run", "-d", "--name", "echo", "-p", "5353:53/udp", "bb", "sleep", "100");
  const pid = await engine.inspect("echo", "{{.State.Pid}}");
  const program = "Bun.udpSocket({ port: 53, hostname: '0.0.0.0', socket: { data: (s, data, port, address) => s.send(data, port, address) } })";
  await using server = Bun.spawn(["nsenter", "-t", pid, "-n", process.execPath, "-e", program]);
  const answer = async (address: string) => {
    const reply = Promise.withResolvers<string>();
    const socket = await Bun.udpSocket({
      hostname: address.includes(":") ? "::" : "0.0.0.0",
      connect: { hostname: address, port: 5353 },
      socket: { data: (_, data) => reply.resolve(data.toString()) },
    });
    let tries = 0;
    await until("an answer", async () => {
      socket.send(`ping ${tries++}`);
      return Promise.race([reply.promise.then(() => true), Bun.sleep(300).then(() => false)]);
    });
    socket.close();
    return reply.promise;
  };
  expect(await answer("::1")).toStartWith("ping");
  expect(await answer("127.0.0.1")).toStartWith("ping");
  server.kill("SIGKILL");
});

test("a host whose IPv6 is switched off: ports on IPv4 alone, and no network with IPv6", async () => {
  const run = (...args: string[]) => {
    const off = 'busybox ifconfig lo up; echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6; exec dist/berth "$@"';
    const { stdout, stderr, exitCode } = Bun.spawnSync(["unshare", "-n", "sh", "-c", off, "sh", ...args], { env: engine.env });
    return { out: stdout.toString(), err: stderr.toString(), exitCode };
  };
  expect(run("network", "create", "--ipv6", "x")).toMatchObject({ err: "berth: cannot make a network with IPv6: this host has none\n", exitCode: 1 });
  const { out, exitCode } = run("run", "--rm", "-p", "8080:80", "bb", "ip", "-6", "addr", "show", "eth0");
  expect({ out, exitCode }).toEqual({ out: "", exitCode: 0 });
  await engine.ok("network", "prune", "-f");
});

test("whoever is on a bridge tells the host nothing about routes", async () => {
  sh("echo 0 > /proc/sys/net/ipv6/conf/all/forwarding; echo 1 > /proc/sys/net/ipv6/conf/out0/accept_ra");
  await engine.ok("network", "create", "--ipv6", "quiet");
  await engine.ok("run", "-d", "--name", "a", "--network", "quiet", "bb", "sleep", "100");
  const bridge = sh("ls /proc/sys/net/ipv6/conf | grep ^br-").out.split("\n");
  for (const link of bridge) expect(sh(`cat /proc/sys/net/ipv6/conf/${link}/accept_ra`).out).toBe("0");
  const pid = Number(await engine.inspect("a", "{{.State.Pid}}"));
  expect(inside(pid, "cat /proc/sys/net/ipv6/conf/eth0/accept_ra").out).toBe("0");
  // The uplink goes on listening, though the host forwards now.
  expect(sh("cat /proc/sys/net/ipv6/conf/all/forwarding /proc/sys/net/ipv6/conf/out0/accept_ra").out).toBe("1\n2");
  await engine.ok("rm", "-f", "a");
  await engine.ok("network", "rm", "quiet");
});
