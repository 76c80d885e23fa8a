import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { TestEngine, until } from "./engine.ts";

let engine: TestEngine;
let other: TestEngine;
const file = (name: string) => join(engine.root, name);
beforeAll(async () => {
  engine = await TestEngine.make();
  other = TestEngine.empty();
  const script =
    "echo new > /made; ln /made /made2; chown 5:6 /made; rm /etc/group; rm -rf /data; mkdir /data; echo only > /data/only; echo x >> /etc/hosts";
  await engine.ok("run", "--name", "c", "-v", "/volume", "bb", "sh", "-c", script);
  await engine.ok("commit", "-a", "somebody", "-m", "a message", "-c", 'CMD ["cat","/made"]', "c", "committed:v1");
});
afterAll(async () => {
  await engine[Symbol.asyncDispose]();
  await other[Symbol.asyncDispose]();
});

describe("commit", () => {
  test("has what the container wrote and deleted, and nothing of its mounts", async () => {
    expect(await engine.ok("run", "--rm", "committed:v1")).toBe("new");
    const out = await engine.ok(
      "run",
      "--rm",
      "committed:v1",
      "sh",
      "-c",
      "stat -c '%u:%g %h' /made; ls /data; ls /etc/group 2>&1; ls -d /volume 2>&1; grep -c '^x' /etc/hosts; true",
    );
    expect(out.split("\n")).toEqual(["5:6 2", "only", "ls: /etc/group: No such file or directory", "ls: /volume: No such file or directory", "0"]);
    expect(await engine.inspect("committed:v1", "{{.Author}} {{.Comment}} {{len .RootFS.Layers}}")).toBe("somebody a message 2");
  });

  test("of a container that runs", async () => {
    await engine.ok("run", "-d", "--name", "live", "bb", "sh", "-c", "echo live > /live; sleep 100");
    await until("the file", async () => (await engine.run("exec", "live", "cat", "/live")).stdout === "live\n");
    await engine.ok("commit", "live", "live-image");
    expect(await engine.inspect("live", "{{.State.Status}}")).toBe("running");
    expect(await engine.ok("run", "--rm", "live-image", "cat", "/live")).toBe("live");
    await engine.ok("rm", "-f", "live");
    await engine.ok("rmi", "live-image");
  });

  test("history tells the steps", async () => {
    const steps = (await engine.ok("history", "--format", "{{.CreatedBy}}|{{.Comment}}", "committed:v1")).split("\n");
    expect(steps).toHaveLength(2);
    expect(steps[0]).toMatch(/^sh -c echo new.*\|a message$/);
  });
});

describe("export", () => {
  test("writes the container's files, into a file or a pipe", async () => {
    await engine.ok("export", "c", "-o", file("export.tar"));
    const list = Bun.spawnSync(["tar", "-tvf", file("export.tar")]).stdout.toString();
    expect(list).toMatch(/-rw-r--r-- 5\/6 +4 .* made\n/);
    expect(list).toMatch(/made2 link to made\n/);
    expect(list).not.toContain("etc/group");
    expect(
      Bun.spawnSync(["sh", "-c", `"$0" export c | tar -xOf - data/only`, join(import.meta.dir, "../../dist/berth")], {
        env: engine.env,
      }).stdout.toString(),
    ).toBe("only\n");
    expect(await engine.fails(1, "export", "nobody")).toContain("No such container: nobody");
    expect(await engine.fails(1, "export", "c", "-o", "/nowhere/x.tar")).toContain("open /nowhere/x.tar");
  });
});

describe("save and load", () => {
  test("the same image comes back, and goes out again byte for byte", async () => {
    await engine.ok("save", "-o", file("saved.tar"), "committed:v1", "bb");
    expect((await other.ok("load", "-i", file("saved.tar"))).split("\n")).toEqual(["Loaded image: committed:v1", "Loaded image: bb:latest"]);
    const ids = (e: TestEngine) => e.ok("images", "--no-trunc", "--format", "{{.Repository}} {{.ID}}", "-f", "reference=*");
    expect((await ids(other)).split("\n").sort()).toEqual((await ids(engine)).split("\n").sort());
    expect(await other.ok("run", "--rm", "committed:v1")).toBe("new");
    expect(await other.ok("run", "--rm", "committed:v1", "sh", "-c", "stat -c '%u:%g %h' /made; ls /data; ls /etc/group 2>&1; true")).toContain(
      "5:6 2\nonly\nls: /etc/group: No such",
    );
    await other.ok("save", "-o", file("again.tar"), "committed:v1", "bb");
    expect(readFileSync(file("again.tar")).equals(readFileSync(file("saved.tar")))).toBe(true);
  });

  test("docker's manifest.json and an OCI layout are both in it", () => {
    const manifest = JSON.parse(Bun.spawnSync(["tar", "-xOf", file("saved.tar"), "manifest.json"]).stdout.toString());
    expect(manifest[0]).toMatchObject({ RepoTags: ["committed:v1"], Config: expect.stringMatching(/^blobs\/sha256\//) });
    const index = JSON.parse(Bun.spawnSync(["tar", "-xOf", file("saved.tar"), "index.json"]).stdout.toString());
    expect(index.manifests[0].annotations["org.opencontainers.image.ref.name"]).toBe("v1");
  });

  test("OCI layouts as folder and tar; gzip and zstd; from standard input", async () => {
    await engine.ok("save", "--format", "oci-dir", "-o", file("layout"), "committed:v1");
    await engine.ok("save", "--format", "oci-archive", "-o", file("oci.tar"), "committed:v1");
    for (const [name, compress] of [
      ["gz", Bun.gzipSync],
      ["zst", Bun.zstdCompressSync],
    ] as const)
      writeFileSync(file(`oci.tar.${name}`), compress(readFileSync(file("oci.tar"))));
    for (const input of ["layout", "oci.tar", "oci.tar.gz", "oci.tar.zst"]) {
      const fresh = TestEngine.empty();
      expect(await fresh.ok("load", "-i", file(input))).toBe("Loaded image: committed:v1");
      expect(await fresh.ok("run", "--rm", "committed:v1")).toBe("new");
      await fresh[Symbol.asyncDispose]();
    }
    expect((await other.withInput(readFileSync(file("oci.tar")), "load")).stdout).toBe("Loaded image: committed:v1\n");
  });

  test("a layout whose blobs are named by sha512, small and large", async () => {
    const folder = join(engine.root, "sha512");
    mkdirSync(join(folder, "tree"), { recursive: true });
    const hash = (bytes: Uint8Array, algorithm: "sha256" | "sha512") => `${algorithm}:${new Bun.CryptoHasher(algorithm).update(bytes).digest("hex")}`;
    const put = (bytes: Uint8Array, mediaType: string, more: object = {}) => {
      const digest = hash(bytes, "sha512");
      mkdirSync(join(folder, "blobs/sha512"), { recursive: true });
      writeFileSync(join(folder, `blobs/${digest.replace(":", "/")}`), bytes);
      return { mediaType, digest, size: bytes.length, ...more };
    };
    const tarOf = (script: string) => Bun.spawnSync(["sh", "-ec", `cd ${folder}/tree; rm -rf *; ${script}; tar -cf - .`]).stdout;
    const tars = [tarOf("echo small > small"), tarOf("head -c 20000000 /dev/urandom > large")];
    const layers = [
      put(Bun.gzipSync(tars[0] as Buffer<ArrayBuffer>), "application/vnd.oci.image.layer.v1.tar+gzip"),
      put(tars[1] as Buffer, "application/vnd.oci.image.layer.v1.tar"),
    ];
    const config = {
      architecture: process.arch === "arm64" ? "arm64" : "amd64",
      os: "linux",
      rootfs: { type: "layers", diff_ids: tars.map((tar) => hash(tar, "sha256")) },
    };
    const descriptor = put(Buffer.from(JSON.stringify(config)), "application/vnd.oci.image.config.v1+json");
    const manifest = put(
      Buffer.from(JSON.stringify({ schemaVersion: 2, config: descriptor, layers })),
      "application/vnd.oci.image.manifest.v1+json",
      {
        annotations: { "org.opencontainers.image.ref.name": "localhost/sha512:1" },
      },
    );
    writeFileSync(join(folder, "index.json"), JSON.stringify({ schemaVersion: 2, manifests: [manifest] }));
    await engine.ok("load", "-i", folder);
    const look = ["-v", "/bin/busybox:/busybox:ro", "localhost/sha512:1", "/busybox", "stat", "-c", "%s", "/small", "/large"];
    expect(await engine.ok("run", "--rm", ...look)).toBe("6\n20000000");
    await engine.ok("save", "--format", "oci-dir", "-o", join(folder, "back"), "localhost/sha512:1");
    expect(readdirSync(join(folder, "back/blobs/sha512")).sort()).toEqual(layers.map(({ digest }) => digest.slice(7)).sort());
    await engine.ok("rmi", "localhost/sha512:1");
    rmSync(folder, { recursive: true });
  });

  test("an archive as docker wrote it before OCI, its layers linked", async () => {
    const folder = file("old");
    mkdirSync(join(folder, "aaa"), { recursive: true });
    mkdirSync(join(folder, "bbb"), { recursive: true });
    Bun.spawnSync(
      [
        "sh",
        "-ec",
        `mkdir -p tree/bin && cp /bin/busybox tree/bin && tar -C tree -cf aaa/layer.tar . && rm -r tree && mkdir -p tree/bin && touch tree/bin/.wh.gone && echo 2 > tree/second && tar -C tree -cf second.tar . && rm -r tree && mv second.tar bbb/layer.tar && ln -s ../aaa/layer.tar bbb/unused.tar`,
      ],
      { cwd: folder },
    );
    const diffId = (path: string) => `sha256:${new Bun.CryptoHasher("sha256").update(readFileSync(join(folder, path))).digest("hex")}`;
    const config = {
      architecture: "amd64",
      os: "linux",
      config: { Cmd: ["/bin/busybox", "cat", "/second"] },
      rootfs: { type: "layers", diff_ids: [diffId("aaa/layer.tar"), diffId("bbb/layer.tar")] },
    };
    writeFileSync(join(folder, "config.json"), JSON.stringify(config));
    writeFileSync(
      join(folder, "manifest.json"),
      JSON.stringify([{ Config: "config.json", RepoTags: ["old:1"], Layers: ["aaa/layer.tar", "bbb/layer.tar"] }]),
    );
    const tar = Bun.spawnSync(["tar", "-C", folder, "-cf", "-", "."]).stdout;
    expect((await other.withInput(tar, "load", "-q")).exitCode).toBe(0);
    expect(await other.ok("run", "--rm", "old:1")).toBe("2");
    rmSync(folder, { recursive: true });
  });

  test("what is damaged, or no archive of images, is refused whole", async () => {
    const good = readFileSync(file("oci.tar"));
    const fresh = TestEngine.empty();
    const changed = Buffer.from(good);
    changed.writeUInt8(changed.readUInt8(changed.indexOf("busybox") + 3) ^ 1, changed.indexOf("busybox") + 3);
    const cases: [string, Buffer, RegExp][] = [
      ["text", Buffer.from("no tar\n".repeat(200)), /not a tar archive/],
      ["cut", good.subarray(0, good.length - 600_000), /cut off/],
      ["changed", changed, /expected sha256|digest|checksum/],
      ["other tar", Bun.spawnSync(["tar", "-C", "/etc", "-cf", "-", "hostname"]).stdout, /neither manifest.json \(docker\) nor index.json/],
    ];
    for (const [name, bytes, words] of cases) {
      const result = await fresh.withInput(bytes, "load");
      expect({ name, exitCode: result.exitCode }).toEqual({ name, exitCode: 1 });
      expect(result.stderr).toMatch(words);
    }
    expect(await fresh.ok("images", "-aq")).toBe("");
    await fresh[Symbol.asyncDispose]();
  });

  test("image prune takes what has no name, or no container", async () => {
    await using fresh = TestEngine.empty();
    await fresh.ok("load", "-q", "-i", file("saved.tar"));
    const first = await fresh.ok("import", "-m", "1", file("export.tar"), "moving");
    await fresh.ok("import", "-m", "2", file("export.tar"), "moving");
    expect(await fresh.fails(1, "image", "prune")).toContain("--force removes without asking");
    expect(await fresh.ok("image", "prune", "-f", "--filter", "until=1h")).toBe("Total reclaimed space: 0B");
    expect(await fresh.ok("image", "prune", "-f")).toContain(`deleted: ${first}`);
    await fresh.ok("create", "--name", "user", "bb", "true");
    await fresh.ok("image", "prune", "-af");
    expect(await fresh.ok("images", "--format", "{{.Repository}}")).toBe("bb");
  });

  test("import from a URL", async () => {
    const server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: (request) => (request.url.endsWith("tar") ? new Response(Bun.file(file("export.tar"))) : new Response("", { status: 404 })),
    });
    await using fresh = TestEngine.empty();
    await fresh.ok("import", `http://127.0.0.1:${server.port}/x.tar`, "url");
    expect(await fresh.ok("run", "--rm", "url", "cat", "/made")).toBe("new");
    expect(await fresh.fails(1, "import", `http://127.0.0.1:${server.port}/none`, "x")).toContain("HTTP 404");
    await server.stop(true);
  });

  test("tag, and rmi takes the bytes with the last name", async () => {
    await other.ok("tag", "committed:v1", "second/name:v2");
    expect(await other.ok("rmi", "committed:v1")).toBe("Untagged: committed:v1");
    expect(await other.ok("run", "--rm", "second/name:v2")).toBe("new");
    expect(await other.ok("rmi", "second/name:v2")).toContain("Deleted: sha256:");
    for (const image of ["bb", "old:1"]) await other.ok("rmi", image);
    const left = Bun.spawnSync(["find", join(other.root, "blobs"), join(other.root, "layers"), "-type", "f"]).stdout.toString();
    expect(left).toBe("");
  });
});
