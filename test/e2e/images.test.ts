import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { Header } from "tar";
import { busybox, TestEngine, until } from "./engine.ts";

let engine: TestEngine;
beforeAll(async () => {
  engine = await TestEngine.make();
});
afterAll(async () => {
  await engine[Symbol.asyncDispose]();
});

type Entry = { path: string; type?: "File" | "SymbolicLink" | "Link" | "Directory"; linkpath?: string; content?: string };

// A tar of exactly these entries, however wrong they are.
function rawTar(entries: Entry[]): Buffer {
  const blocks = entries.map(({ path, type = "File", linkpath, content = "" }) => {
    const header = new Header({ path, type, linkpath: linkpath ?? "", mode: 0o644, uid: 0, gid: 0, size: content.length, mtime: new Date(0) });
    const block = Buffer.alloc(512);
    header.encode(block, 0);
    return Buffer.concat([block, Buffer.from(content), Buffer.alloc((512 - (content.length % 512)) % 512)]);
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

const layers = () => readdirSync(join(engine.root, "layers")).sort();

describe("import", () => {
  test("plain, gzip, zstd, xz and bzip2, from a file and from standard input", async () => {
    const tar = readFileSync(busybox());
    const ids = new Set<string>();
    const compress = (program: string) => Bun.spawnSync([program, "-c", busybox()]).stdout;
    const packed = { plain: tar, gzip: Bun.gzipSync(tar), zstd: Bun.zstdCompressSync(tar), xz: compress("xz"), bzip2: compress("bzip2") };
    for (const [name, bytes] of Object.entries(packed)) {
      const file = join(engine.root, name);
      writeFileSync(file, bytes);
      ids.add(await engine.ok("import", file, `compressed:${name}`));
      expect((await engine.withInput(Buffer.from(bytes), "import", "-", `stdin:${name}`)).exitCode).toBe(0);
      expect(await engine.ok("run", "--rm", `compressed:${name}`, "cat", "/data/of-the-image")).toBe("from the image");
    }
    // One layer, whatever it was packed with.
    expect(layers()).toHaveLength(1);
    for (const name of Object.keys(packed)) await engine.ok("rmi", `compressed:${name}`, `stdin:${name}`);
  });

  test("keeps owners, modes, times, hard links, devices and long names", async () => {
    const folder = mkdtempSync(join(tmpdir(), "berth-tree-"));
    const long = "d".repeat(100);
    const script = `cd ${folder} && mkdir -p ${long}/${long} && echo x > ${long}/${long}/file && echo y > suid && chown 12:34 suid && chmod 4755 suid && ln suid hard && ln -s suid soft && mknod null c 1 5 && mkfifo fifo && mkdir sticky && chmod 1777 sticky && touch -d '2001-02-03 04:05:06 UTC' suid`;
    expect(Bun.spawnSync(["sh", "-c", script]).exitCode).toBe(0);
    const tar = Bun.spawnSync(["tar", "-C", folder, "-cf", "-", "."]).stdout;
    await engine.withInput(tar, "import", "-", "tree");
    const out = await engine.ok(
      "run",
      "--rm",
      "-v",
      "/bin/busybox:/busybox:ro",
      "tree",
      "/busybox",
      "sh",
      "-c",
      `/busybox stat -c '%a %u:%g %Y %h %F' suid hard null fifo sticky; /busybox readlink soft; /busybox cat ${long}/${long}/file; echo gone > null; /busybox head -c 4 null | /busybox wc -c`,
    );
    expect(out.split("\n").map((line, i) => (i > 1 && i < 5 ? line.replace(/ \d{9,} /, " now ") : line))).toEqual([
      "4755 12:34 981173106 2 regular file",
      "4755 12:34 981173106 2 regular file",
      "644 0:0 now 1 character special file",
      "644 0:0 now 1 fifo",
      "1777 0:0 now 2 directory",
      "suid",
      "x",
      "4",
    ]);
    await engine.ok("rmi", "tree");
    rmSync(folder, { recursive: true });
  });

  test("keeps names that are no UTF-8, and holes, also through commit and save", async () => {
    const folder = mkdtempSync(join(tmpdir(), "berth-tree-"));
    const script = `cd ${folder} && mkdir "$(printf 'd\\351')" && cd d* && printf x > "$(printf 'caf\\351')" && ln caf* hard && ln -s caf* soft && truncate -s 20M holes && printf end >> holes`;
    expect(Bun.spawnSync(["sh", "-c", script]).stderr.toString()).toBe("");
    const tar = Bun.spawnSync(["tar", "-C", folder, "-Scf", "-", "."]).stdout;
    const before = layers();
    await engine.withInput(tar, "import", "-", "bytes:1");
    const layer = layers().find((name) => !before.includes(name)) ?? "";
    const used = Bun.spawnSync(["du", "-sk", join(engine.root, "layers", layer)]).stdout.toString();
    expect(Number.parseInt(used, 10)).toBeLessThan(1 << 10);
    // Into an upper folder, which commit reads.
    await engine.ok("run", "--name", "bytes", "-v", "/bin/busybox:/busybox:ro", "bytes:1", "/busybox", "sh", "-c", "/busybox cp -a d[!e]* copy");
    await engine.ok("commit", "bytes", "bytes:2");
    await engine.ok("rm", "bytes");
    const out = await engine.ok(
      "run",
      "--rm",
      "-v",
      "/bin/busybox:/busybox:ro",
      "bytes:2",
      "/busybox",
      "sh",
      "-c",
      "cd /d[!e]*; (echo *; cd /copy; echo *) | /busybox od -An -c; cd /; /busybox readlink copy/soft | /busybox od -An -c; /busybox stat -c %h copy/hard; /busybox tail -c 3 copy/holes",
    );
    expect(out.replace(/\s+/g, " ").trim()).toBe(
      "c a f 351 h a r d h o l e s s o f t \\n c a f 351 h a r d h o l e s s o f t \\n c a f 351 \\n 2 end",
    );
    await engine.ok("rmi", "bytes:1", "bytes:2");
    rmSync(folder, { recursive: true });
  });

  test("a bomb is no image", async () => {
    const bomb = join(engine.root, "bomb.tar.gz");
    const header = Buffer.alloc(512);
    new Header({ path: "zeros", type: "File", mode: 0o644, uid: 0, gid: 0, size: 2 ** 32, mtime: new Date(0) }).encode(header, 0);
    const zeros = gzipSync(Buffer.alloc(1 << 26), { level: 9 });
    writeFileSync(bomb, Buffer.concat([gzipSync(header), ...Array<Buffer>(64).fill(zeros)]));
    const before = layers();
    expect(await engine.fails(1, "import", bomb, "bomb")).toMatch(/^berth: \d+ bytes unpack to more than \d+: expected at most 250 times as many$/);
    expect(await engine.fails(1, "load", "-i", bomb)).toContain("times as many");
    expect(layers()).toEqual(before);
    rmSync(bomb);
  });

  test("-c sets the image's configuration", async () => {
    const changes = [
      'CMD ["echo","by default"]',
      "ENV A=1 B='two words'",
      "WORKDIR /data",
      "USER user",
      "LABEL x=y",
      "VOLUME /data",
      "STOPSIGNAL SIGINT",
      "EXPOSE 80",
    ];
    await engine.ok("import", ...changes.flatMap((c) => ["-c", c]), "-m", "a message", busybox(), "configured");
    expect(await engine.ok("run", "--rm", "configured")).toBe("by default");
    expect(await engine.ok("run", "--rm", "configured", "sh", "-c", "pwd; id -un; echo $B")).toBe("/data\nuser\ntwo words");
    expect(await engine.inspect("configured", "{{json .Config.Labels}} {{.Config.StopSignal}} {{json .Config.ExposedPorts}} {{.Comment}}")).toBe(
      '{"x":"y"} SIGINT {"80/tcp":{}} a message',
    );
    expect(await engine.fails(1, "import", "-c", "RUN x", busybox(), "bad")).toContain("RUN is not a valid change command");
    await engine.ok("rmi", "configured");
  });

  test("what is no tar, is cut off or wants to write outside is refused, and nothing stays", async () => {
    const before = layers();
    const victim = join(engine.root, "victim");
    const cases: [string, Buffer, RegExp][] = [
      ["text", Buffer.from("this is not a tar archive\n".repeat(100)), /not a tar archive/],
      ["empty", Buffer.alloc(0), /not a tar archive/],
      ["cut", readFileSync(busybox()).subarray(0, 700_000), /tar|archive/],
      ["cut gzip", Buffer.from(Bun.gzipSync(readFileSync(busybox()))).subarray(0, 100_000), /archive/],
      ["cut xz", Bun.spawnSync(["xz", "-c", "/bin/busybox"]).stdout.subarray(0, 10_000), /archive/],
      ["cut bzip2", Bun.spawnSync(["bzip2", "-c", "/bin/busybox"]).stdout.subarray(0, 10_000), /archive/],
      ["dots", rawTar([{ path: "../../../escaped", content: "x" }]), /leads outside/],
      ["hard link", rawTar([{ path: "link", type: "Link", linkpath: "/../../../etc/passwd" }]), /hard link/],
    ];
    for (const [name, bytes, message] of cases) {
      const result = await engine.withInput(bytes, "import", "-", "bad");
      expect({ name, exitCode: result.exitCode }).toEqual({ name, exitCode: 1 });
      expect(result.stderr).toMatch(message);
      expect(result.stderr.trimEnd().split("\n")).toHaveLength(1);
    }
    expect(await engine.fails(1, "import", "/nowhere.tar", "x")).toContain("open /nowhere.tar: no such file or directory");
    expect(await engine.fails(1, "import", busybox(), "Upper/Case")).toContain("repository name must be lowercase");
    expect(layers()).toEqual(before);
    expect(await engine.ok("images", "-q", "bad")).toBe("");
    expect(existsSync(victim)).toBe(false);
  });

  test("links in an archive do not lead its own later entries outside", async () => {
    const victim = mkdtempSync(join(tmpdir(), "berth-victim-"));
    const entries: Entry[] = [
      { path: "out", type: "SymbolicLink", linkpath: `/../../../../..${victim}` },
      { path: "out/planted", content: "x" },
      { path: "up", type: "SymbolicLink", linkpath: "../../../../../../../../../../.." },
      { path: `up${victim}/planted`, content: "x" },
    ];
    expect((await engine.withInput(rawTar(entries), "import", "-", "links")).exitCode).toBe(0);
    expect(readdirSync(victim)).toEqual([]);
    await engine.ok("rmi", "links");
    rmSync(victim, { recursive: true });
  });

  test("killed in the middle: the next import tidies up", async () => {
    const before = layers();
    const run = Bun.spawn(["sh", "-c", `(cat ${busybox()}; sleep 30) | "$0" import - killed`, join(import.meta.dir, "../../dist/berth")], {
      env: engine.env,
      stdout: "ignore",
      stderr: "ignore",
    });
    await until("half a layer", () => layers().length === before.length + 1);
    const pid = Bun.spawnSync(["pgrep", "-P", String(run.pid), "-f", "import"])
      .stdout.toString()
      .trim()
      .split("\n")
      .at(-1);
    process.kill(Number(pid), "SIGKILL");
    run.kill("SIGKILL");
    await engine.ok("import", busybox(), "bb");
    expect(layers()).toEqual(before);
  });
});

describe("images and rmi", () => {
  test("lists, names, removes", async () => {
    const id = await engine.ok("import", busybox(), "localhost:5000/team/tool:v1");
    expect(await engine.ok("images", "localhost:5000/team/tool")).toMatch(
      /^REPOSITORY +TAG +IMAGE ID +CREATED +SIZE\nlocalhost:5000\/team\/tool +v1 +[0-9a-f]{12} +.* ago +[\d.]+MB$/,
    );
    expect(await engine.ok("images", "--format", "{{.Repository}}:{{.Tag}}", "-f", "reference=*/team/*")).toBe("localhost:5000/team/tool:v1");
    for (const pattern of ["*/team/*", "localhost:5000/t??m/tool:v[0-9]"])
      expect(await engine.ok("images", "--format", "{{.Tag}}", pattern)).toBe("v1");
    expect(await engine.ok("images", "-q", "*tool")).toBe("");
    expect(await engine.ok("images", "-q", "--no-trunc")).toContain(id);
    expect(await engine.ok("rmi", id.slice(7, 19))).toMatch(/^Untagged: localhost:5000\/team\/tool:v1\nDeleted: sha256:/);
    expect(await engine.fails(1, "rmi", "nosuch")).toContain("No such image: nosuch:latest");
    expect(await engine.fails(0, "rmi", "-f", "nosuch")).toContain("No such image: nosuch:latest");
  });

  test("an image that containers use stays", async () => {
    await engine.ok("import", busybox(), "used");
    await engine.ok("create", "--name", "user", "used", "true");
    const id = await engine.ok("images", "-q", "used");
    expect(await engine.fails(1, "rmi", "used")).toMatch(
      /conflict: unable to remove repository reference "used" \(must force\) - container [0-9a-f]{12} is using its referenced image [0-9a-f]{12}$/,
    );
    expect(await engine.fails(1, "rmi", id)).toMatch(
      /conflict: unable to delete [0-9a-f]{12} \(must be forced\) - image is being used by stopped container [0-9a-f]{12}$/,
    );
    // Forced, it loses its name, as with docker; what the container is made of stays.
    expect(await engine.ok("rmi", "-f", "used")).toBe("Untagged: used:latest");
    expect(await engine.ok("start", "-a", "user")).toBe("");
    await engine.ok("run", "-d", "--name", "runs", id, "sleep", "100");
    expect(await engine.fails(1, "rmi", "-f", id)).toMatch(/\(cannot be forced\) - image is being used by running container [0-9a-f]{12}$/);
    await engine.ok("rm", "-f", "user", "runs");
    await engine.ok("rmi", id);
    expect(await engine.ok("run", "--rm", "bb", "echo", "shared layer still there")).toBe("shared layer still there");
  });

  test("a name moves to the newer image", async () => {
    const first = await engine.ok("import", "-m", "1", busybox(), "moving");
    const second = await engine.ok("import", "-m", "2", busybox(), "moving");
    expect(second).not.toBe(first);
    expect(await engine.ok("images", "-q", "--no-trunc", "moving")).toBe(second);
    expect(await engine.ok("images", "-q", "--no-trunc", "-f", "dangling=true")).toContain(first);
    await engine.ok("rmi", first, second);
  });
});
