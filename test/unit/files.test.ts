/** ffi/files.ts and ffi/path.ts beside node:fs and node:path. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import * as node from "node:fs";
import { tmpdir } from "node:os";
import { posix } from "node:path";
import * as files from "../../ffi/files.ts";
import * as path from "../../ffi/path.ts";

let folder: string;
beforeAll(() => {
  folder = node.mkdtempSync(posix.join(tmpdir(), "berth-files-"));
});
afterAll(() => node.rmSync(folder, { recursive: true }));
const at = (...names: string[]) => posix.join(folder, ...names);
const codeOf = (action: () => unknown) => {
  try {
    action();
    return "";
  } catch (error) {
    return (error as { code: string }).code;
  }
};

test("paths", () => {
  const pieces = ["", "/", "//", ".", "..", "a", "b/", "/c", "a//b", "../..", "./x", "x/.", "/..", "a/../..", "dir/file.txt"];
  for (const a of pieces) {
    expect([path.normalize(a), path.dirname(posix.normalize(a)), path.basename(a), path.isAbsolute(a)]).toEqual([
      posix.normalize(a),
      posix.dirname(posix.normalize(a)),
      posix.basename(a),
      posix.isAbsolute(a),
    ]);
    for (const b of pieces) {
      expect({ a, b, path: path.join(a, b) }).toEqual({ a, b, path: posix.join(a, b) });
      expect({ a, b, path: path.resolve(a, b) }).toEqual({ a, b, path: posix.resolve(a, b) });
      for (const c of pieces) expect(path.join(a, b, c)).toBe(posix.join(a, b, c));
    }
  }
});

test("reading and writing: sizes around the first read, files of /proc, modes, appending", () => {
  for (const size of [0, 1, 8191, 8192, 8193, 100_000, 3_000_000]) {
    const bytes = Buffer.alloc(size, "0123456789");
    files.writeFileSync(at("f"), bytes, { mode: 0o640 });
    expect(files.readFileSync(at("f")).equals(bytes)).toBe(true);
    expect(node.readFileSync(at("f")).equals(bytes)).toBe(true);
  }
  expect(node.statSync(at("f")).mode & 0o777).toBe(0o640);
  files.writeFileSync(at("text"), "ein Wört");
  files.appendFileSync(at("text"), " mehr");
  expect(files.readFileSync(at("text"), "utf8")).toBe("ein Wört mehr");
  expect(files.readFileSync("/proc/self/status", "utf8")).toContain("Name:");
  expect(files.readFileSync("/proc/kallsyms").length).toBe(node.readFileSync("/proc/kallsyms").length);
  expect([codeOf(() => files.readFileSync(at("no"))), codeOf(() => files.readFileSync(folder))]).toEqual(["ENOENT", "EISDIR"]);
  const fd = files.openSync(at("part"), "wx");
  expect([files.writeSync(fd, "hello"), files.writeSync(fd, Buffer.from("hello"), 2)]).toEqual([5, 3]);
  files.closeSync(fd);
  expect(codeOf(() => files.openSync(at("part"), "wx"))).toBe("EEXIST");
  const read = files.openSync(at("part"), "r");
  const buffer = Buffer.alloc(10, ".");
  expect([files.readSync(read, buffer, 1, 4, 2), buffer.toString()]).toEqual([4, ".llol....."]);
  files.closeSync(read);
});

test("folders: made with those above, listed with types, removed with all below", () => {
  files.mkdirSync(at("a/b/c/"), { recursive: true, mode: 0o750 });
  files.mkdirSync(at("a/b/c"), { recursive: true });
  expect(node.statSync(at("a/b")).mode & 0o777).toBe(0o750);
  files.writeFileSync(at("a/file"), "");
  files.symlinkSync("/etc", at("a/link"));
  expect([codeOf(() => files.mkdirSync(at("a"))), codeOf(() => files.mkdirSync(at("a/file"), { recursive: true }))]).toEqual(["EEXIST", "EEXIST"]);
  expect(codeOf(() => files.mkdirSync(at("a/file/x"), { recursive: true }))).toBe("ENOTDIR");
  expect(files.readdirSync(at("a")).sort()).toEqual(["b", "file", "link"]);
  expect(
    files
      .readFolder(at("a"))
      .map(({ name, type }) => `${name} ${type.toString(8)}`)
      .sort(),
  ).toEqual(["b 40000", "file 100000", "link 120000"]);
  for (let i = 0; i < 3000; i++) files.writeFileSync(at("a/b", `${"n".repeat(i % 200)}${i}`), "");
  expect(files.readdirSync(at("a/b")).sort()).toEqual(node.readdirSync(at("a/b")).sort());
  expect(codeOf(() => files.rmSync(at("a")))).toBe("EISDIR");
  files.rmSync(at("a"), { recursive: true });
  expect([node.existsSync(at("a")), node.existsSync("/etc/passwd")]).toEqual([false, true]);
  expect(codeOf(() => files.rmSync(at("a"), { recursive: true }))).toBe("ENOENT");
  files.rmSync(at("a"), { recursive: true, force: true });
  // Deeper than a path can be long.
  Bun.spawnSync(["sh", "-c", "i=0; while [ $i -lt 700 ]; do mkdir folder && cd folder; i=$((i+1)); done"], { cwd: folder });
  files.rmSync(at("folder"), { recursive: true });
  expect(node.existsSync(at("folder"))).toBe(false);
});

test("what there is: kinds, links, access, names", () => {
  files.writeFileSync(at("x"), "four");
  files.symlinkSync("x", at("to-x"));
  files.symlinkSync("nowhere", at("broken"));
  expect([files.statSync(at("to-x")).size, files.lstatSync(at("to-x")).isFile(), files.readlinkSync(at("to-x"))]).toEqual([4, false, "x"]);
  expect([at("x"), at("broken"), folder, "", "/proc/\0"].map(files.existsSync)).toEqual([true, false, true, false, false]);
  expect([files.statIfThere(at("broken")), files.statIfThere(at("x/y")), files.statIfThere(at("x"))?.ino]).toEqual([
    undefined,
    undefined,
    node.statSync(at("x"), { bigint: true }).ino,
  ]);
  const none = files.statSync("/dev/null");
  expect([none.isCharacterDevice(), none.rdevMajor, none.rdevMinor]).toEqual([true, 1, 3]);
  files.chmodSync(at("x"), 0o600);
  expect(codeOf(() => files.accessSync(at("x"), files.X_OK))).toBe("EACCES");
  files.renameSync(at("x"), at("y"));
  files.unlinkSync(at("y"));
  expect([codeOf(() => files.unlinkSync(at("y"))), codeOf(() => files.renameSync(at("y"), at("z")))]).toEqual(["ENOENT", "ENOENT"]);
});

test("a folder where nobody can make one", () => {
  expect(codeOf(() => files.mkdirSync("/proc/no/where", { recursive: true }))).toBe("ENOENT");
});
