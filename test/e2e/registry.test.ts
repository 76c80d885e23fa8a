import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { TestEngine } from "./engine.ts";
import { emptyEngine, startRegistry } from "./registry.ts";

let engine: TestEngine;
beforeAll(async () => {
  engine = await TestEngine.make();
  engine.env.DOCKER_CONFIG = join(engine.root, "docker-config");
});
afterAll(async () => {
  await engine[Symbol.asyncDispose]();
});

describe("a registry", () => {
  test("push, pull by tag and digest, all tags, and what is there already", async () => {
    using registry = await startRegistry(engine.root);
    const name = `${registry.host}/team/bb`;
    await engine.ok("tag", "bb", `${name}:v1`);
    const pushed = await engine.ok("push", `${name}:v1`);
    expect(pushed).toMatch(/^The push refers to repository \[.*\/team\/bb\]\n[0-9a-f]{12}: Pushed\nv1: digest: sha256:[0-9a-f]{64} size: \d+$/);
    expect(await engine.ok("push", `${name}:v1`)).toContain(": Layer already exists\n");
    const digest = /digest: (\S+)/.exec(pushed)?.[1] ?? "";
    await engine.ok("tag", "bb", `${registry.host}/other/bb`);
    expect(await engine.ok("push", `${registry.host}/other/bb`)).toMatch(/^Using default tag: latest\n[\s\S]*: Mounted\n/);

    await using fresh = emptyEngine(engine);
    const pulled = await fresh.ok("pull", `${name}:v1`);
    expect(pulled).toContain(`v1: Pulling from ${name}\n`);
    expect(pulled).toContain(`Digest: ${digest}\nStatus: Downloaded newer image for ${name}:v1\n${name}:v1`);
    expect(await fresh.ok("pull", `${name}:v1`)).toContain(`Status: Image is up to date for ${name}:v1`);
    expect(await fresh.ok("images", "-q", "--no-trunc", name)).toBe(await engine.ok("images", "-q", "--no-trunc", name));
    expect(await fresh.ok("run", "--rm", `${name}@${digest}`, "echo", "by digest")).toBe("by digest");
    expect(await fresh.inspect(`${name}:v1`, "{{index .RepoDigests 0}}")).toBe(`${name}@${digest}`);
    expect(JSON.parse(await fresh.ok("manifest", "inspect", `${name}:v1`))).toMatchObject({
      schemaVersion: 2,
      layers: [{ mediaType: "application/vnd.oci.image.layer.v1.tar+gzip" }],
    });
    expect(await fresh.ok("images", "--digests", "--format", "{{.Digest}}", name)).toBe(digest);
    await engine.ok("tag", "bb", `${name}:v2`);
    await engine.ok("push", "-q", "--all-tags", name);
    expect(await fresh.ok("pull", "-q", "--all-tags", name)).toBe(`${name}:v1\n${name}:v2`);
    expect(await fresh.fails(1, "pull", "-q", `${name}:nope`)).toContain("manifest unknown");
    expect(await fresh.fails(1, "pull", "-q", `${name}@sha256:${"0".repeat(64)}`)).toContain("manifest unknown");
    expect(await fresh.fails(1, "push", `${registry.host}/nothing`)).toContain("An image does not exist locally with the tag");
  });

  test("build --push", async () => {
    using registry = await startRegistry(engine.root);
    const names = [`${registry.host}/built:1`, `${registry.host}/built:2`];
    const dockerfile = join(engine.root, "Dockerfile.push");
    mkdirSync(join(engine.root, "empty"));
    writeFileSync(dockerfile, "FROM bb\nLABEL pushed=yes\n");
    const id = await engine.ok(
      "build",
      "-q",
      "--push",
      "-t",
      names[0] as string,
      "-t",
      names[1] as string,
      "-f",
      dockerfile,
      join(engine.root, "empty"),
    );
    await using fresh = emptyEngine(engine);
    for (const name of names) {
      expect(await fresh.ok("pull", "-q", name)).toBe(name);
      expect(await fresh.inspect(name, "{{.Id}} {{.Config.Labels.pushed}}")).toBe(`${id} yes`);
    }
  });

  test("run pulls what is missing, and tells so on standard error", async () => {
    using registry = await startRegistry(engine.root);
    const name = `${registry.host}/bb`;
    await engine.ok("tag", "bb", name);
    await engine.ok("push", "-q", name);
    await using fresh = emptyEngine(engine);
    const result = await fresh.run("run", "--rm", name, "echo", "ran");
    expect(result).toMatchObject({ stdout: "ran\n", exitCode: 0 });
    expect(result.stderr).toStartWith(`Unable to find image '${name}:latest' locally\nlatest: Pulling from ${name}\n`);
    expect((await fresh.run("run", "--rm", "--pull", "always", name, "true")).stderr).toContain("Image is up to date");
    expect(await fresh.fails(125, "run", "--pull", "sometimes", name, "true")).toContain("invalid pull option");
  });

  test("eight pulls of one image at once", async () => {
    using registry = await startRegistry(engine.root);
    const name = `${registry.host}/bb`;
    await engine.ok("tag", "bb", name);
    await engine.ok("push", "-q", name);
    await using fresh = emptyEngine(engine);
    await Promise.all(Array.from({ length: 8 }, () => fresh.ok("pull", "-q", name)));
    expect(readdirSync(join(fresh.root, "layers"))).toHaveLength(1);
    expect(readdirSync(join(fresh.root, "blobs"))).toEqual(["sha256"]);
    expect(await fresh.ok("run", "--rm", name, "echo", "whole")).toBe("whole");
  });

  test("TLS and passwords: login, logout, and a file only its owner reads", async () => {
    const folder = join(engine.root, "tls");
    mkdirSync(folder);
    const made = Bun.spawnSync([
      "openssl",
      "req",
      "-x509",
      "-newkey",
      "rsa:2048",
      "-nodes",
      "-keyout",
      join(folder, "key"),
      "-out",
      join(folder, "cert"),
      "-days",
      "2",
      "-subj",
      "/CN=127.0.0.1",
      "-addext",
      "subjectAltName=IP:127.0.0.1",
    ]);
    expect(made.exitCode).toBe(0);
    writeFileSync(join(folder, "htpasswd"), `user:${await Bun.password.hash("secret", { algorithm: "bcrypt", cost: 4 })}\n`);
    using registry = await startRegistry(
      engine.root,
      `, tls: {certificate: ${folder}/cert, key: ${folder}/key}`,
      `auth: {htpasswd: {realm: test, path: ${folder}/htpasswd}}\n`,
    );
    const name = `${registry.host}/private/bb`;
    const insecure = "--tls-verify=false";
    await engine.ok("tag", "bb", name);
    expect(await engine.fails(1, "push", "-q", name)).toContain("cannot be reached: DEPTH_ZERO_SELF_SIGNED_CERT");
    expect(await engine.fails(1, "push", "-q", insecure, name)).toContain("unauthorized: authentication required");
    expect((await engine.withInput("wrong\n", "login", insecure, "-u", "user", "--password-stdin", registry.host)).stderr).toContain("unauthorized");
    expect((await engine.withInput("secret\n", "login", insecure, "-u", "user", "--password-stdin", registry.host)).stdout).toBe("Login Succeeded\n");
    const file = join(engine.root, "docker-config/config.json");
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(JSON.parse(readFileSync(file, "utf8")).auths[registry.host].auth).toBe(Buffer.from("user:secret").toString("base64"));
    await engine.ok("push", "-q", insecure, name);
    await using fresh = emptyEngine(engine);
    fresh.env.SSL_CERT_FILE = join(folder, "cert"); // as Go's programs take it
    await fresh.ok("pull", "-q", name);
    expect(await engine.ok("logout", registry.host)).toContain("Removing login credentials");
    expect(await engine.fails(1, "pull", "-q", insecure, name)).toContain("unauthorized");
  });
});

describe("a registry that does wrong", () => {
  interface Content {
    type?: string;
    body: Uint8Array;
  }
  const digestOf = (bytes: Uint8Array) => `sha256:${new Bun.CryptoHasher("sha256").update(bytes).digest("hex")}`;
  const layer = () => Bun.gzipSync(Bun.spawnSync(["tar", "-C", "/bin", "-cf", "-", "busybox"]).stdout as Buffer<ArrayBuffer>);

  // An image of one layer as a registry has it, which a test may then spoil.
  function makeContent(): { blobs: Map<string, Content>; manifest: { config: object; layers: object[] }; layerDigest: string } {
    const bytes = layer();
    const config = Buffer.from(
      JSON.stringify({
        architecture: process.arch === "arm64" ? "arm64" : "amd64",
        os: "linux",
        config: { Cmd: ["/busybox", "echo", "pulled"] },
        rootfs: { type: "layers", diff_ids: [digestOf(Bun.gunzipSync(bytes))] },
      }),
    );
    const descriptor = (content: Uint8Array, mediaType: string) => ({ mediaType, digest: digestOf(content), size: content.length });
    const manifest = {
      schemaVersion: 2,
      config: descriptor(config, "application/vnd.oci.image.config.v1+json"),
      layers: [descriptor(bytes, "application/vnd.oci.image.layer.v1.tar+gzip")],
    };
    return {
      blobs: new Map([
        [digestOf(bytes), { body: bytes }],
        [digestOf(config), { body: config }],
      ]),
      manifest,
      layerDigest: digestOf(bytes),
    };
  }

  type Handler = (request: Request, path: string) => Response | Promise<Response> | undefined;
  function serve(content: ReturnType<typeof makeContent>, handler: Handler = () => undefined) {
    return Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      async fetch(request) {
        const path = new URL(request.url).pathname;
        const special = await handler(request, path);
        if (special) return special;
        if (path.includes("/manifests/"))
          return Response.json(content.manifest, { headers: { "Content-Type": "application/vnd.oci.image.manifest.v1+json" } });
        const blob = content.blobs.get(path.split("/").at(-1) ?? "");
        if (!blob) return new Response("", { status: 404 });
        const from = Number(/bytes=(\d+)-/.exec(request.headers.get("Range") ?? "")?.[1] ?? 0);
        return new Response(blob.body.slice(from) as Uint8Array<ArrayBuffer>, { status: from > 0 ? 206 : 200 });
      },
    });
  }

  async function pull(content: ReturnType<typeof makeContent>, handler?: Handler) {
    const server = serve(content, handler);
    const fresh = emptyEngine(engine);
    try {
      const result = await fresh.run("pull", "-q", `127.0.0.1:${server.port}/x`);
      const ran = result.exitCode === 0 ? await fresh.ok("run", "--rm", `127.0.0.1:${server.port}/x`) : undefined;
      const left = (folder: string) => {
        try {
          return readdirSync(join(fresh.root, folder), { recursive: true }).length;
        } catch {
          return 0;
        }
      };
      return { ...result, ran, left: result.exitCode === 0 ? 0 : left("layers") + left("blobs") };
    } finally {
      await server.stop(true);
      await fresh[Symbol.asyncDispose]();
    }
  }
  const refused = async (words: RegExp, content: ReturnType<typeof makeContent>, handler?: Handler) => {
    const result = await pull(content, handler);
    expect(result).toMatchObject({ exitCode: 1, stdout: "", left: 0 });
    expect(result.stderr).toMatch(words);
    expect(result.stderr.trimEnd().split("\n")).toHaveLength(1);
  };

  test("nothing: then it is pulled", async () => {
    expect(await pull(makeContent())).toMatchObject({ exitCode: 0, ran: "pulled" });
  });

  test("other bytes, more or fewer than announced", async () => {
    const changed = makeContent();
    const bytes = Buffer.from(changed.blobs.get(changed.layerDigest)?.body ?? []);
    bytes[bytes.length - 5] = (bytes[bytes.length - 5] ?? 0) ^ 1;
    changed.blobs.set(changed.layerDigest, { body: bytes });
    await refused(/expected sha256|cannot read the archive/, changed);
    const longer = makeContent();
    longer.blobs.set(longer.layerDigest, { body: Buffer.concat([layer(), Buffer.alloc(10)]) });
    await refused(/more than the \d+ bytes it was announced with/, longer);
  });

  test("a tar that is not the configuration's", async () => {
    const content = makeContent();
    const config = Buffer.from(
      JSON.stringify({ architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids: [`sha256:${"1".repeat(64)}`] } }),
    );
    content.blobs.set(digestOf(config), { body: config });
    content.manifest.config = { mediaType: "x", digest: digestOf(config), size: config.length };
    await refused(/the configuration says sha256:1111/, content);
  });

  test("manifests that are none, too large, or of layers not to be distributed", async () => {
    const answer =
      (body: string, type = "application/vnd.oci.image.manifest.v1+json"): Handler =>
      (_, path) =>
        path.includes("/manifests/") ? new Response(body, { headers: { "Content-Type": type } }) : undefined;
    await refused(/it may be no registry/, makeContent(), answer("<html></html>", "text/html"));
    await refused(/the manifest is not JSON/, makeContent(), answer("{"));
    await refused(/schemaVersion 1, expected 2/, makeContent(), answer('{"schemaVersion":1}'));
    await refused(/more than 4194304 bytes/, makeContent(), answer(`{"x":"${"x".repeat(5 << 20)}"}`));
    const foreign = makeContent();
    foreign.manifest.layers = [{ ...foreign.manifest.layers[0], mediaType: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip" }];
    await refused(/not to be distributed/, foreign);
    const index = {
      schemaVersion: 2,
      manifests: [{ mediaType: "x", digest: `sha256:${"2".repeat(64)}`, size: 3, platform: { os: "plan9", architecture: "mips" } }],
    };
    await refused(
      /no matching manifest for linux\/\w+.* in the manifest list entries: it has plan9\/mips/,
      makeContent(),
      answer(JSON.stringify(index), "application/vnd.oci.image.index.v1+json"),
    );
  });

  test("an index of several platforms: the machine's own, or the one asked for", async () => {
    const content = makeContent();
    const manifest = Buffer.from(JSON.stringify(content.manifest));
    const own = process.arch === "arm64" ? "arm64" : "amd64";
    const entry = (architecture: string, digest: string) => ({
      mediaType: "application/vnd.oci.image.manifest.v1+json",
      digest,
      size: manifest.length,
      platform: { os: "linux", architecture },
    });
    const index = { schemaVersion: 2, manifests: [entry("s390x", `sha256:${"3".repeat(64)}`), entry(own, digestOf(manifest))] };
    const handler: Handler = (_, path) => {
      if (path.endsWith("/manifests/latest")) return Response.json(index, { headers: { "Content-Type": "application/vnd.oci.image.index.v1+json" } });
      return path.includes("/manifests/")
        ? new Response(manifest, { headers: { "Content-Type": "application/vnd.oci.image.manifest.v1+json" } })
        : undefined;
    };
    expect(await pull(content, handler)).toMatchObject({ exitCode: 0, ran: "pulled" });
  });

  test("dies in the middle: taken up where it broke", async () => {
    const content = makeContent();
    const ranges: (string | null)[] = [];
    const handler: Handler = (request, path) => {
      if (!path.endsWith(content.layerDigest)) return undefined;
      ranges.push(request.headers.get("Range"));
      if (ranges.length > 1) return undefined;
      const { body } = content.blobs.get(content.layerDigest) as Content;
      // As much as came before the connection broke.
      const half = body.slice(0, 200_000) as Uint8Array<ArrayBuffer>;
      return new Response(half);
    };
    expect(await pull(content, handler)).toMatchObject({ exitCode: 0, ran: "pulled" });
    expect(ranges[1]).toMatch(/^bytes=\d+-$/);
  });

  test("overloaded: asked again, a little later", async () => {
    let asked = 0;
    const handler: Handler = (_, path) =>
      path.includes("/manifests/") && ++asked < 3 ? new Response("", { status: asked === 1 ? 429 : 503 }) : undefined;
    expect(await pull(makeContent(), handler)).toMatchObject({ exitCode: 0, ran: "pulled" });
    expect(asked).toBe(3);
  });

  test("redirects to another host: credentials stay behind", async () => {
    const content = makeContent();
    const seen: (string | null)[] = [];
    const storage = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch(request) {
        seen.push(request.headers.get("Authorization"));
        return new Response(content.blobs.get(new URL(request.url).pathname.slice(1))?.body as Uint8Array<ArrayBuffer>);
      },
    });
    let authorized = 0;
    const handler: Handler = (request, path) => {
      if (path === "/token") return Response.json({ token: "the-token" });
      if (request.headers.get("Authorization") !== "Bearer the-token") {
        return new Response("", {
          status: 401,
          headers: { "WWW-Authenticate": `Bearer realm="${new URL(request.url).origin}/token",service="s",scope="repository:x:pull"` },
        });
      }
      authorized++;
      if (path.includes("/blobs/"))
        return new Response("", { status: 307, headers: { Location: `http://127.0.0.1:${storage.port}/${path.split("/").at(-1)}` } });
      return undefined;
    };
    expect(await pull(content, handler)).toMatchObject({ exitCode: 0, ran: "pulled" });
    expect(authorized).toBeGreaterThan(1);
    expect(seen).toEqual([null, null]);
    await storage.stop(true);
  });
});

test("references with digests and wrong ones", async () => {
  expect(await engine.fails(1, "pull", "bb@sha256:123")).toContain("is no digest");
  expect(await engine.fails(1, "pull", "Upper")).toContain("must be lowercase");
  rmSync(join(engine.root, "docker-config"), { recursive: true, force: true });
});
