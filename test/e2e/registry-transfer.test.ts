/** How bytes get into a registry and out of it when the way is a hard one. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { TestEngine, until } from "./engine.ts";
import { emptyEngine, startRegistry } from "./registry.ts";
import { Terminal } from "./terminal.ts";

let engine: TestEngine;
beforeAll(async () => {
  engine = await TestEngine.make();
  engine.env.DOCKER_CONFIG = join(engine.root, "docker-config");
  // An image of some size that does not pack well, and of several layers.
  const random = join(engine.root, "random");
  mkdirSync(random);
  expect(Bun.spawnSync(["sh", "-c", `head -c 60000000 /dev/urandom > ${random}/a`]).exitCode).toBe(0);
  const tar = Bun.spawnSync(["tar", "-C", random, "-cf", "-", "."]).stdout;
  await engine.withInput(tar, "import", "-", "large");
  for (const n of [1, 2, 3, 4]) {
    const from = n === 1 ? "bb" : `layered:${n - 1}`;
    await engine.ok("run", "--name", `step-${n}`, from, "sh", "-c", `head -c ${n}00000 /dev/urandom > /file-${n}`);
    await engine.ok("commit", `step-${n}`, `layered:${n}`);
    await engine.ok("rm", `step-${n}`);
  }
});
afterAll(async () => {
  await engine[Symbol.asyncDispose]();
});

describe("upload", () => {
  interface Upload {
    bytes: Buffer;
  }
  /** A registry that takes uploads as `patch` has it: gives a refusal, or how many bytes come before the connection breaks. */
  function receive(patch: (request: Request, body: Buffer, upload: Upload) => Response | number | undefined) {
    const uploads = new Map<string, Upload>();
    const blobs = new Map<string, Buffer>();
    const requests: string[] = [];
    const elsewhere: (string | null)[] = [];
    let manifest: Buffer | undefined;
    const upload = async (request: Request, url: URL): Promise<Response> => {
      const id = url.pathname.split("/").at(-1) ?? "";
      const state = uploads.get(id);
      if (!state) return new Response("", { status: 404 });
      const location = { Location: url.pathname };
      const range = { Range: `0-${Math.max(0, state.bytes.length - 1)}` };
      if (request.method === "GET") return new Response(null, { status: 204, headers: { ...location, ...range } });
      if (request.method === "PUT") {
        const digest = url.searchParams.get("digest") ?? "";
        if (digest !== `sha256:${new Bun.CryptoHasher("sha256").update(state.bytes).digest("hex")}`) return new Response("", { status: 400 });
        blobs.set(digest, state.bytes);
        return new Response("", { status: 201 });
      }
      const body = Buffer.from(await request.arrayBuffer());
      requests.push(`${request.headers.get("Content-Range") ?? "whole"} ${body.length > 1_000_000 ? "large" : "small"}`);
      const verdict = patch(request, body, state);
      if (verdict instanceof Response) return verdict;
      const [, from] = /^(\d+)-/.exec(request.headers.get("Content-Range") ?? "") ?? [];
      if (from !== undefined && Number(from) !== state.bytes.length) return new Response("", { status: 416, headers: range });
      state.bytes = Buffer.concat([state.bytes, verdict === undefined ? body : body.subarray(0, verdict)]);
      return verdict === undefined ? new Response("", { status: 202, headers: location }) : new Response("", { status: 500 });
    };
    const storage = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch(request) {
        elsewhere.push(request.headers.get("Authorization"));
        return upload(request, new URL(request.url));
      },
    });
    const server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      maxRequestBodySize: 1 << 30,
      async fetch(request): Promise<Response> {
        const url = new URL(request.url);
        const name = url.pathname.split("/").at(-1) ?? "";
        if (!request.headers.has("Authorization"))
          return new Response("", { status: 401, headers: { "WWW-Authenticate": `Bearer realm="${url.origin}/token"` } });
        if (url.pathname === "/token") return Response.json({ token: "t" });
        if (url.pathname.includes("/manifests/")) {
          manifest = Buffer.from(await request.arrayBuffer());
          return new Response("", { status: 201 });
        }
        if (request.method === "HEAD") return new Response("", { status: blobs.has(name) ? 200 : 404 });
        const id = crypto.randomUUID();
        uploads.set(id, { bytes: Buffer.alloc(0) });
        return new Response("", { status: 202, headers: { Location: `http://127.0.0.1:${storage.port}/upload/${id}` } });
      },
    });
    return {
      host: `127.0.0.1:${server.port}`,
      requests,
      elsewhere,
      blobs,
      manifest: () => JSON.parse(manifest?.toString() ?? "null"),
      [Symbol.dispose]() {
        server.stop(true);
        storage.stop(true);
      },
    };
  }
  async function login(host: string): Promise<void> {
    mkdirSync(join(engine.root, "docker-config"), { recursive: true });
    const auths = { [host]: { auth: Buffer.from("user:secret").toString("base64") } };
    writeFileSync(join(engine.root, "docker-config/config.json"), JSON.stringify({ auths }));
  }

  test("in one piece; the upload may lie with another host, who gets no credentials", async () => {
    using registry = receive(() => undefined);
    await login(registry.host);
    await engine.ok("tag", "large", `${registry.host}/x`);
    await engine.ok("push", "-q", `${registry.host}/x`);
    expect(registry.requests.sort()).toEqual(["whole large", "whole small"]);
    expect(new Set(registry.elsewhere)).toEqual(new Set([null]));
    for (const { digest, size } of [registry.manifest().config, ...registry.manifest().layers]) expect(registry.blobs.get(digest)?.length).toBe(size);
  });

  test("breaks off: goes on from where the registry got to", async () => {
    let broken = 0;
    using registry = receive((_request, body) => (body.length > 1_000_000 && ++broken < 3 ? 20_000_001 : undefined));
    await login(registry.host);
    await engine.ok("tag", "large", `${registry.host}/x`);
    await engine.ok("push", "-q", `${registry.host}/x`);
    const large = registry.requests.filter((request) => request.endsWith("large"));
    expect(large.map((request) => request.replace(/-\d+ /, "- "))).toEqual(["whole large", "20000001- large", "40000002- large"]);
  });

  test("too large for the registry: in smaller pieces", async () => {
    using registry = receive((_request, body) => (body.length > 17 << 20 ? new Response("", { status: 413 }) : undefined));
    await login(registry.host);
    await engine.ok("tag", "large", `${registry.host}/x`);
    await engine.ok("push", "-q", `${registry.host}/x`);
    const [layer] = registry.manifest().layers;
    expect(registry.blobs.get(layer.digest)?.length).toBe(layer.size);
    expect(registry.requests.filter((request) => request.endsWith("large"))).toHaveLength(5); // 60 MB by 16 MiB, and the refused one
  });

  test("never gets through: one line, and not for ever", async () => {
    using registry = receive(() => new Response("", { status: 403 }));
    await login(registry.host);
    await engine.ok("tag", "layered:4", `${registry.host}/x`);
    expect(await engine.fails(1, "push", "-q", `${registry.host}/x`)).toContain("denied: access forbidden");
  });
});

test("layers packed with zstd", async () => {
  using registry = await startRegistry(engine.root);
  const name = `${registry.host}/x:zstd`;
  await engine.ok("tag", "layered:4", name);
  await engine.ok("push", "-q", "--compression-format", "zstd", name);
  const { layers } = JSON.parse(await engine.ok("manifest", "inspect", name));
  expect(new Set(layers.map((layer: { mediaType: string }) => layer.mediaType))).toEqual(new Set(["application/vnd.oci.image.layer.v1.tar+zstd"]));
  await using fresh = emptyEngine(engine);
  expect(await fresh.ok("run", "-q", "--rm", name, "sh", "-c", "cat /file-? | wc -c")).toBe("1000000");
  expect(await engine.fails(125, "push", "--compression-format", "lzma", name)).toContain("expected gzip or zstd");
});

test("a registry killed in mid-pull, and there again: the pull ends well", async () => {
  using registry = await startRegistry(engine.root);
  const name = `${registry.host}/large`;
  await engine.ok("tag", "large", name);
  await engine.ok("push", "-q", name);
  await using fresh = emptyEngine(engine);
  const pull = fresh.start("pull", "-q", name);
  const waiting = () => {
    try {
      const folder = join(fresh.root, "blobs");
      return readdirSync(folder).some((file) => file.startsWith(".tmp-") && statSync(join(folder, file)).size > 1_000_000);
    } catch {
      return false;
    }
  };
  await until("a part of the layer", waiting);
  await registry.restart();
  expect(await pull).toMatchObject({ exitCode: 0, stderr: "" });
  expect(await fresh.ok("images", "-q", "--no-trunc")).toBe(await engine.ok("images", "-q", "--no-trunc", "large"));
});

test("mirrors are asked before docker.io, and passed over where they fail", async () => {
  using registry = await startRegistry(engine.root);
  await engine.ok("tag", "layered:1", `${registry.host}/library/mirrored`);
  await engine.ok("push", "-q", `${registry.host}/library/mirrored`);
  await using fresh = emptyEngine(engine);
  const config = join(fresh.root, "config.json");
  fresh.env.BERTH_CONFIG = config;
  writeFileSync(config, JSON.stringify({ "registry-mirrors": ["http://127.0.0.1:1", `http://${registry.host}/`] }));
  expect(await fresh.ok("pull", "mirrored")).toContain("Status: Downloaded newer image for mirrored:latest\ndocker.io/library/mirrored:latest");
  expect(await fresh.ok("images", "--format", "{{.Repository}}:{{.Tag}}")).toBe("mirrored:latest");
  writeFileSync(config, JSON.stringify({ "registry-mirrors": ["mirror.example.com"] }));
  expect(await fresh.fails(1, "pull", "other")).toContain('registry-mirrors has "mirror.example.com", expected http(s)://HOST[:PORT]');
  writeFileSync(config, "{");
  expect(await fresh.fails(1, "pull", "other")).toContain("config.json: not JSON");
});

test("a credential helper keeps what login says, gives it, and forgets it", async () => {
  const registry = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: (request) =>
      request.headers.get("Authorization") === `Basic ${btoa("user:secret")}`
        ? Response.json({ tags: ["of-helper"], schemaVersion: 2, layers: [] })
        : new Response("", { status: 401, headers: { "WWW-Authenticate": 'Basic realm="x"' } }),
  });
  const host = `127.0.0.1:${registry.port}`;
  await using fresh = TestEngine.empty();
  const bin = join(fresh.root, "bin");
  mkdirSync(bin);
  const script = `#!/bin/sh\ncase $1 in store) cat > ${bin}/kept;; get) cat ${bin}/kept;; erase) rm ${bin}/kept;; esac\n`;
  writeFileSync(join(bin, "docker-credential-test"), script, { mode: 0o755 });
  writeFileSync(join(bin, "config.json"), JSON.stringify({ credsStore: "test" }));
  Object.assign(fresh.env, { DOCKER_CONFIG: bin, PATH: `${bin}:${fresh.env.PATH}` });
  expect(await fresh.ok("login", "-u", "user", "-p", "secret", host)).toContain("Login Succeeded");
  expect(JSON.parse(readFileSync(join(bin, "kept"), "utf8"))).toEqual({ ServerURL: host, Username: "user", Secret: "secret" });
  expect(readFileSync(join(bin, "config.json"), "utf8")).not.toContain('auth":');
  expect(await fresh.ok("manifest", "inspect", `${host}/x`)).toContain("of-helper");
  await fresh.ok("logout", host);
  expect(readdirSync(bin)).not.toContain("kept");
  expect(await fresh.fails(1, "manifest", "inspect", `${host}/x`)).toContain("unauthorized");
  await registry.stop(true);
});

test("proxies of the environment are used, and passed by", async () => {
  const seen: string[] = [];
  const proxy = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch(request) {
      seen.push(`${request.method} ${request.url}`);
      return new Response("", { status: 404 });
    },
  });
  await using fresh = emptyEngine(engine);
  const address = `http://127.0.0.1:${proxy.port}`;
  Object.assign(fresh.env, { HTTP_PROXY: address, HTTPS_PROXY: address });
  expect(await fresh.fails(1, "pull", "--tls-verify=false", "registry.invalid:5000/x")).toContain("registry.invalid:5000: not found");
  expect(seen).toEqual(["CONNECT registry.invalid:5000", "GET http://registry.invalid:5000/v2/x/manifests/latest"]);
  fresh.env.NO_PROXY = "registry.invalid";
  expect(await fresh.fails(1, "pull", "--tls-verify=false", "registry.invalid:5000/x")).toContain("cannot be reached");
  expect(seen).toHaveLength(2);
  await proxy.stop(true);
});

test("--cert-dir: whom to trust, and who we are", async () => {
  const folder = join(engine.root, "certificates");
  mkdirSync(folder);
  const openssl = (...args: string[]) => expect(Bun.spawnSync(["openssl", ...args], { cwd: folder }).exitCode).toBe(0);
  const certificate = (name: string, ...more: string[]) =>
    openssl(
      "req",
      "-x509",
      "-newkey",
      "rsa:2048",
      "-nodes",
      "-keyout",
      `${name}.key`,
      "-out",
      `${name}.pem`,
      "-days",
      "2",
      "-subj",
      "/CN=127.0.0.1",
      ...more,
    );
  certificate("server", "-addext", "subjectAltName=IP:127.0.0.1");
  certificate("client");
  using registry = await startRegistry(
    engine.root,
    `, tls: {certificate: ${folder}/server.pem, key: ${folder}/server.key, clientcas: [${folder}/client.pem]}`,
  );
  const name = `${registry.host}/x`;
  await engine.ok("tag", "layered:1", name);
  const trust = join(folder, "trust");
  mkdirSync(trust);
  expect(await engine.fails(1, "push", "-q", name)).toContain("DEPTH_ZERO_SELF_SIGNED_CERT");
  Bun.spawnSync(["cp", "server.pem", "trust/ca.crt"], { cwd: folder });
  expect(await engine.fails(1, "push", "-q", "--cert-dir", trust, name)).toContain("the TLS handshake failed");
  Bun.spawnSync(["cp", "client.pem", "trust/client.cert"], { cwd: folder });
  expect(await engine.fails(1, "push", "-q", "--cert-dir", trust, name)).toContain("missing key client.key for client certificate client.cert");
  renameSync(join(folder, "client.key"), join(trust, "client.key"));
  await engine.ok("push", "-q", "--cert-dir", trust, name);
  expect(await engine.fails(1, "pull", "-q", "--cert-dir", join(folder, "none"), name)).toContain("expected a folder with certificates");
});

test("what a push reads stays until it is done, whoever removes the image", async () => {
  const removed = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  let uploaded = 0;
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      if (request.method === "HEAD") {
        begun.resolve();
        await removed.promise;
        return new Response("", { status: 404 });
      }
      if (request.method === "POST") return new Response("", { status: 202, headers: { Location: "/upload" } });
      if (request.method === "PATCH") uploaded += (await request.arrayBuffer()).byteLength;
      return new Response("", { status: request.method === "PATCH" ? 202 : 201 });
    },
  });
  await using own = emptyEngine(engine);
  const name = `127.0.0.1:${server.port}/x`;
  await engine.ok("save", "-o", join(own.root, "x.tar"), "large");
  await own.ok("load", "-i", join(own.root, "x.tar"));
  await own.ok("tag", "large", name);
  const push = own.start("push", "-q", name);
  await begun.promise;
  await own.ok("rmi", "-f", await own.ok("images", "-q", "large"));
  expect(await own.ok("images", "-q")).toBe("");
  removed.resolve();
  expect((await push).stderr).toBe("");
  expect(uploaded).toBeGreaterThan(60_000_000);
  // Nobody reads it any more: the next command that looks takes it.
  await own.fails(1, "import", "/dev/null");
  expect(readdirSync(join(own.root, "layers"))).toEqual([]);
  expect(readdirSync(join(own.root, "blobs/sha256"))).toEqual([]);
  await server.stop(true);
});

test("search: docker's index, or the catalog", async () => {
  using registry = await startRegistry(engine.root);
  for (const name of ["team/web", "team/db"]) {
    await engine.ok("tag", "bb", `${registry.host}/${name}`);
    await engine.ok("push", "-q", `${registry.host}/${name}`);
  }
  expect(await engine.ok("search", "--format", "{{.Name}}", `${registry.host}/web`)).toBe(`${registry.host}/team/web`);
  const index = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch(request) {
      const url = new URL(request.url);
      const results = [
        { name: "busybox", description: `Busybox base image. ${"x".repeat(50)}`, star_count: 300, is_official: true },
        { name: "me/busybox", description: "", star_count: 1 },
      ];
      return url.pathname === "/v1/search" && url.searchParams.get("q") === "busybox"
        ? Response.json({ results })
        : new Response("", { status: 404 });
    },
  });
  const table = await engine.ok("search", `127.0.0.1:${index.port}/busybox`);
  expect(table.split("\n").map((line) => line.trimEnd())).toEqual([
    "NAME         DESCRIPTION                                     STARS     OFFICIAL",
    `busybox      Busybox base image. ${"x".repeat(24)}\u2026   300       [OK]`,
    "me/busybox                                                   1",
  ]);
  expect(await engine.ok("search", "-f", "stars=10", "--format", "{{.Name}}", `127.0.0.1:${index.port}/busybox`)).toBe("busybox");
  expect(await engine.fails(1, "search", `127.0.0.1:${index.port}/nothing`)).toContain("offers no search");
  index.stop(true);
});

test("on a terminal a line a layer with a bar", async () => {
  using registry = await startRegistry(engine.root);
  const name = `${registry.host}/layered`;
  await engine.ok("tag", "layered:4", name);
  using terminal = new Terminal({ ...engine.env, PATH: `${join(import.meta.dir, "../../dist")}:${engine.env.PATH}` });
  terminal.type(`berth push ${name}; echo exit $?`);
  await terminal.shows(/exit 0/);
  const pushed = terminal.screen();
  expect(pushed.match(/^[0-9a-f]{12}: Pushed$/gm)).toHaveLength(5);
  await using fresh = emptyEngine(engine);
  terminal.type(`clear; BERTH_ROOT=${fresh.root} berth pull ${name}; echo pulled $?`);
  await terminal.shows(/pulled 0/);
  const lines = terminal.screen().split("\n");
  const at = lines.findIndex((line) => line.startsWith("latest: Pulling from"));
  expect(lines.slice(at + 1, at + 6).every((line) => /^[0-9a-f]{12}: Pull complete$/.test(line))).toBe(true);
  expect(lines[at + 6]).toMatch(/^Digest: sha256:/);
});
