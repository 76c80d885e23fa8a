/** Bridges, published ports and walls, names. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { TestEngine, until } from "./engine.ts";
import { ConnectedHost, fetchPage, HOST, INTERNET, inside, rules, sh } from "./internet.ts";

let host: ConnectedHost;
let engine: TestEngine;

beforeAll(async () => {
  host = await ConnectedHost.make();
  engine = host.engine;
});
afterAll(() => host[Symbol.asyncDispose]());
afterEach(() => host.removeContainers());

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
    expect(await engine.ok("run", "--rm", "bb", "wget", "-qO-", `http://${INTERNET}/`)).toBe(HOST);
  });

  test("a link's end on the host has no address of its own, which nobody would use", async () => {
    await engine.ok("run", "-d", "--name", "plain", "bb", "sleep", "100");
    await Bun.sleep(300);
    expect(sh("grep -c veth /proc/net/dev").out).toBe("1");
    expect(sh("grep -c veth /proc/net/if_inet6").out).toBe("0");
    await engine.ok("rm", "-f", "plain");
  });

  test("a published port: from the host, from outside, from 127.0.0.1, from containers", async () => {
    await host.web("web", "-p", "8080:80");
    for (const address of ["127.0.0.1", HOST, "172.17.0.1"])
      expect(sh(`${fetchPage} http://${address}:8080/index.html`)).toMatchObject({ out: "hello", code: 0 });
    expect(inside(host.internet, `${fetchPage} http://${HOST}:8080/index.html`).out).toBe("hello");
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
    await host.web("web", "-p", `${HOST}:81:80`, "-p", "9000-9001:80-81/udp", "-p", "80", "--expose", "99", "-P");
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
    await host.web("web", "-p", "8080:80");
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
    await host.web("web", "-p", "8080:80");
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

  test("a monitor that is killed has a successor, which holds the ports, passes on, and tells names", async () => {
    await engine.ok("network", "create", "named");
    await host.web("web", "-p", "8080:80", "--network", "named");
    await engine.ok("run", "-d", "--name", "neighbour", "--network", "named", "bb", "sleep", "1000");
    process.kill(await engine.monitorOf("web"), "SIGKILL");
    await until("its successor", async () => {
      await engine.ok("ps");
      return (await engine.inspect("web", "{{.State.TakenOverAt}}")) !== "0001-01-01T00:00:00Z";
    });
    for (const address of ["127.0.0.1", "[::1]"])
      await until(`a page by ${address}`, () => sh(`${fetchPage} http://${address}:8080/index.html`).out === "hello");
    for (const hostname of ["0.0.0.0", "::"]) expect(() => Bun.listen({ hostname, port: 8080, socket: { data() {} } })).toThrow("Failed to listen");
    const address = await engine.inspect("neighbour", "{{.NetworkSettings.Networks.named.IPAddress}}");
    expect((await engine.run("exec", "web", "nslookup", "-type=a", "neighbour", "127.0.0.11")).stdout).toContain(address);
    await engine.ok("rm", "-f", "web", "neighbour");
    await engine.ok("network", "rm", "named");
  });

  test("what is killed leaves no rule, address, port or link", async () => {
    await host.web("web", "-p", "8080:80");
    const [monitor] = engine.processes();
    const pid = Number(await engine.inspect("web", "{{.State.Pid}}"));
    process.kill(monitor as number, "SIGKILL");
    process.kill(pid, "SIGKILL");
    await until("its end", () => !sh("ip -o link").out.includes("veth"));
    expect(await engine.ok("ps", "-q")).toBe("");
    expect(rules()).not.toContain("8080");
    await engine.ok("rm", "web");
    await host.web("web", "-p", "8080:80");
    expect(await engine.inspect("web", "{{.NetworkSettings.IPAddress}}")).toBe("172.17.0.2");
    await engine.ok("rm", "-f", "web");
  });
});

describe("networks", () => {
  test("the default one is there from the beginning, and has the first addresses", async () => {
    await using fresh = TestEngine.empty();
    expect(await fresh.ok("network", "ls", "--format", "{{.Name}}")).toBe("bridge\nhost\nnone");
    await fresh.ok("network", "create", "own");
    const subnets = await fresh.ok("network", "inspect", "-f", "{{(index .IPAM.Config 0).Subnet}}", "bridge", "own");
    const [first = 0, second = 0] = subnets.split("\n").map((subnet) => Number(subnet.split(".")[1]));
    expect(first).toBeLessThan(second);
  });

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
    await host.web("server", "--network", "left");
    await engine.ok("run", "-d", "--name", "client", "--network", "right", "bb", "sleep", "100");
    const ask = (url: string) => engine.run("exec", "client", "timeout", "2", "wget", "-qO-", url);
    expect((await ask("http://10.31.0.2/index.html")).exitCode).not.toBe(0);
    expect((await ask(`http://${INTERNET}/`)).exitCode).not.toBe(0);
    // From outside, a container is reached by published ports only.
    inside(host.internet, `ip route add 10.31.0.0/24 via ${HOST}`);
    expect(inside(host.internet, "timeout 2 busybox wget -qO- http://10.31.0.2/index.html").code).not.toBe(0);
    await engine.ok("network", "connect", "left", "client");
    expect((await ask("http://10.31.0.2/index.html")).stdout).toBe("hello\n");
    expect((await ask(`http://${INTERNET}/`)).exitCode).toBe(0);
    expect(await engine.inspect("client", "{{range $name, $net := .NetworkSettings.Networks}}{{$name}}={{$net.IPAddress}} {{end}}")).toBe(
      "left=10.31.0.3 right=10.32.0.2 ",
    );
    await engine.ok("network", "disconnect", "left", "client");
    expect((await ask("http://10.31.0.2/index.html")).exitCode).not.toBe(0);
    // The ports that led to the address it loses lead nowhere: the next one has it.
    await host.web("moved", "-p", "8089:80");
    await engine.ok("network", "connect", "left", "moved");
    await engine.ok("pause", "moved");
    await engine.ok("network", "disconnect", "bridge", "moved");
    await engine.ok("unpause", "moved");
    await host.web("next");
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
    await until("the pod", () => inside(host.internet, `${fetchPage} http://${HOST}:8088/index.html`).out === "from the backend");
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
    const id = await engine.ok(
      "run",
      "-d",
      "--name",
      "one",
      "--network",
      "names",
      "--network-alias",
      "www",
      "--hostname",
      "box",
      "bb",
      "sleep",
      "100",
    );
    await engine.ok("run", "-d", "--name", "asker", "--network", "names", "--dns", INTERNET, "bb", "sleep", "100");
    const ask = async (name: string, ...more: string[]) => {
      const { stdout } = await engine.run("exec", "asker", "nslookup", ...more, name);
      return [...stdout.matchAll(/^(?:Address: |.*name = )(\S+)$/gm)].map(([, found]) => found).join(" ");
    };
    const address = await engine.inspect("one", "{{.NetworkSettings.Networks.names.IPAddress}}");
    for (const name of ["one", "ONE", "www", "one.names", id.slice(0, 12), "box", "box.names"]) expect(await ask(name)).toBe(address);
    const names = await engine.inspect("one", "{{.NetworkSettings.Networks.names.DNSNames}}");
    expect(names).toBe(`[one www ${id.slice(0, 12)} box]`);
    expect(await ask(address)).toBe("one.names");
    expect(await ask("asker")).not.toBe("");
    // A resolver on "the internet" that knows one name.
    const program = `Bun.udpSocket({ port: 53, hostname: "${INTERNET}", socket: { data(s, q, port, address) {
      q = Buffer.from(q); const known = q.includes("example"); const a = Buffer.concat([q, Buffer.from("c00c00010001000000050004cb007107", "hex")]);
      q.writeUInt16BE(known ? 0x8180 : 0x8183, 2); a.writeUInt16BE(0x8180, 2); a.writeUInt16BE(1, 6);
      s.send(known && q.readUInt16BE(q.length - 4) === 1 ? a : q, port, address); } } })`;
    const resolver = Bun.spawn(["nsenter", "-t", String(host.internet), "-n", process.execPath, "-e", program]);
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

test("who joins a network while it runs finds neighbours there, and its own files tell", async () => {
  await engine.ok("network", "create", "later");
  await engine.ok("run", "-d", "--name", "db", "--network", "later", "bb", "sleep", "100");
  await engine.ok("run", "-d", "--name", "app", "bb", "sleep", "100");
  const db = await engine.inspect("db", "{{.NetworkSettings.Networks.later.IPAddress}}");
  expect((await engine.run("exec", "app", "ping", "-c", "1", "-W", "1", db)).exitCode).not.toBe(0);
  await engine.ok("network", "connect", "later", "app");
  // At once: the command has waited for the monitor.
  await engine.ok("exec", "app", "ping", "-c", "1", "-W", "1", "db");
  expect(await engine.ok("exec", "app", "cat", "/etc/resolv.conf")).toContain("nameserver 127.0.0.11");
  const address = await engine.inspect("app", "{{.NetworkSettings.Networks.later.IPAddress}}");
  expect(await engine.ok("exec", "app", "cat", "/etc/hosts")).toContain(`${address}\t`);
  // What somebody in the container wrote is his.
  await engine.ok("exec", "app", "sh", "-c", "echo 10.9.9.9 mine >> /etc/hosts");
  // The way out goes by what is left.
  await engine.ok("network", "disconnect", "bridge", "app");
  expect(await engine.ok("exec", "app", "wget", "-qO-", `http://${INTERNET}/`)).toBe(HOST);
  expect(await engine.ok("exec", "app", "cat", "/etc/hosts")).toContain("10.9.9.9 mine");
  await engine.ok("rm", "-f", "app", "db");
  await engine.ok("network", "rm", "later");
});

test("a network that only stopped containers are on is removed; they say so, and find one of its name again", async () => {
  await engine.ok("network", "create", "gone");
  await engine.ok("create", "--name", "c", "--network", "gone:alias=x", "bb", "sleep", "100");
  expect(await engine.ok("network", "rm", "gone")).toBe("gone");
  expect(await engine.fails(1, "start", "c")).toContain("network gone not found");
  await engine.ok("network", "create", "gone");
  await engine.ok("start", "c");
  expect(await engine.inspect("c", "{{json .NetworkSettings.Networks.gone.Aliases}}")).toBe('["x"]');
  expect(await engine.fails(1, "network", "rm", "gone")).toContain("has active endpoints");
  await engine.ok("rm", "-f", "c");
  await engine.ok("create", "--name", "d", "--network", "gone", "bb", "true");
  await engine.ok("network", "prune", "-f");
  await engine.ok("network", "disconnect", "gone", "d");
  await engine.ok("start", "-a", "d");
});

test("the host's network and none are told, and cannot be joined by others", async () => {
  expect(JSON.parse(await engine.ok("network", "inspect", "host", "none"))).toMatchObject([
    { Name: "host", Driver: "host" },
    { Name: "none", Driver: "null" },
  ]);
  const alone = await engine.ok("run", "-d", "--name", "alone", "--network", "none", "bb", "sleep", "100");
  expect(await engine.inspect("alone", "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}}{{end}}")).toBe("none");
  expect(JSON.parse(await engine.ok("network", "inspect", "-f", "{{json .Containers}}", "none"))).toMatchObject({ [alone]: { Name: "alone" } });
  expect(await engine.fails(1, "network", "connect", "bridge", "alone")).toContain("was made without a network (none)");
});

test("a port with nothing but connections of before can be had", async () => {
  const server = Bun.listen({ hostname: "127.0.0.1", port: 7100, socket: { open: (socket) => void socket.end(), data() {} } });
  // The side that ends it first keeps the port for a while.
  const ended = Promise.withResolvers<void>();
  await Bun.connect({ hostname: "127.0.0.1", port: 7100, socket: { data() {}, end: (socket) => void socket.end(), close: () => ended.resolve() } });
  await ended.promise;
  server.stop(true);
  await until("the connection's end", () => sh("ss -tan state time-wait").out.includes(":7100"));
  await engine.ok("run", "--rm", "-p", "7100:80", "bb", "true");
});

test("network connect --link and rm --link hold at once, in a container that runs", async () => {
  await engine.ok("network", "create", "linked");
  await engine.ok("run", "-d", "--name", "store", "--network", "linked", "bb", "sleep", "100");
  await engine.ok("run", "-d", "--name", "front", "bb", "sleep", "100");
  await engine.ok("network", "connect", "--link", "store:database", "linked", "front");
  await engine.ok("exec", "front", "ping", "-c", "1", "-W", "1", "database");
  expect(await engine.ok("rm", "--link", "/front/database")).toBe("/front/database");
  expect(await engine.ok("exec", "front", "cat", "/etc/hosts")).not.toContain("database");
  expect(await engine.fails(1, "network", "connect", "--link", "nope", "bridge", "store")).toContain("No such container: nope");
  await engine.ok("rm", "-f", "store", "front");
  await engine.ok("network", "rm", "linked");
});

test("the first free port of a range", async () => {
  await engine.ok("run", "-d", "--name", "a", "-p", "7000-7001:80", "bb", "sleep", "100");
  await engine.ok("run", "-d", "--name", "b", "-p", "7000-7001:80", "bb", "sleep", "100");
  expect(await engine.ok("port", "b", "80")).toBe("0.0.0.0:7001\n[::]:7001");
  expect(await engine.fails(125, "run", "--rm", "-p", "7000-7001:80", "bb", "true")).toContain("Bind for 0.0.0.0:7001 failed");
});

test("--link: another container's address under a name", async () => {
  const id = await engine.ok("run", "-d", "--name", "db", "bb", "sleep", "100");
  expect(
    await engine.ok("run", "--rm", "--link", "db:database", "bb", "sh", "-c", "grep database /etc/hosts; ping -c 1 -W 1 database | head -1"),
  ).toMatch(new RegExp(`^172\\.\\d+\\.0\\.2\tdatabase ${id.slice(0, 12)} db\nPING database`));
  await engine.ok("run", "-d", "--name", "db-2", "--expose", "5432", "-e", "USER=u", "bb", "sleep", "100");
  const linked = await engine.ok("run", "--rm", "--link", "db-2:my-db", "bb", "sh", "-c", "env | grep ^MY_DB | sort");
  const ip = await engine.inspect("db-2", "{{.NetworkSettings.IPAddress}}");
  expect(linked.replace(/=\/\w+\//, "=/NAME/").split("\n")).toEqual([
    "MY_DB_ENV_USER=u",
    "MY_DB_NAME=/NAME/my-db",
    `MY_DB_PORT=tcp://${ip}:5432`,
    `MY_DB_PORT_5432_TCP=tcp://${ip}:5432`,
    `MY_DB_PORT_5432_TCP_ADDR=${ip}`,
    "MY_DB_PORT_5432_TCP_PORT=5432",
    "MY_DB_PORT_5432_TCP_PROTO=tcp",
  ]);
  await engine.ok("rm", "-f", "db-2");
  const elsewhere = await engine.ok("run", "-d", "--network", "none", "--name", "elsewhere", "bb", "sleep", "100");
  expect(await engine.fails(125, "run", "--rm", "--link", "elsewhere", "bb", "true")).toContain("Cannot link to /elsewhere, as it does not belong");
  await engine.ok("kill", elsewhere);
  expect(await engine.fails(125, "run", "--rm", "--link", "elsewhere:x", "bb", "true")).toContain(
    "Cannot link to a non running container: /elsewhere AS",
  );
  expect(await engine.fails(125, "run", "--link", "nope", "bb", "true")).toContain("could not get container for nope: No such container: nope");
});
