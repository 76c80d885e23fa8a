import { describe, expect, test } from "bun:test";
import { decodeName, encodeName } from "../../ffi/file-name.ts";
import { cString } from "../../ffi/libc.ts";
import { parseDevice, parseMount, parseTmpfs, parseUlimit, parseVolume } from "../../src/cli/mount-flags.ts";
import { parseDuration, parseSize, parseTime, splitCsv } from "../../src/cli/values.ts";
import { testOfFilters } from "../../src/engine/filters.ts";
import { hasLabel } from "../../src/engine/list-containers.ts";

test("sizes", () => {
  for (const [text, bytes] of [
    ["0", 0],
    ["64", 64],
    ["64b", 64],
    ["1k", 1024],
    ["1.5g", 1.5 * 2 ** 30],
    ["64M", 64 << 20],
    ["2mb", 2 << 20],
    ["1GiB", 2 ** 30],
  ] as const) {
    expect(parseSize(text)).toBe(bytes);
  }
  for (const text of ["", "m", "1x", "-1", "1 2", "0x10"]) expect(() => parseSize(text)).toThrow("expected a size");
});

test("durations and times", () => {
  expect(parseDuration("1h30m")).toBe(5_400_000);
  expect(parseDuration("1.5s")).toBe(1500);
  expect(parseDuration("10")).toBeUndefined();
  expect(parseTime("10m", 1_000_000)).toBe(400_000);
  expect(parseTime("1700000000.5", 0)).toBe(1_700_000_000_500);
  expect(parseTime("2026-01-02T15:04:05.5Z", 0)).toBe(Date.UTC(2026, 0, 2, 15, 4, 5, 500));
  expect(parseTime("2026-01-02T15:04:05+01:00", 0)).toBe(Date.UTC(2026, 0, 2, 14, 4, 5));
  expect(() => parseTime("tomorrow", 0)).toThrow("expected a time");
});

test("csv", () => {
  expect(splitCsv('a,"b,c",d""')).toEqual(["a", "b,c", 'd""']);
  expect(splitCsv('"x ""y"""')).toEqual(['x "y"']);
});

describe("-v", () => {
  test("binds, volumes, anonymous ones", () => {
    expect(parseVolume("/a:/b")).toMatchObject({ type: "bind", source: "/a", target: "/b", readOnly: false, createSource: true });
    expect(parseVolume("/a:/b:ro,rslave")).toMatchObject({ readOnly: true, propagation: "rslave" });
    expect(parseVolume("vol:/b/:ro,nocopy")).toMatchObject({ type: "volume", name: "vol", target: "/b", readOnly: true, noCopy: true });
    expect(parseVolume("/b")).toMatchObject({ type: "volume", anonymous: true, target: "/b" });
  });
  test("refuses what is none", () => {
    for (const text of ["", ":", "a:b", "/a:/b:nope", "/a:/b:c:d", "vol:/", "bad/name:/b", "vol:/b:rslave", "relative"])
      expect(() => parseVolume(text)).toThrow();
  });
});

describe("--mount", () => {
  test("the three types", () => {
    expect(parseMount("type=bind,src=/a,dst=/b,ro")).toMatchObject({ type: "bind", source: "/a", target: "/b", readOnly: true, createSource: false });
    expect(parseMount("src=vol,target=/b,volume-nocopy")).toMatchObject({ type: "volume", name: "vol", noCopy: true });
    expect(parseMount("type=tmpfs,destination=/t,tmpfs-size=1m,tmpfs-mode=1770")).toEqual({
      type: "tmpfs",
      target: "/t",
      options: ["nosuid", "nodev", "noexec", "size=1048576", "mode=1770"],
      isMount: true,
    });
    expect(
      parseMount("src=vol,dst=/b,volume-subpath=a/b,volume-label=x=1=2,volume-opt=type=nfs,volume-opt=device=:/a,consistency=cached"),
    ).toMatchObject({
      subpath: "a/b",
      labels: { x: "1=2" },
      options: { type: "nfs", device: ":/a" },
    });
    const below = "type=bind,src=/a,dst=/b,ro,bind-propagation=rprivate,bind-recursive";
    expect(parseMount(`${below}=readonly`)).toMatchObject({ readOnlyBelow: true });
    expect(parseMount(`${below}=disabled`)).toMatchObject({ recursive: false });
  });
  test("refuses with docker's words", () => {
    expect(() => parseMount("typ=bind")).toThrow("unexpected key 'typ' in 'typ=bind'");
    expect(() => parseMount("type=bind,src=/a")).toThrow("target is required");
    expect(() => parseMount("type=tmpfs,dst=/t,volume-nocopy")).toThrow("cannot mix 'volume-nocopy' with mount type 'tmpfs'");
    expect(() => parseMount("type=cluster,dst=/t")).toThrow("unsupported mount type 'cluster'");
    expect(() => parseMount("dst=/t,ro")).toThrow("must not set ReadOnly mode when using anonymous volumes");
    expect(() => parseMount("src=vol,dst=/t,volume-subpath=../x")).toThrow("invalid value for volume-subpath: ../x");
    expect(() => parseMount("src=vol,dst=/t,volume-driver=nfs")).toThrow("could not find plugin nfs");
    expect(() => parseMount("type=bind,src=/a,dst=/b,bind-recursive=readonly")).toThrow("requires 'readonly'");
  });
});

test("--tmpfs, --device, --ulimit", () => {
  expect(parseTmpfs("/t:size=64m,exec")).toMatchObject({ target: "/t", options: ["noexec", "nosuid", "nodev", "size=64m", "exec"] });
  expect(() => parseTmpfs("/t:nope")).toThrow("invalid tmpfs option");
  expect(parseDevice("/dev/a")).toEqual({ host: "/dev/a", container: "/dev/a", access: "rwm" });
  expect(parseDevice("/dev/a:r")).toEqual({ host: "/dev/a", container: "/dev/a", access: "r" });
  expect(parseDevice("/dev/a:/dev/b:rw")).toEqual({ host: "/dev/a", container: "/dev/b", access: "rw" });
  expect(() => parseDevice("/dev/a:/dev/b:x")).toThrow("expected HOST");
  expect(parseUlimit("nofile=1:2")).toEqual({ name: "nofile", soft: 1, hard: 2 });
  expect(parseUlimit("core=-1")).toEqual({ name: "core", soft: -1, hard: -1 });
  expect(() => parseUlimit("nofile=2:1")).toThrow("soft limit must be less");
  expect(() => parseUlimit("nope=1")).toThrow("invalid ulimit argument");
});

test("names of files that are no UTF-8 survive", () => {
  for (const bytes of [[0x63, 0xe9], [0xff, 0xfe], [0xe2, 0x82], [0xe2, 0x82, 0xac, 0x80], [0xed, 0xb3, 0xa9], [0xf0, 0x9f, 0x98, 0x80, 0xc3], []]) {
    const name = decodeName(Buffer.from(bytes));
    expect([...encodeName(name)]).toEqual(bytes);
  }
  expect(decodeName(Buffer.from("caf\u00e9"))).toBe("caf\u00e9");
  expect(cString(decodeName(Buffer.of(0xe9)))).toEqual(Buffer.of(0xe9, 0));
});

test("filters: of one key any, of several keys all, of labels all", () => {
  const rows = ["a1", "a2", "b1", "b2"];
  const isWanted = (...filters: string[]) =>
    rows.filter(testOfFilters<string>(filters, (key, value) => (row) => (key === "first" ? row[0] === value : row.includes(value))));
  expect(isWanted()).toEqual(rows);
  expect(isWanted("first=a")).toEqual(["a1", "a2"]);
  expect(isWanted("first=a", "first=b", "number=2")).toEqual(["a2", "b2"]);
  expect(isWanted("label=a", "label=2")).toEqual(["a2"]);
  expect(isWanted("label!=a", "label!=2")).toEqual(["a2"]);
  expect(hasLabel({ a: "b" }, "a") && !hasLabel({ a: "b" }, "constructor")).toBe(true);
  expect(() => isWanted("first")).toThrow("bad format of filter");
});
