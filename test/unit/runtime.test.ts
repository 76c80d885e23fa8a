import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fd from "../../ffi/fd.ts";
import { findAllInRoot, makeInRoot, openInRoot, walk } from "../../ffi/in-root.ts";
import { call, callAll, SyscallError, tryCall, tryCalls } from "../../ffi/libc.ts";
import { MS_NOSUID, MS_RDONLY, MS_REC, MS_SLAVE } from "../../ffi/mount.ts";
import { processStartTime } from "../../ffi/process.ts";
import { signalNumber } from "../../ffi/signal.ts";
import { requestedLimits } from "../../src/runtime/cgroup/cgroup.ts";
import { cgroupMode, parseHierarchies } from "../../src/runtime/cgroup/hierarchy.ts";
import { sharesToWeight } from "../../src/runtime/cgroup/v2.ts";
import { resolveUser } from "../../src/runtime/process/user.ts";
import { parseMountOptions } from "../../src/runtime/rootfs/options.ts";

describe("system calls", () => {
  test("a failing one names itself, the errno and its arguments", () => {
    expect(() => call("openat", -100, "/nonexistent", 0)).toThrow('openat(-100, "/nonexistent", 0): no such file or directory');
    try {
      call("close", 9999);
    } catch (error) {
      expect(error).toBeInstanceOf(SyscallError);
      expect(error).toMatchObject({ call: "close", code: "EBADF", args: ["0x270f"] });
    }
    expect(tryCall("close", 9999)).toBe(-9);
  });

  test("a NUL byte in a path is refused before the kernel cuts it", () => {
    expect(() => call("chdir", "/tmp\0/../etc")).toThrow("a NUL byte");
  });

  test("processStartTime tells processes from one another and from the dead", () => {
    expect(processStartTime(process.pid)).toBeGreaterThan(0);
    expect(processStartTime(2 ** 22 + 1)).toBeUndefined();
  });
});

test("signals by every name docker takes", () => {
  for (const text of ["KILL", "SIGKILL", "sigkill", "kill", "9"]) expect(signalNumber(text)).toBe(9);
  expect(signalNumber("RTMIN+3")).toBe(37);
  expect(signalNumber("SIGRTMAX-1")).toBe(63);
  for (const text of ["", "0", "65", "NOPE", "RTMIN+99", "-9"]) expect(signalNumber(text)).toBeUndefined();
});

describe("paths inside a root", () => {
  let root: string;
  let rootFd: number;
  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), "berth-unit-"));
    mkdirSync(join(root, "a/b"), { recursive: true });
    writeFileSync(join(root, "a/b/file"), "inside");
    symlinkSync("/a", join(root, "absolute"));
    symlinkSync("../../../../../../etc", join(root, "a/escape"));
    symlinkSync("loop", join(root, "loop"));
    mkdirSync(join(root, "etc"));
    rootFd = openSync(root, "r");
  });
  afterAll(() => {
    closeSync(rootFd);
    rmSync(root, { recursive: true });
  });
  const read = (open: (root: number, path: string, flags: number) => fd.OwnedFd, path: string) => {
    using file = open(rootFd, path, fd.O_RDONLY);
    return readFileSync(file.path, "utf8");
  };

  // openat2(2) and the walk for older kernels must agree.
  for (const [name, open] of [
    ["openat2", openInRoot],
    ["walk", (r: number, p: string, f: number) => walk(r, p, f, undefined)],
  ] as const) {
    test(`${name}: links and dots stay inside`, () => {
      expect(read(open, "a/b/file")).toBe("inside");
      expect(read(open, "/absolute/b/file")).toBe("inside");
      expect(read(open, "../../../a/b/../b/file")).toBe("inside");
      expect(() => read(open, "a/escape/passwd")).toThrow("no such file");
      expect(() => read(open, "loop")).toThrow("symbolic links");
      expect(() => read(open, "a/b/file/x")).toThrow("not a directory");
      using link = open(rootFd, "a/escape", fd.O_PATH | fd.O_NOFOLLOW);
      expect(fd.readlinkat(link.fd, "")).toBe("../../../../../../etc");
    });
  }

  test("what is missing is made inside, through links too", () => {
    makeInRoot(rootFd, "absolute/new/deep", { last: "directory", mode: 0o755 }).close();
    makeInRoot(rootFd, "a/escape/made", { last: "file", mode: 0o600 }).close();
    expect(fd.statat(rootFd, "a/new/deep").mode & fd.S_IFMT).toBe(fd.S_IFDIR);
    expect(fd.statat(rootFd, "etc/made").mode).toBe(fd.S_IFREG | 0o600);
  });

  test("what is made at the end of a link that leads nowhere, or out, is inside", () => {
    mkdirSync(join(root, "tmp"));
    symlinkSync("../../../../../../tmp/berth-unit-outside", join(root, "a/dangling"));
    makeInRoot(rootFd, "/a/dangling", { last: "directory", mode: 0o755 }).close();
    expect(fd.fileTypeAt(rootFd, "tmp/berth-unit-outside")).toBe(fd.S_IFDIR);
    expect(existsSync("/tmp/berth-unit-outside")).toBe(false);
  });

  test("slashes and dots at the end of what is made", () => {
    makeInRoot(rootFd, "//slashes//here//", { last: "directory", mode: 0o755 }).close();
    expect(fd.fileTypeAt(rootFd, "slashes/here")).toBe(fd.S_IFDIR);
    const inode = (path: string) => {
      using found = makeInRoot(rootFd, path, { last: "directory", mode: 0o755 });
      return fd.statat(found.fd, "").ino;
    };
    expect(inode("/")).toBe(fd.statat(rootFd, "").ino);
    expect(inode("a/dots/..")).toBe(fd.statat(rootFd, "a").ino);
    expect(inode("a/dots/.")).toBe(fd.statat(rootFd, "a/dots").ino);
  });

  test("of several paths those that are there", () => {
    const found = findAllInRoot(rootFd, ["/a/b", "/none", "/a/b/file/x", "/absolute/b/file"], fd.O_PATH);
    expect(found.map((file) => file && fd.fileTypeAt(file.fd, ""))).toEqual([fd.S_IFDIR, undefined, undefined, fd.S_IFREG]);
    for (const file of found) file?.close();
  });
});

test("several system calls give their results, or the first that failed", () => {
  expect(
    tryCalls([
      ["fcntl", -1, 1],
      ["umask", 0o22],
      ["umask", 0o22],
    ]),
  ).toEqual([-9, expect.any(Number), 0o22]);
  expect(() =>
    callAll([
      ["umask", 0o22],
      ["chdir", "/none"],
      ["fcntl", -1, 1],
    ]),
  ).toThrow('chdir("/none"): no such file or directory');
});

test("mount options", () => {
  expect(parseMountOptions(["ro", "nosuid", "rslave", "size=1m", "mode=755"])).toMatchObject({
    flags: MS_RDONLY | MS_NOSUID,
    propagation: [MS_SLAVE | MS_REC],
    data: "size=1m,mode=755",
  });
  expect(parseMountOptions(["ro", "rw", "suid"]).flags).toBe(0);
  expect(parseMountOptions(["rro"]).recursive).toEqual({ set: 1, clear: 0 });
});

describe("users", () => {
  const passwd = "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:100:U:/home/user:/bin/sh\n# comment\nbroken\n7:x:70:70::/seven:/bin/sh\n";
  const group = "root:x:0:\nusers:x:100:\nwheel:x:10:user,other\n";
  const resolve = (user: string, groups: string[] = []) => resolveUser({ user, groups }, passwd, group);

  test("names, numbers, groups", () => {
    expect(resolve("")).toEqual({ uid: 0, gid: 0, additionalGids: [0], home: "/root" });
    expect(resolve("user")).toEqual({ uid: 1000, gid: 100, additionalGids: [100, 10], home: "/home/user" });
    expect(resolve("1000")).toMatchObject({ uid: 1000, gid: 100, additionalGids: [100, 10] });
    expect(resolve("user:wheel")).toMatchObject({ uid: 1000, gid: 10, additionalGids: [10] });
    expect(resolve("5:6", ["wheel", "99"])).toEqual({ uid: 5, gid: 6, additionalGids: [6, 10, 99], home: "/" });
    expect(resolve("7")).toMatchObject({ uid: 70, home: "/seven" });
  });

  test("who is not there", () => {
    expect(() => resolve("nobody")).toThrow("unable to find user nobody: no matching entries in passwd file");
    expect(() => resolve("user:nogroup")).toThrow("unable to find group nogroup: no matching entries in group file");
    expect(() => resolve("4294967295")).toThrow("out of range");
  });
});

describe("cgroup hierarchies", () => {
  const line = (path: string, type: string, options: string) => `30 20 0:26 / ${path} rw,nosuid shared:1 - ${type} cgroup ${options}`;

  test("pure v2, pure v1, hybrid, none", () => {
    const v2 = parseHierarchies(line("/sys/fs/cgroup", "cgroup2", "rw"), () => ["memory", "pids"]);
    expect(v2.v2).toMatchObject({ path: "/sys/fs/cgroup", controllers: ["memory", "pids"] });
    expect(cgroupMode(v2)).toBe("v2");
    const v1 = parseHierarchies(
      [line("/sys/fs/cgroup/memory", "cgroup", "rw,memory"), line("/sys/fs/cgroup/cpu,cpuacct", "cgroup", "rw,cpu,cpuacct")].join("\n"),
      () => [],
    );
    expect([...v1.v1.keys()]).toEqual(["memory", "cpu", "cpuacct"]);
    expect(cgroupMode(v1)).toBe("v1");
    const hybrid = parseHierarchies([line("/c/memory", "cgroup", "rw,memory"), line("/c/unified", "cgroup2", "rw")].join("\n"), () => []);
    expect(cgroupMode(hybrid)).toBe("v1");
    expect(cgroupMode(parseHierarchies("", () => []))).toBe("none");
    const systemd = parseHierarchies([line("/c/systemd", "cgroup", "rw,name=systemd"), line("/c", "cgroup2", "rw")].join("\n"), () => []);
    expect(cgroupMode(systemd)).toBe("v2");
  });

  test("an escaped space in a path", () => {
    expect(parseHierarchies(line("/my\\040cgroups", "cgroup2", "rw"), () => []).v2?.path).toBe("/my cgroups");
  });

  test("shares as weight, and which limits were asked for", () => {
    expect([2, 1024, 262144].map(sharesToWeight)).toEqual([1, 39, 10000]);
    expect(requestedLimits({ memory: { limit: 1 }, pids: { limit: -1 }, cpu: { quota: 5 } })).toEqual(["memory", "cpus"]);
  });
});
