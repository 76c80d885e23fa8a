/** Networks on Debian's kernel: without nf_tables and with it, and kinds of links that not every kernel has. */
import { beforeAll, expect, test } from "bun:test";
import { BOOT_TIMEOUT, Machine } from "./machine.ts";

const web = (name: string, flags: string) =>
  `berth run -d --name ${name} ${flags} bb sh -c 'echo hello > /index.html; exec httpd -f -h /' > /dev/null; sleep 1`;
// A second network namespace stands for the internet.
const there = (script: string) => `nsenter -t $(cat /tmp/internet) -n ${script}`;
const get = (url: string) => `timeout 10 wget -qO- ${url} 2>&1`;

// Each runs in the machine in turn; a test looks at the output, then the exit code, of one.
const SCRIPTS = {
  setUp: `mkdir /www; echo the internet > /www/index.html
    unshare -n sleep 100000 & echo $! > /tmp/internet; sleep 1; modprobe veth; modprobe bridge
    ip link add out0 type veth; ip link set veth0 name in0; ip link set in0 netns $(cat /tmp/internet)
    ip addr add 198.51.100.1/24 dev out0; ip -6 addr add 2001:db8::1/64 dev out0; ip link set out0 up
    ${there("ip link set lo up")}; ${there("ip addr add 198.51.100.2/24 dev in0")}; ${there("ip -6 addr add 2001:db8::2/64 dev in0")}
    ${there("ip link set in0 up")}; ${there("httpd -h /www")}
    ip route add default via 198.51.100.2; ip -6 route add default via 2001:db8::2; sleep 2; echo /none > /proc/sys/kernel/modprobe`,
  bare: `${web("web", "-p 8080:80")}
    for address in 127.0.0.1 [::1] 198.51.100.1; do ${get("http://$address:8080/index.html")}; done
    ${there(get("http://198.51.100.1:8080/index.html"))}
    berth run --rm bb ${get("http://198.51.100.1:8080/index.html")}
    berth run --rm bb sh -c 'timeout 3 wget -qO- http://198.51.100.2/index.html; echo no way' 2>/dev/null; berth port web; berth rm -f web`,
  bareWalls: `berth network create a; berth network create --subnet 10.77.0.0/24 b; ${web("far", "--network b")}
    berth run --rm --network b bb ${get("http://far/index.html")}
    berth run --rm --network a bb sh -c 'timeout 3 wget -qO- http://10.77.0.2/index.html; echo no way' 2>/dev/null; cat /proc/sys/net/ipv4/ip_forward
    berth run --rm -p 80:80/sctp bb true; berth rm -f far; berth network rm a b`,
  tables: `echo /sbin/modprobe > /proc/sys/kernel/modprobe; berth network prune -f; ${web("web", "-p 8080:80")}
    for address in 127.0.0.1 198.51.100.1; do ${get("http://$address:8080/index.html")}; done
    ${there(get("http://198.51.100.1:8080/index.html"))}; berth exec web ${get("http://198.51.100.2/index.html")}; berth rm -f web`,
  ipv6: `berth network create --ipv6 six >/dev/null; ${web("web", "--network six -p 8080:80")}
    ${there(get("http://[2001:db8::1]:8080/index.html"))}; berth exec web ${get("http://[2001:db8::2]/index.html")}
    berth rm -f web; berth network rm six`,
  netem: `berth run -d --name late --net-delay 200ms --bandwidth 80mbit bb sleep 100 >/dev/null; sleep 1
    berth exec late ping -c 2 172.17.0.1 | awk -F/ '/min/{print ($4 > 150)}'
    berth update --net-delay 0 late; berth exec late ping -c 2 172.17.0.1 | awk -F/ '/min/{print ($4 > 150)}'
    berth update --net-loss 100% late; berth exec late ping -c 2 -W 2 172.17.0.1 | grep loss; berth rm -f late`,
  ipvlan: `berth network create -d ipvlan --subnet 198.51.100.0/24 --gateway 198.51.100.2 --ip-range 198.51.100.96/27 -o parent=out0 ipv >/dev/null
    berth run --rm --network ipv bb ${get("http://198.51.100.2/index.html")}; berth network rm ipv`,
  vlan: `berth network create -d macvlan --subnet 10.61.0.0/24 -o parent=out0.61 tagged >/dev/null
    ${there("ip link add link in0 name in0.61 type vlan id 61")}; ${there("ip addr add 10.61.0.9/24 dev in0.61")}; ${there("ip link set in0.61 up")}
    berth run --rm --network tagged bb ${get("http://10.61.0.9/index.html")}; berth network rm tagged; ip link | grep -c out0.61`,
  dummy: `berth network create -d macvlan --subnet 10.62.0.0/24 apart >/dev/null; ${web("one", "--network apart")}
    berth run --rm --network apart bb ${get("http://one/index.html")}; berth rm -f one; berth network rm apart; ip link | grep -c dm-`,
};

let machine: Machine;
beforeAll(() => {
  const netfilter = ["net/netfilter", "net/ipv4/netfilter", "net/ipv6/netfilter", "lib/libcrc32c.ko", "crypto/crc32c_generic.ko"];
  const links = ["drivers/net/veth.ko", "drivers/net/macvlan.ko", "drivers/net/ipvlan", "drivers/net/dummy.ko", "net/bridge", "net/802", "net/llc"];
  machine = Machine.boot({ scripts: SCRIPTS, modules: ["fs/overlayfs", ...netfilter, ...links, "net/8021q", "net/sched"] });
}, BOOT_TIMEOUT + 60_000);
const said = (name: keyof typeof SCRIPTS) => machine.said(name);

const WARNING = expect.stringContaining("the kernel has no nf_tables: berth itself passes on what comes to published ports");

test("without nf_tables: ports are passed on, names answered, and it is said what cannot be had", () => {
  expect(said("setUp")).toBe("exit 0\n");
  const [first, ...rest] = said("bare").split("\n");
  expect(first).toEqual(WARNING);
  expect(rest.slice(0, 4)).toEqual(["hello", "hello", "hello", "hello"]); // 127.0.0.1, ::1, the host's address, from there
  expect(rest.slice(4)).toEqual([WARNING, "hello", "no way", "80/tcp -> 0.0.0.0:8080", "80/tcp -> [::]:8080", "web", "exit 0", ""]);
});

test("without nf_tables no way leads from one network to another", () => {
  const [, , ...rest] = said("bareWalls").split("\n");
  expect(rest).toEqual([
    WARNING,
    WARNING,
    "hello",
    "no way",
    "0",
    expect.stringContaining("an sctp port cannot be published: the kernel has no nf_tables"),
    "far",
    "a",
    "b",
    "exit 0",
    "",
  ]);
});

test("with the modules loaded by the kernel", () => {
  expect(said("tables").split("\n").slice(1)).toEqual(["hello", "hello", "hello", "the internet", "web", "exit 0", ""]);
  expect(said("ipv6").split("\n").slice(1)).toEqual(["hello", "the internet", "web", "six", "exit 0", ""]);
});

test("delay and loss", () => {
  expect(said("netem")).toBe("1\nlate\n0\nlate\n2 packets transmitted, 0 packets received, 100% packet loss\nlate\nexit 0\n");
});

test("ipvlan, VLANs, a network without a parent", () => {
  expect(said("ipvlan")).toBe("the internet\nipv\nexit 0\n");
  expect(said("vlan")).toBe("the internet\ntagged\n0\nexit 1\n");
  expect(said("dummy")).toBe("hello\none\napart\n0\nexit 1\n");
});
