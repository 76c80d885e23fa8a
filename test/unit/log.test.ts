import { expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { joinJson, parseJson } from "../../src/engine/log-entries.ts";
import { Lines } from "../../src/monitor/log/lines.ts";
import { LogFile } from "../../src/monitor/log/log-file.ts";
import { criRecords, jsonRecords } from "../../src/monitor/log/records.ts";
import { resolvConf } from "../../src/network/files.ts";

const parse = (text: string | Buffer) =>
  String(text)
    .trimEnd()
    .split("\n")
    .map((line) => (JSON.parse(line) as { log: string }).log);

test("what is read at once is what is read line by line", () => {
  const pieces = [
    "plain\n",
    "plain\n",
    "\n",
    'a "quote"\n',
    "back\\slash\n",
    "\\n\n",
    "half",
    "é\n",
    '","stream":"stdout"\n',
    '{"log":"\n',
    "tab\t\n",
  ];
  const pick = <T>(from: readonly T[]) => from[Math.floor(Math.random() * from.length)] as T;
  let joined = 0;
  for (let round = 0; round < 3000; round++) {
    const few = pieces.slice(0, pick([2, 3, pieces.length]));
    const streams = pick([["stdout"], ["stderr"], ["stdout", "stderr"]] as const);
    const records = Array.from({ length: 1 + (round % 9) }, () => {
      const output = Array.from({ length: 1 + Math.floor(Math.random() * 4) }, () => pick(few)).join("");
      const whole = jsonRecords(pick([{}, { label: 'of "it"' }]))(pick(streams), Buffer.from(output), pick(["T1", "T2"]));
      return Math.random() < 0.05 ? `${whole.slice(0, Math.floor(Math.random() * whole.indexOf('","stream"')))}\n` : whole;
    });
    const text = records.join("").slice(0, -1);
    const [entry, ...more] = joinJson(text) ?? [];
    if (!entry) continue;
    joined++;
    const parsed = parseJson(text);
    expect({ ...entry, more }).toMatchObject({ log: parsed.map(({ log }) => log).join(""), stream: parsed[0]?.stream, more: [] });
    expect(new Set(parsed.map(({ stream }) => stream)).size).toBe(1);
  }
  expect(joined).toBeGreaterThan(300);
});

test("lines as records", () => {
  const plain = Buffer.from("one\ntwo\n\nthree");
  const records = jsonRecords()("stdout", plain, "T");
  expect(records).toBe(["one\\n", "two\\n", "\\n", "three"].map((log) => `{"log":"${log}","stream":"stdout","time":"T"}\n`).join(""));
  expect(parse(jsonRecords()("stderr", Buffer.from('q"\\\t\u0001é\nx\n'), "T"))).toEqual(['q"\\\t\u0001é\n', "x\n"]);
});

test("long lines are cut at 16 KiB, between characters", () => {
  const text = "ä".repeat(20_000);
  const pieces = parse(jsonRecords()("stdout", Buffer.from(`${text}\n`), "T"));
  expect(pieces.join("")).toBe(`${text}\n`);
  expect(pieces.every((piece) => Buffer.byteLength(piece) <= 16 * 1024)).toBe(true);
});

test("partial lines wait for their end, by stream", async () => {
  const folder = mkdtempSync(join(tmpdir(), "berth-unit-"));
  const path = join(folder, "log");
  const file = new LogFile({ path, format: "json", maxFiles: 1, compress: false });
  const log = new Lines((stream, bytes) => file.add(stream, bytes));
  for (const [stream, text] of [
    ["stdout", "he"],
    ["stderr", "er"],
    ["stdout", "llo\nwor"],
    ["stderr", "ror\n"],
    ["stdout", "ld"],
  ] as const)
    log.add(stream, Buffer.from(text));
  log.end();
  await file.close();
  expect(parse(readFileSync(path, "utf8"))).toEqual(["hello\n", "error\n", "world"]);
  rmSync(folder, { recursive: true });
});

test("records of Kubernetes' format; attributes in json's", () => {
  expect(criRecords("stderr", Buffer.from("a\nb"), "T")).toBe("T stderr F a\nT stderr P b\n");
  expect(jsonRecords({ a: "b" })("stdout", Buffer.from("x\n"), "T")).toBe('{"log":"x\\n","stream":"stdout","attrs":{"a":"b"},"time":"T"}\n');
});

test("name servers that only the host reaches are left out", () => {
  const none = { dns: [], dnsSearch: [], dnsOptions: [] };
  const host = "# x\nnameserver 127.0.0.53\nnameserver 10.0.0.1\nsearch a\noptions ndots:2\n";
  const bridged = { isBridged: true, hasIPv6: false };
  expect(resolvConf("nameserver fd00::53\nnameserver 10.0.0.1\n", none, bridged)).toBe("nameserver 10.0.0.1\n");
  expect(resolvConf("nameserver fd00::53\n", none, { isBridged: true, hasIPv6: true })).toBe("nameserver fd00::53\n");
  expect(resolvConf(host, none, bridged)).toBe("# x\nnameserver 10.0.0.1\nsearch a\noptions ndots:2\n");
  expect(resolvConf("", none, { isBridged: false, hasIPv6: false })).toBe("");
  expect(resolvConf("nameserver 127.0.0.53\n", none, bridged)).toBe("nameserver 8.8.8.8\nnameserver 8.8.4.4\n");
  expect(resolvConf(host, { dns: ["1.1.1.1"], dnsSearch: ["b", "c"], dnsOptions: ["ndots:1"] }, bridged)).toBe(
    "# x\nnameserver 1.1.1.1\nsearch b c\noptions ndots:1\n",
  );
  expect(resolvConf(host, { ...none, dnsSearch: ["."] }, bridged)).toBe("# x\nnameserver 10.0.0.1\noptions ndots:2\n");
});
