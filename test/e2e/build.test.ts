/** `build`: Dockerfiles as people write them, the cache, contexts, and what goes wrong. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { BERTH, TestEngine, until } from "./engine.ts";

let engine: TestEngine;
let context: string;
beforeAll(async () => {
  engine = await TestEngine.make();
});
afterAll(async () => {
  await engine[Symbol.asyncDispose]();
  rmSync(context, { recursive: true, force: true });
});
beforeEach(() => {
  if (context) rmSync(context, { recursive: true, force: true });
  context = mkdtempSync(join(tmpdir(), "berth-context-"));
});

function write(files: Record<string, string>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(context, name)), { recursive: true });
    writeFileSync(join(context, name), text);
  }
}
const NONE = ["--network", "none"];
/** Builds; gives the image's id. */
const build = (dockerfile: string, ...flags: string[]) => {
  write({ Dockerfile: dockerfile });
  return engine.ok("build", "-q", ...NONE, ...flags, context);
};
const run = (image: string, script: string) => engine.ok("run", "--rm", ...NONE, "--entrypoint", "sh", image, "-c", script);
const config = async (image: string) => JSON.parse(await engine.inspect(image, "{{json .Config}}"));

const EVERYTHING = `# a comment
ARG BASE=nosuch
FROM \${BASE} AS first
LABEL one=1 "two words"="x y"
LABEL old style
ENV A=1 B="two words" C=$A
ENV D value with spaces
ARG VERSION=1
WORKDIR /app
WORKDIR sub
COPY src/ ./src/
COPY *.md docs/
COPY ["one.md", "with space"]
ADD one.md /abs/
USER user
RUN echo "$VERSION $A $B $C $D" > /tmp/vars \\
    # in the middle
    && pwd >> /tmp/vars; id -un >> /tmp/vars
RUN ["sh", "-c", "echo exec form >> /tmp/vars"]
RUN <<EOF
echo heredoc >> /tmp/vars
echo $A >> /tmp/vars
EOF
COPY <<EOF <<"RAW" /docs/
is $A
EOF
is $A
RAW
EXPOSE 80 53/udp 8000-8001
VOLUME /v1 /v2
STOPSIGNAL SIGINT
SHELL ["sh", "-ec"]
HEALTHCHECK --interval=1m30s --retries=2 CMD true
ENTRYPOINT exec echo
CMD ["x"]
ONBUILD RUN echo triggered > /tmp/triggered
`;

test("every instruction", async () => {
  write({ "src/a.txt": "a", "src/deep/b.txt": "b", "one.md": "1", "two.md": "2" });
  const args = ["--build-arg", "BASE=bb", "--build-arg", "VERSION=2", "--label", "by=flag"];
  expect(await build(EVERYTHING, ...args, "-t", "all:v1")).toMatch(/^sha256:[0-9a-f]{64}$/);
  expect(await config("all:v1")).toMatchObject({
    Labels: { one: "1", "two words": "x y", old: "style", by: "flag" },
    Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "A=1", "B=two words", "C=", "D=value with spaces"],
    WorkingDir: "/app/sub",
    User: "user",
    ExposedPorts: { "80/tcp": {}, "53/udp": {}, "8000/tcp": {}, "8001/tcp": {} },
    Volumes: { "/v1": {}, "/v2": {} },
    StopSignal: "SIGINT",
    Healthcheck: { Interval: 90e9, Retries: 2 },
    Entrypoint: ["sh", "-ec", "exec echo"],
    Cmd: ["x"],
    OnBuild: ["RUN echo triggered > /tmp/triggered"],
  });
  expect(await run("all:v1", "cat /tmp/vars")).toBe("2 1 two words  value with spaces\n/app/sub\nuser\nexec form\nheredoc\n1");
  const files = "cat src/a.txt src/deep/b.txt docs/one.md docs/two.md 'with space' /abs/one.md; cat /docs/EOF /docs/RAW";
  expect(await run("all:v1", files)).toBe("ab1211is 1\nis $A");
  await build("FROM all:v1", "-t", "child");
  expect(await run("child", "cat /tmp/triggered")).toBe("triggered");
  expect((await config("child")).OnBuild).toBeNull();
});

test("stages: by name and number, only those that are needed; files of other images; --target", async () => {
  const dockerfile = `FROM bb AS one
RUN mkdir /out && echo one > /out/file && chown 1000:50 /out/file
FROM bb AS broken
RUN false
FROM one AS two
RUN echo two >> /out/file
FROM scratch AS nothing
COPY --from=two /out/ /
FROM bb
COPY --from=0 /out/file /zero
COPY --from=nothing --chown=user:extra --chmod=640 /file /made/two
COPY --from=bb /etc/passwd /copied
`;
  await build(dockerfile, "-t", "staged");
  expect(await run("staged", "cat /zero /made/two; head -1 /copied; stat -c '%U:%G %a' /zero /made/two /made")).toBe(
    "one\none\ntwo\nroot:x:0:0:root:/root:/bin/sh\nroot:root 644\nuser:extra 640\nuser:extra 755",
  );
  await build(dockerfile, "--target", "nothing", "-t", "bare");
  await engine.ok("create", "--name", "bare", ...NONE, "bare", "/x");
  const { stdout } = Bun.spawnSync(["sh", "-c", `"${BERTH}" export bare | tar t | grep -vE '^(\\.dockerenv|(dev|etc|proc|sys)/)'`], {
    env: engine.env,
  });
  expect(stdout.toString()).toBe("file\n");
  await engine.ok("rm", "bare");
  expect(await engine.fails(1, "build", "-q", ...NONE, "--target", "nosuch", context)).toContain('target stage "nosuch" could not be found');
  expect((await engine.run("build", ...NONE, "--target", "broken", context)).stderr).toContain("returned a non-zero code: 1");
});

test("the cache: what was made of the same is found again, and by its content", async () => {
  const dockerfile = "FROM bb\nARG WHO=me\nCOPY f /f\nRUN cat /proc/sys/kernel/random/uuid > /uuid\nENV LATE=1\nRUN echo $WHO > /who\n";
  write({ f: "1" });
  const first = await build(dockerfile);
  expect(await build(dockerfile)).toBe(first);
  expect((await engine.run("build", ...NONE, context)).stderr.match(/Using cache/g)).toHaveLength(4);
  const uuid = await run(first, "cat /uuid");
  // Later times alone change nothing.
  writeFileSync(join(context, "f"), "1");
  expect(await build(dockerfile)).toBe(first);
  const other = await build(dockerfile, "--build-arg", "WHO=you");
  expect(other).not.toBe(first);
  writeFileSync(join(context, "f"), "2");
  const changed = await build(dockerfile);
  expect(await run(changed, "cat /f; cat /uuid")).not.toContain(uuid);
  expect(await build(dockerfile, "--no-cache")).not.toBe(changed);
  // It is no clutter, and goes when asked.
  expect(await engine.ok("images", "-q", "--filter", "dangling=true")).toBe("");
  expect((await engine.ok("images", "-aq")).split("\n").length).toBeGreaterThan(5);
  expect(await engine.ok("builder", "prune", "-f")).toContain("Total reclaimed space");
  expect((await engine.run("build", ...NONE, context)).stderr).not.toContain("Using cache");
});

test("contexts: .dockerignore, standard input as Dockerfile or tar, links that lead nowhere", async () => {
  write({ keep: "k", "logs/a.log": "l", "logs/keep.log": "k", "deep/x/y.tmp": "t", "deep/x/z": "z" });
  write({ ".dockerignore": "**/*.tmp\nlogs/*\n!logs/keep.log\nDockerfile\n" });
  symlinkSync("/etc/shadow", join(context, "secret"));
  symlinkSync("keep", join(context, "link"));
  await build("FROM bb\nCOPY . /all/\nCOPY link /followed\n", "-t", "ctx");
  expect(await run("ctx", "cd /all && find . | sort | tr '\\n' ' '; cat /followed; readlink secret")).toBe(
    ". ./.dockerignore ./deep ./deep/x ./deep/x/z ./keep ./link ./logs ./logs/keep.log ./secret k/etc/shadow",
  );
  expect(await engine.fails(1, "build", "-q", ...NONE, "-f", "-", context)).toContain("is empty");
  write({ Dockerfile: "FROM bb\nCOPY secret /s\n" });
  expect((await engine.run("build", ...NONE, context)).stderr).toContain("secret: not found in the build context");
  write({ Dockerfile: "FROM bb\nRUN --mount=type=bind,source=secret,target=/s cat /s\n" });
  expect((await engine.run("build", ...NONE, context)).stderr).toContain("secret: not found in the build context");
  const viaPipe = (script: string) => Bun.spawnSync(["sh", "-ec", script], { env: engine.env, cwd: context }).stdout.toString().trim();
  expect(viaPipe(`printf 'FROM bb\\nRUN echo piped > /p\\n' | "${BERTH}" build -q -t piped ${NONE.join(" ")} -`)).toStartWith("sha256:");
  expect(await run("piped", "cat /p")).toBe("piped");
  write({ Dockerfile: "FROM bb\nCOPY keep /kept\n" });
  expect(viaPipe(`tar cz Dockerfile keep | "${BERTH}" build -q -t tarred ${NONE.join(" ")} -`)).toStartWith("sha256:");
  expect(await run("tarred", "cat /kept")).toBe("k");
  symlinkSync(join(context, "Dockerfile"), join(context, "outside"));
  expect(viaPipe(`tar cz outside keep | "${BERTH}" build -q -f outside ${NONE.join(" ")} - 2>&1 || true`)).toMatch(
    /^berth: failed to read dockerfile: open .*outside: no such file or directory$/i,
  );
  expect(existsSync(join(engine.root, "build-tmp")) ? readdirSync(join(engine.root, "build-tmp")) : []).toEqual([]);
});

test("ADD unpacks archives; RUN --mount: caches, secrets, files of the context", async () => {
  write({ "in/f": "archived", secret: "geheim", tool: "tool" });
  Bun.spawnSync(["tar", "-C", join(context, "in"), "-czf", join(context, "a.tgz"), "f"]);
  const iid = join(context, "iid");
  const dockerfile = `FROM bb
ADD a.tgz /un/
COPY a.tgz /packed/
RUN --mount=type=cache,target=/cache echo x >> /cache/count; wc -l < /cache/count > /count
RUN --mount=type=secret,id=s,required=true --mount=type=bind,source=tool,target=/tool cat /run/secrets/s /tool > /seen
RUN --mount=type=tmpfs,target=/t touch /t/gone
`;
  const id = await build(dockerfile, "-t", "mounted", "--secret", `id=s,src=${join(context, "secret")}`, "--iidfile", iid);
  expect(readFileSync(iid, "utf8")).toBe(id);
  expect(await run("mounted", "cat /un/f; ls /packed; cat /count /seen; ls / | grep -xE 't|cache|tool' || true")).toBe(
    "archiveda.tgz\n1\ngeheimtool",
  );
  await build("FROM bb\nRUN --mount=type=cache,target=/cache wc -l < /cache/count > /count\n", "-t", "again");
  expect(await run("again", "cat /count")).toBe("1");
});

test("RUN --mount from stages, images and the context: links stay inside, what is written is gone, and a change is seen", async () => {
  write({ "sub/b": "two", a: "one", ".dockerignore": "ignored\n", ignored: "i" });
  const dockerfile = `FROM bb AS tools
RUN mkdir -p /opt/bin && printf '#!/bin/sh\\necho tool $@\\n' > /opt/bin/tool && chmod 755 /opt/bin/tool && ln -s /etc/group /opt/out
FROM bb
WORKDIR /w
RUN --mount=from=tools,source=/opt/bin/tool,target=/bin/tool tool hello > /r1
RUN --mount=from=tools,src=opt,dst=/t sh -c 'touch /t/x || cat /t/out' > /r2
RUN --mount=from=tools,rw,src=opt,dst=/t touch /t/x
RUN --mount=from=tools,src=opt,dst=/t ls /t > /r3
RUN --mount=from=bb,target=/mnt ls /mnt/bin/sh > /r4
RUN --mount=target=. sh -c 'cat a sub/b; ls; touch x || echo read-only' > /r5
RUN --mount=type=bind,target=/c,rw touch /c/new
RUN --mount=target=/c ls /c > /r6
`;
  await build(dockerfile, "-t", "shown");
  expect(await run("shown", "cat /r1 /r3 /r4; grep root: /r2")).toBe("tool hello\nbin\nout\n/mnt/bin/sh\nroot:x:0:");
  expect(await run("shown", "cat /r5")).toBe("onetwoDockerfile\na\nsub\nread-only");
  expect(await run("shown", "cat /r6; ls -d /t /c /mnt /bin/tool 2>/dev/null || true")).toBe("Dockerfile\na\nsub");
  write({ a: "changed" });
  await build(dockerfile, "-t", "shown");
  expect(await run("shown", "head -1 /r5")).toStartWith("changedtwo");
  expect(readdirSync(join(engine.root, "build-tmp"))).toEqual([]);
  expect(await engine.leftovers()).toEqual([]);
});

test("RUN --mount: owners and modes of caches and secrets, secrets as variables, an ssh-agent", async () => {
  write({ secret: "geheim" });
  const socket = join(context, "agent");
  using _agent = Bun.listen({ unix: socket, socket: { data() {} } });
  const dockerfile = `FROM bb
RUN --mount=type=cache,target=/k,id=kk,uid=1000,gid=1001,mode=0700 stat -c '%u:%g %a' /k > /r1
RUN --mount=type=secret,id=s,uid=1000,mode=0440 stat -c '%u:%g %a' /run/secrets/s > /r2
RUN --mount=type=secret,id=s,env=TOKEN sh -c 'echo $TOKEN; ls /run/secrets 2>&1 || true' > /r3
RUN --mount=type=ssh sh -c 'echo $SSH_AUTH_SOCK; test -S $SSH_AUTH_SOCK && echo agent here' > /r4
`;
  await build(dockerfile, "-t", "theirs", "--secret", `id=s,src=${join(context, "secret")}`, "--ssh", `default=${socket}`);
  expect(await run("theirs", "cat /r1 /r2; head -1 /r3")).toBe("1000:1001 700\n1000:0 440\ngeheim");
  expect(await run("theirs", "cat /r4")).toMatch(/^\/run\/buildkit\/ssh_agent.0\nagent here$/);
  expect((await engine.run("build", ...NONE, "--ssh", `default=${context}`, context)).stderr).toContain("expected the socket of an ssh-agent");
});

test("COPY --exclude, --chmod in letters, ADD --checksum, --build-context, substitutions", async () => {
  write({
    "src/a.txt": "a",
    "src/b.md": "b",
    "src/node_modules/x": "x",
    "src/deep/c.md": "c",
    "other/o": "other",
    "other/.dockerignore": "left\n",
    "other/left": "l",
  });
  using server = Bun.serve({ port: 0, fetch: () => new Response("from the web") });
  const sum = new Bun.CryptoHasher("sha256").update("from the web").digest("hex");
  const dockerfile = (checksum: string) => `FROM base
ARG V=1.2.3
ENV MAJOR=\${V%%.*} DASHED=\${V//./-}
COPY --exclude=*.md --exclude=node_modules src /o/
COPY --chmod=u+x,go= src/a.txt /mode
COPY --from=other . /other/
RUN --mount=from=other,target=/m cat /m/o > /read
ADD --checksum=sha256:${checksum} http://127.0.0.1:${server.port}/file /
`;
  const contexts = ["--build-context", `other=${join(context, "other")}`, "--build-context", "base=docker-image://bb"];
  await build(dockerfile(sum), "-t", "more", ...contexts);
  expect(await run("more", "find /o /other | sort | tr '\\n' ' '; stat -c %a /mode; cat /read /file; echo $MAJOR $DASHED")).toBe(
    "/o /o/a.txt /o/deep /o/deep/c.md /other /other/.dockerignore /other/o 700\notherfrom the web1 1-2-3",
  );
  write({ "other/o": "changed" });
  await build(dockerfile(sum), "-t", "more", ...contexts);
  expect(await run("more", "cat /read /other/o")).toBe("changedchanged");
  write({ Dockerfile: dockerfile(sum.replaceAll(/[0-9]/g, "0")) });
  expect((await engine.run("build", ...NONE, ...contexts, context)).stderr).toContain(`digest mismatch: expected sha256:`);
  expect(await engine.fails(1, "build", "--build-context", "x=https://example.com/x.git", context)).toContain("is not supported");
});

test("a cache that is locked is one build's at a time", async () => {
  const folders = ["one", "two"].map((name) => {
    write({
      [`${name}/Dockerfile`]: `FROM bb\nRUN --mount=type=cache,target=/k,id=own,sharing=locked test ! -e /k/in && touch /k/in && sleep 1; rm /k/in; echo ${name}\n`,
    });
    return join(context, name);
  });
  const results = await Promise.all(folders.map((folder) => engine.run("build", "--no-cache", ...NONE, folder)));
  expect(results.map(({ stderr }) => stderr.includes("can't remove"))).toEqual([false, false]);
});

describe("what is wrong is said, with the line it is in", () => {
  test.each([
    ["FORM bb", "line 1: unknown instruction: FORM"],
    ["RUN x", "line 1: no build stage in current context"],
    ["FROM bb\nCOPY one two /place", "line 2: COPY: 2 sources for /place: the destination must be a directory and end with a /"],
    ["FROM bb\nCOPY a", "line 2: COPY: requires at least two arguments"],
    ["FROM bb\nCOPY nosuch /", "nosuch: not found in the build context"],
    ["FROM bb\nCOPY *.nosuch /", "no source files were specified"],
    ["FROM bb\nWORKDIR $NONE", "line 2: WORKDIR: cannot normalize nothing: $NONE is empty"],
    ["FROM bb\nVOLUME $NONE", "line 2: VOLUME: can not be an empty string"],
    ["FROM bb\nEXPOSE web", "invalid containerPort: web"],
    ["FROM bb\nRUN <<EOF\nx", "line 2: unterminated heredoc EOF"],
    ["FROM bb\nENV A", "line 2: ENV: must have two arguments"],
    ["FROM bb\nCOPY --nope=1 a b", "line 2: COPY: unknown flag: nope"],
    ["FROM bb\nRUN --mount=type=cache true", "line 2: RUN --mount=type=cache: expected a target"],
    ["FROM bb\nRUN --mount=target=/x,id=y true", "unexpected key 'id' for mount type bind"],
    ["FROM bb\nRUN --mount=type=cache,target=/x,sharing=some true", "invalid value for sharing: some, expected shared, private, locked"],
    ["FROM bb\nRUN --mount=type=secret,id=s,required true", "secret s: not found"],
    ["FROM bb\nRUN --mount=type=ssh,required true", "no agent default: give --ssh default"],
    ["FROM bb AS a\nFROM bb\nRUN --mount=from=a,source=/nosuch,target=/x true", "cannot mount"],
    ["FROM scratch", "no image was generated"],
    ["", "is empty"],
  ])("%j", async (dockerfile, message) => {
    write({ Dockerfile: dockerfile as string });
    const { exitCode, stderr } = await engine.run("build", ...NONE, context);
    expect({ exitCode, stderr }).toEqual({ exitCode: 1, stderr: expect.stringContaining(message as string) });
    expect(stderr).not.toMatch(/^\s+at /m);
  });

  test("the exit code is that of the command", async () => {
    write({ Dockerfile: "FROM bb\n\nRUN exit 7" });
    const { exitCode, stderr } = await engine.run("build", ...NONE, context);
    expect({ exitCode, stderr }).toEqual({ exitCode: 7, stderr: expect.stringContaining("returned a non-zero code: 7") });
  });

  test("a name that is none", async () => {
    expect(await engine.fails(125, "build", "-t", "UPPER", context)).toContain('invalid argument "UPPER" for "-t, --tag" flag');
  });

  test("no folder, no Dockerfile", async () => {
    expect(await engine.fails(1, "build", join(context, "nosuch"))).toContain("unable to prepare context");
    expect(await engine.fails(1, "build", context)).toContain("failed to read dockerfile");
    expect(await engine.fails(1, "build", "https://example.com/repo.git")).toContain("a context from a URL is not supported");
    expect(await engine.ok("ps", "-aq")).toBe("");
  });
});

test("what docker makes of these: a working folder that nothing is put into, empty lists, the order of variables", async () => {
  write({
    Dockerfile: `FROM bb AS one\nWORKDIR /w/x\nWORKDIR /tmp\nWORKDIR ../y\nENV A=1 B=2\nENV A=3\nEXPOSE $NONE\nENTRYPOINT []\nCMD []
      FROM one\nCOPY --from=one /w /copied\nWORKDIR /\n`,
  });
  await engine.ok("build", "-q", ...NONE, "-t", "lists", context);
  expect(
    await engine.inspect("lists", "{{json .Config.Entrypoint}} {{json .Config.Cmd}} {{json .Config.ExposedPorts}} {{slice .Config.Env 1}}"),
  ).toBe("null [] null [A=3 B=2]");
  const seen = await engine.ok("run", "--rm", ...NONE, "lists", "stat", "-c", "%F %a %u %n", "/w/x", "/y", "/copied/x");
  expect(seen).toBe("directory 755 0 /w/x\ndirectory 755 0 /y\ndirectory 755 0 /copied/x");
  expect(await engine.ok("history", "--format", "{{.CreatedBy}} {{.Size}}", "lists")).toContain("WORKDIR /tmp 0B");
  write({ Dockerfile: "FROM bb\nWORKDIR /etc/passwd\n" });
  expect((await engine.run("build", ...NONE, context)).stderr).toContain("/etc/passwd is there and not a directory");
});

test("layers that are the same: nothing is lost, and all of it can be saved and run elsewhere", async () => {
  const first = "RUN mkdir -p /opt && echo first > /opt/f && touch -d @1000 /opt/f /opt";
  await build(`FROM bb\n${first}\nRUN rm /opt/f && touch /opt/g\n${first}\n${first}\n`, "-t", "same");
  const layers: string[] = JSON.parse(await engine.inspect("same", "{{json .RootFS.Layers}}"));
  expect(layers.length - new Set(layers).size).toBe(2);
  await using other = TestEngine.empty();
  await engine.ok("save", "-o", join(context, "same.tar"), "same");
  await other.ok("load", "-i", join(context, "same.tar"));
  for (const one of [engine, other]) expect(await one.ok("run", "--rm", ...NONE, "same", "sh", "-c", "cat /opt/f; ls /opt")).toBe("first\nf\ng");
});

test("what is made for mounts is in no layer, nor are the folders that lead there, unless they were changed", async () => {
  const steps = [
    "RUN true",
    "RUN --mount=type=tmpfs,target=/new/deep true",
    "RUN chmod 700 /etc",
    "RUN touch /etc/own",
    "RUN --mount=type=tmpfs,target=/new/deep touch /new/x",
  ];
  await build(`FROM bb\n${steps.join("\n")}\n`, "-t", "ways");
  await engine.ok("save", "-o", join(context, "ways.tar"), "ways");
  const list = (...args: string[]) => Bun.spawnSync(["tar", ...args], { cwd: context }).stdout.toString();
  const [{ Layers }] = JSON.parse(list("xOf", "ways.tar", "manifest.json"));
  list("xf", "ways.tar");
  const content = Layers.slice(1).map((layer: string) => list("tf", layer).trimEnd().split("\n").join(" "));
  expect(content).toEqual(["", "", "etc/", "etc/ etc/own", "new/ new/x"]);
});

test("HEALTHCHECK by the image's shell", async () => {
  await build('FROM bb\nSHELL ["/bin/busybox", "sh", "-c"]\nHEALTHCHECK --interval=100ms --retries=1 CMD echo by $0\n', "-t", "checked");
  expect(await engine.inspect("checked", "{{json .Config.Healthcheck.Test}}")).toBe('["CMD-SHELL","echo by $0"]');
  await engine.ok("run", "-d", "--name", "checked", ...NONE, "checked", "sleep", "100");
  await until("it is healthy", async () => (await engine.inspect("checked", "{{.State.Health.Status}}")) === "healthy");
  expect(await engine.inspect("checked", "{{(index .State.Health.Log 0).Output}}")).toBe("by sh\n");
  await engine.ok("rm", "-f", "checked");
});

test("an ignored folder is there where something in it is not ignored", async () => {
  write({
    Dockerfile: "FROM bb\nCOPY . /all\n",
    ".dockerignore": "out\nin\n!in/deep/kept\n",
    "out/a/b": "1",
    "in/x": "2",
    "in/deep/kept": "3",
    "in/other/y": "4",
  });
  mkdirSync(join(context, "out/empty"), { recursive: true });
  await engine.ok("build", "-q", ...NONE, "-t", "ignoring", context);
  const found = await engine.ok("run", "--rm", ...NONE, "ignoring", "find", "/all/out", "/all/in").catch((error: Error) => error.message);
  expect(found).toContain("/all/out: No such file");
  expect(found).toContain("/all/in\n/all/in/deep\n/all/in/deep/kept");
  expect(found).not.toContain("other");
  write({ Dockerfile: "FROM bb\nCOPY out /out\n" });
  expect((await engine.run("build", ...NONE, context)).stderr).toContain("out: not found in the build context");
});

test("--output: what was built as a folder or a tar, and no image of a name", async () => {
  write({
    Dockerfile: "FROM bb AS make\nRUN mkdir /out && echo made > /out/file && ln -s /etc/passwd /out/link\nFROM scratch\nCOPY --from=make /out/ /\n",
  });
  const folder = join(context, "to/folder");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "own"), "kept");
  await engine.ok("build", "-q", ...NONE, "-t", "unnamed", "-o", folder, context);
  expect(readdirSync(folder).sort()).toEqual(["file", "link", "own"]);
  expect(readFileSync(join(folder, "file"), "utf8")).toBe("made\n");
  expect(await engine.ok("images", "-q", "unnamed")).toBe("");
  const tar = join(context, "out.tar");
  await engine.ok("build", "-q", ...NONE, "--output", `type=tar,dest=${tar}`, context);
  const names = (args: string[], input?: Buffer) =>
    Bun.spawnSync(["tar", "t", ...args], { stdin: input })
      .stdout.toString()
      .trim()
      .split("\n")
      .sort();
  expect(names(["-f", tar])).toEqual(["file", "link"]);
  const piped = Bun.spawnSync([BERTH, "build", "-q", ...NONE, "-o", "-", context], { env: engine.env });
  expect(names([], piped.stdout)).toEqual(["file", "link"]);
  expect(piped.stdout.toString()).not.toContain("sha256:");
  expect(await engine.fails(125, "build", "-o", "type=nosuch", context)).toContain('invalid argument "type=nosuch" for "-o, --output" flag');
  expect(await engine.fails(1, "build", "--push", context)).toContain("--push needs an image with a name");
  expect(await engine.ok("ps", "-aq")).toBe("");
});

test("interrupted or killed, a build leaves nothing that stays", async () => {
  for (const signal of ["SIGINT", "SIGKILL"] as const) {
    write({ Dockerfile: "FROM bb\nRUN sleep 100\n" });
    const child = Bun.spawn([BERTH, "build", ...NONE, context], { env: engine.env, stderr: "ignore" });
    await until("it runs", async () => (await engine.ok("ps", "-q")) !== "");
    child.kill(signal);
    await child.exited;
    if (signal === "SIGKILL") await build("FROM bb\nENV NEXT=1\n");
    await until("nothing is left", async () => (await engine.leftovers()).length === 0);
  }
});
