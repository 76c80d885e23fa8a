import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { applyChanges } from "../../src/image/changes.ts";
import { type FileSink, LayerWriter } from "../../src/image/layer-writer.ts";
import { familiarName, formatReference, parseReference } from "../../src/image/reference.ts";
import type { TarEntry } from "../../src/image/tar-header.ts";
import { TarReader } from "../../src/image/tar-reader.ts";

test.each([
  ["bb", "docker.io/library/bb:latest", "bb"],
  ["bb:1.2", "docker.io/library/bb:1.2", "bb"],
  ["user/bb", "docker.io/user/bb:latest", "user/bb"],
  ["index.docker.io/bb", "docker.io/library/bb:latest", "bb"],
  ["localhost/bb", "localhost/bb:latest", "localhost/bb"],
  ["localhost:5000/a/b:t", "localhost:5000/a/b:t", "localhost:5000/a/b"],
  ["[::1]:5000/a", "[::1]:5000/a:latest", "[::1]:5000/a"],
  ["quay.io/a/b_c-d.e", "quay.io/a/b_c-d.e:latest", "quay.io/a/b_c-d.e"],
])("reference %s", (text, full, familiar) => {
  expect(formatReference(parseReference(text))).toBe(full);
  expect(familiarName(full).repository).toBe(familiar);
});

test.each(["", "Upper", "a//b", "a:", "a:b:c/", "-a", "a b", "a".repeat(300), "0".repeat(64), "a:bad/tag"])("reference %p is refused", (text) => {
  expect(() => parseReference(text)).toThrow("invalid reference format");
});

test("changes", () => {
  const config = applyChanges({}, [
    'CMD ["a","b"]',
    "ENTRYPOINT run it",
    'ENV A=1 B="x y" C=\\ z',
    "ENV OLD style value",
    "LABEL a=b",
    "WORKDIR /w",
    "WORKDIR sub",
    "VOLUME /a /b",
    "EXPOSE 80 53/udp",
    "USER 1:2",
    "STOPSIGNAL 9",
    "HEALTHCHECK --interval=5s CMD test -e /x",
    "ONBUILD RUN later",
    "ENV MORE=$A-more",
    "EXPOSE 90-91",
  ]);
  expect(config).toEqual({
    Cmd: ["a", "b"],
    Entrypoint: ["/bin/sh", "-c", "run it"],
    Env: ["A=1", "B=x y", "C= z", "OLD=style value", "MORE=1-more"],
    Labels: { a: "b" },
    WorkingDir: "/w/sub",
    Volumes: { "/a": {}, "/b": {} },
    ExposedPorts: { "80/tcp": {}, "53/udp": {}, "90/tcp": {}, "91/tcp": {} },
    Healthcheck: { Test: ["CMD-SHELL", "test -e /x"], Interval: 5e9 },
    OnBuild: ["RUN later"],
    User: "1:2",
    StopSignal: "9",
  });
  expect(() => applyChanges({}, ["RUN x"])).toThrow("RUN is not a valid change command");
  expect(() => applyChanges({}, ["CMD"])).toThrow("expected an instruction and its value");
});

function readTar(bytes: Buffer, chunk = bytes.length): { entries: TarEntry[]; contents: string[] } {
  const entries: TarEntry[] = [];
  const contents: string[] = [];
  let text = "";
  const reader = new TarReader({
    entry: (entry) => entries.push(entry),
    data: (piece) => {
      text += Buffer.from(piece).toString();
    },
    end: () => {
      contents.push(text);
      text = "";
    },
  });
  for (let at = 0; at < bytes.length; at += chunk) reader.write(bytes.subarray(at, at + chunk));
  reader.close();
  return { entries, contents };
}

describe("TarReader", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "berth-unit-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));
  const tar = (script: string, ...flags: string[]) => {
    const made = Bun.spawnSync(["sh", "-ec", script], { cwd: folder });
    expect(made.stderr.toString()).toBe("");
    return Bun.spawnSync(["tar", "-C", folder, ...flags, "--sort=name", "-cf", "-", "."]).stdout;
  };

  test.each(["gnu", "pax", "ustar", "v7"])("format %s, in pieces of any size", (format) => {
    const bytes = tar("printf hello > file; ln -s file soft; mkdir dir; touch -d @1000000000 file", `--format=${format}`);
    for (const chunk of [bytes.length, 512, 100, 7]) {
      const { entries, contents } = readTar(bytes, chunk);
      expect(entries.map((e) => [e.path.replace(/^\.\//, "").replace(/\/$/, ""), e.type])).toEqual([
        ["", "directory"],
        ["dir", "directory"],
        ["file", "file"],
        ["soft", "symlink"],
      ]);
      expect(entries[2]).toMatchObject({ size: 5, mtime: 1_000_000_000_000_000_000n, uid: 0 });
      expect(entries[3]?.linkPath).toBe("file");
      expect(contents).toEqual(["", "", "hello", ""]);
    }
  });

  test.each(["gnu", "pax"])("long names, large ids, devices and fractions of a second in %s", (format) => {
    const long = "n".repeat(180);
    const bytes = tar(
      `mkdir ${long}; touch ${long}/${long}; ln -s ${long}/${long} link; chown 3000000:3000000 link -h; mknod dev b 259 300; touch -d @1.25 ${long}/${long}`,
      `--format=${format}`,
    );
    const byName = new Map(readTar(bytes).entries.map((e) => [e.path.replace(/^\.\//, ""), e]));
    expect(byName.get(`${long}/${long}`)?.mtime).toBe(format === "pax" ? 1_250_000_000n : 1_000_000_000n);
    expect(byName.get("link")).toMatchObject({ linkPath: `${long}/${long}`, uid: 3_000_000, gid: 3_000_000 });
    expect(byName.get("dev")).toMatchObject({ type: "block", deviceMajor: 259, deviceMinor: 300 });
  });

  test.each(["gnu", "posix --sparse-version=0.0", "posix --sparse-version=0.1", "posix --sparse-version=1.0"])("sparse files, %s", (format) => {
    const bytes = tar(
      "truncate -s 40M file empty; for i in $(seq 30); do printf x$i | dd of=file bs=1M seek=$i conv=notrunc status=none; done",
      "-S",
      ...`--format=${format}`.split(" "),
    );
    expect(bytes.length).toBeLessThan(1 << 20);
    const inside = join(folder, "layer");
    Bun.spawnSync(["mkdir", inside]);
    for (const chunk of [bytes.length, 1000]) {
      const writer = new LayerWriter(inside);
      let sink: FileSink | undefined;
      const reader = new TarReader({
        entry: (entry) => {
          sink = writer.add(entry);
        },
        data: (piece) => sink?.write(piece),
        hole: (size) => sink?.skip(size),
        end: () => sink?.close(),
      });
      for (let at = 0; at < bytes.length; at += chunk) reader.write(bytes.subarray(at, at + chunk));
      reader.close();
      writer.close();
      for (const name of ["file", "empty"]) {
        expect(Bun.spawnSync(["cmp", join(folder, name), join(inside, name)]).stdout.toString()).toBe("");
        expect(statSync(join(inside, name)).blocks * 512).toBeLessThan(1 << 20);
      }
    }
    expect(() => readTar(bytes)).toThrow("is a sparse file");
    expect(() => readTar(bytes.subarray(0, 3000))).toThrow(/sparse file|cut off/);
  });

  test("extended attributes", () => {
    const bytes = tar("touch f; setfattr -n user.x -v value f 2>/dev/null || true", "--format=pax", "--pax-option=SCHILY.xattr.user.y=given");
    expect(readTar(bytes).entries.at(-1)?.xattrs.get("user.y")?.toString()).toBe("given");
  });

  test("what is no tar, damaged, or cut off", () => {
    const bytes = tar("head -c 3000 /dev/zero > file");
    expect(() => readTar(Buffer.from("x".repeat(2000)))).toThrow("not a tar archive");
    expect(() => readTar(Buffer.from("short"))).toThrow("not a tar archive");
    expect(() => readTar(Buffer.alloc(0))).toThrow("it is empty");
    expect(() => readTar(bytes.subarray(0, 2000))).toThrow("cut off");
    const damaged = Buffer.from(bytes);
    damaged[512 + 10] = 0x7f;
    expect(() => readTar(damaged)).toThrow("checksum is wrong");
  });

  test("owners hold also below a folder that hands its group down", () => {
    const bytes = tar(
      "mkdir d; touch d/mine d/other; mkdir d/sub; chown 0:50 d; chmod 2775 d; chown 0:0 d/mine d/sub; chown 7:8 d/other; chmod 755 d/sub",
    );
    const inside = join(folder, "layer");
    Bun.spawnSync(["mkdir", inside]);
    const writer = new LayerWriter(inside);
    const reader = new TarReader({ entry: (e) => writer.add(e)?.close(), data() {}, end() {} });
    reader.write(bytes);
    writer.close();
    const owners = Bun.spawnSync(["sh", "-c", "stat -c '%a %u:%g' d d/mine d/other d/sub"], { cwd: inside }).stdout.toString();
    expect(owners).toBe("2775 0:50\n644 0:0\n644 7:8\n755 0:0\n");
  });

  test("a writer keeps to its folder", () => {
    const entry = (more: Partial<TarEntry>): TarEntry => ({
      path: "x",
      type: "file",
      mode: 0o644,
      uid: 0,
      gid: 0,
      size: 0,
      mtime: 0n,
      linkPath: "",
      deviceMajor: 0,
      deviceMinor: 0,
      xattrs: new Map(),
      ...more,
    });
    const inside = join(folder, "layer");
    Bun.spawnSync(["mkdir", inside]);
    const writer = new LayerWriter(inside);
    writer.add(entry({ path: "out", type: "symlink", linkPath: folder }));
    writer.add(entry({ path: "out/planted" }))?.close();
    writer.add(entry({ path: "a", type: "directory", mode: 0o755 }));
    writer.add(entry({ path: "a", type: "symlink", linkPath: ".." }));
    expect(() => writer.add(entry({ path: "../c" }))).toThrow("leads outside");
    writer.close();
    expect(readdirSync(folder)).toEqual(["layer"]);
    expect(readFileSync(join(inside, folder, "planted"), "utf8")).toBe("");
  });
});
