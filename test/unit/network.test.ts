import { expect, test } from "bun:test";
import { parsePublish } from "../../src/cli/network-flags.ts";
import { contains, firstFree, formatAddress, formatSubnet, overlaps, parseAddress, parseSubnet, type Subnet } from "../../src/network/address.ts";
import { buildAnswer, parseQuery, RCODE, reversedAddress } from "../../src/network/dns-message.ts";

test.each([
  ["10.0.0.1", "10.0.0.1"],
  ["::1", "::1"],
  ["FD00:0:0:1::2", "fd00:0:0:1::2"],
  ["1:0:0:2:0:0:0:3", "1:0:0:2::3"],
  ["::", "::"],
  ["1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"],
  ["::ffff:10.1.2.3", "::ffff:a01:203"],
  ["fe80::", "fe80::"],
])("address %s", (text, shown) => {
  expect(formatAddress(parseAddress(text) as Buffer)).toBe(shown);
});

test.each([
  "",
  "10.0.0",
  "10.0.0.256",
  "10.0.0.01",
  "1.2.3.4.",
  "1.2.3.4.5",
  ":",
  ":::",
  "1:2:3:4:5:6:7:8:9",
  "[::1]",
  "1::2::3",
  "fe80::1%eth0",
  "x",
])("%p is no address", (text) => {
  expect(parseAddress(text)).toBeUndefined();
});

test("subnets", () => {
  const subnet = (text: string) => parseSubnet(text) as Subnet;
  expect(formatSubnet(subnet("10.1.2.3/8"))).toBe("10.0.0.0/8");
  expect(formatSubnet(subnet("fd00::5/64"))).toBe("fd00::/64");
  for (const wrong of ["10.0.0.0", "10.0.0.0/33", "x/8", "10.0.0.0/-1"]) expect(parseSubnet(wrong)).toBeUndefined();
  expect(contains(subnet("10.0.0.0/24"), parseAddress("10.0.0.255") as Buffer)).toBe(true);
  expect(contains(subnet("10.0.0.0/24"), parseAddress("10.0.1.0") as Buffer)).toBe(false);
  expect(overlaps(subnet("10.0.0.0/8"), subnet("10.9.0.0/16"))).toBe(true);
  expect(overlaps(subnet("10.0.0.0/16"), subnet("10.1.0.0/16"))).toBe(false);
  // Neither its own address nor that of all.
  const tiny = subnet("10.0.0.0/30");
  const all = (from: bigint) => from;
  expect(formatAddress(firstFree(tiny, tiny, ["10.0.0.1"], all) as Buffer)).toBe("10.0.0.2");
  expect(firstFree(tiny, tiny, ["10.0.0.1", "10.0.0.2"], all)).toBeUndefined();
  expect(firstFree(tiny, tiny, ["10.0.0.1"], (from) => (from < 0x0a000003n ? 0x0a000003n : from))).toBeUndefined();
});

test.each([
  ["80", [["", 0, 80, "tcp"]]],
  ["8080:80", [["", 8080, 80, "tcp"]]],
  ["127.0.0.1:8080:80/udp", [["127.0.0.1", 8080, 80, "udp"]]],
  ["127.0.0.1::80", [["127.0.0.1", 0, 80, "tcp"]]],
  ["0.0.0.0:8080:80", [["0.0.0.0", 8080, 80, "tcp"]]],
  ["[::1]:8080:80", [["::1", 8080, 80, "tcp"]]],
  ["8000-8010:80", [["", 8000, 80, "tcp"]]],
  [":80", [["", 0, 80, "tcp"]]],
  [
    "8000-8001:80-81",
    [
      ["", 8000, 80, "tcp"],
      ["", 8001, 81, "tcp"],
    ],
  ],
])("-p %s", (text, ports) => {
  expect(parsePublish(text).map((p) => [p.hostIp, p.hostPort, p.containerPort, p.protocol] as (string | number)[])).toEqual(ports);
});

test.each(["", "x", "80/icmp", "0", "65536", "1:2:3:4", "999.0.0.1:80:80", "80-79", "1-2:3-5", "[x]:80:80", "a:80"])("-p %p is refused", (text) => {
  expect(() => parsePublish(text)).toThrow();
});

test("DNS messages of strangers", () => {
  const query = Buffer.from("123401000001000000000000036f6e65036e657400 00010001".replace(" ", ""), "hex");
  const question = parseQuery(query);
  expect(question).toMatchObject({ id: 0x1234, name: "one.net", type: 1, isInternet: true, length: query.length });
  const answer = buildAnswer(query, question as NonNullable<typeof question>, RCODE.ok, [Buffer.from([10, 0, 0, 1])]);
  expect(answer.toString("hex")).toBe("123481800001000100000000036f6e65036e6574000001 0001c00c00010001000000050004 0a000001".replaceAll(" ", ""));
  expect(reversedAddress("4.3.2.1.in-addr.arpa")).toBe("1.2.3.4");
  expect(reversedAddress(`5.${"0.".repeat(28)}0.d.f.ip6.arpa`)).toBe("fd00::5");
  // Cut off, changed and random ones: an answer or none, never an exception.
  for (let at = 0; at < query.length; at++) expect(parseQuery(query.subarray(0, at))).toBeUndefined();
  for (let round = 0; round < 20_000; round++) {
    const bytes = round % 2 === 0 ? Buffer.from(query) : Buffer.from(crypto.getRandomValues(new Uint8Array(round % 80)));
    if (bytes.length > 0) bytes[Math.floor(Math.random() * bytes.length)] = Math.floor(Math.random() * 256);
    const parsed = parseQuery(bytes);
    if (parsed) expect(buildAnswer(bytes, parsed, RCODE.noSuchName, []).length).toBe(parsed.length);
  }
});
