import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { TestEngine } from "./engine.ts";

let engine: TestEngine;
let folder: string;
beforeAll(async () => {
  engine = await TestEngine.make();
  folder = join(engine.root, "host");
  mkdirSync(folder);
  writeFileSync(join(folder, "file"), "of the host\n");
});
afterAll(async () => {
  await engine[Symbol.asyncDispose]();
});

const volumes = () => (existsSync(join(engine.root, "volumes")) ? readdirSync(join(engine.root, "volumes")) : []);

describe("volumes", () => {
  test("a folder or file of the host, writable or not", async () => {
    expect(await engine.ok("run", "--rm", "-v", `${folder}:/h`, "bb", "sh", "-c", "cat /h/file; echo new > /h/new")).toBe("of the host");
    expect(readFileSync(join(folder, "new"), "utf8")).toBe("new\n");
    expect((await engine.run("run", "--rm", "-v", `${folder}:/h:ro`, "bb", "touch", "/h/x")).stderr).toContain("Read-only file system");
    expect(await engine.ok("run", "--rm", "-v", `${folder}/file:/etc/passwd:ro`, "bb", "cat", "/etc/passwd")).toBe("of the host");
    expect(await engine.ok("run", "--rm", "--mount", `type=bind,src=${folder},dst=/h,readonly`, "bb", "cat", "/h/file")).toBe("of the host");
  });

  test("-v makes a missing folder, --mount says that it is missing", async () => {
    await engine.ok("run", "--rm", "-v", `${folder}/made/here:/h`, "bb", "touch", "/h/x");
    expect(existsSync(join(folder, "made/here/x"))).toBe(true);
    expect(await engine.fails(125, "run", "--rm", "--mount", `type=bind,src=${folder}/nope,dst=/h`, "bb", "true")).toContain(
      "bind source path does not exist",
    );
    expect(await engine.leftovers()).toEqual([]);
  });

  test("a file cannot be mounted on a folder", async () => {
    expect(await engine.fails(125, "run", "--rm", "-v", `${folder}/file:/tmp`, "bb", "true")).toContain("is a file, /tmp is a directory");
  });

  test("a named volume is filled from the image once, shared, and stays", async () => {
    expect(await engine.ok("run", "--rm", "-v", "named:/data", "bb", "ls", "/data")).toBe("of-the-image");
    await engine.ok("run", "--rm", "-v", "named:/data", "bb", "sh", "-c", "rm /data/of-the-image; echo own > /data/own");
    expect(await engine.ok("run", "--rm", "-v", "named:/data:ro", "bb", "ls", "/data")).toBe("own");
    expect(await engine.ok("run", "--rm", "-v", "empty:/data:nocopy", "bb", "ls", "/data")).toBe("");
    expect(await engine.ok("run", "--rm", "--mount", "type=volume,src=named,dst=/v", "bb", "cat", "/v/own")).toBe("own");
    expect(volumes().sort()).toEqual(["empty", "named"]);
  });

  test("filling keeps owners, modes, links and times", async () => {
    await engine.ok("run", "--name", "maker", "bb", "sh", "-c", "true");
    const script = "cd /data && stat -c '%a %u %g %Y %F' of-the-image";
    const inImage = await engine.ok("run", "--rm", "bb", "sh", "-c", script);
    expect(await engine.ok("run", "--rm", "-v", "/data", "bb", "sh", "-c", script)).toBe(inImage);
    expect(await engine.ok("run", "--rm", "-v", "bins:/bin", "--entrypoint", "/bin/ls", "bb", "-l", "/bin/sh")).toContain("-> busybox");
    await engine.ok("rm", "maker");
  });

  test("anonymous volumes go with --rm and rm -v, and stay otherwise", async () => {
    const before = volumes().length;
    await engine.ok("run", "--rm", "-v", "/data", "bb", "touch", "/data/x");
    expect(volumes()).toHaveLength(before);
    await engine.ok("create", "--name", "anonymous", "-v", "/data", "bb", "true");
    expect(volumes()).toHaveLength(before + 1);
    await engine.ok("rm", "-v", "anonymous");
    expect(volumes()).toHaveLength(before);
  });

  test("--volumes-from takes them over, and a shared one is not removed", async () => {
    await engine.ok("create", "--name", "source", "-v", "/data", "-v", `${folder}:/h:ro`, "bb", "true");
    await engine.ok("run", "--name", "taker", "--volumes-from", "source", "bb", "sh", "-c", "echo shared > /data/shared; cat /h/file");
    await engine.ok("rm", "-v", "taker");
    expect(await engine.ok("run", "--rm", "--volumes-from", "source:ro", "bb", "cat", "/data/shared")).toBe("shared");
    expect((await engine.run("run", "--rm", "--volumes-from", "source:ro", "bb", "touch", "/data/x")).exitCode).toBe(1);
    expect(await engine.fails(125, "run", "--rm", "--volumes-from", "nobody", "bb", "true")).toContain("No such container: nobody");
    await engine.ok("rm", "-v", "source");
  });

  const BIND = "-v named:/a";
  const VOLUME = "--mount type=volume,src=other,dst=/a";
  test.each([
    [`-v /a ${BIND}`, "named"],
    [`${BIND} -v /a`, "named"],
    [`${BIND} ${BIND}`, "named"],
    [`-v /a ${VOLUME}`, "other"],
    [`${VOLUME} -v /a`, "other"],
  ])("one target said twice: %s", async (flags, name) => {
    await engine.ok("create", "--name", "twice", ...flags.split(" "), "bb", "true");
    expect(await engine.inspect("twice", "{{range .Mounts}}{{.Name}} {{end}}{{json .HostConfig.Binds}}")).toBe(
      `${name} ${name === "named" ? '["named:/a"]' : "null"}`,
    );
    await engine.ok("rm", "-v", "twice");
  });

  test.each([`${BIND} --tmpfs /a`, `--tmpfs /a ${BIND}`, `${BIND} ${VOLUME}`, `${VOLUME} ${VOLUME}`, `${BIND} ${BIND}:ro`])(
    "one target for two things is refused: %s",
    async (flags) => {
      expect(await engine.fails(125, "run", "--rm", ...flags.split(" "), "bb", "true")).toContain("Duplicate mount point: /a");
    },
  );

  test("mounts are told in the order they were given, and made from the outside in", async () => {
    const flags = ["-v", "inner:/m/a/b", "-v", "outer:/m", "--tmpfs", "/m/a"];
    await engine.ok("run", "--name", "order", ...flags, "bb", "sh", "-c", "mount | grep -o ' /m[^ ]*' > /dev/stderr; touch /m/a/b/kept");
    expect((await engine.run("logs", "order")).stderr.trimEnd().split("\n")).toEqual([" /m", " /m/a", " /m/a/b"]);
    expect(await engine.inspect("order", "{{json .HostConfig.Binds}}")).toBe('["inner:/m/a/b","outer:/m"]');
    expect(await engine.ok("run", "--rm", "-v", "inner:/i", "bb", "ls", "/i")).toBe("kept");
    await engine.ok("rm", "order");
  });

  test("tmpfs, with options", async () => {
    expect(
      await engine.ok("run", "--rm", "--tmpfs", "/t:size=1m,mode=1770", "bb", "sh", "-c", "stat -c %a /t; df -k /t | tail -n 1 | awk '{print $2}'"),
    ).toBe("1770\n1024");
    expect(
      await engine.ok("run", "--rm", "--mount", "type=tmpfs,dst=/t,tmpfs-size=2m", "bb", "sh", "-c", "df -k /t | tail -n 1 | awk '{print $2}'"),
    ).toBe("2048");
  });

  test("a tmpfs is as open as the folder below it, at each start; where there is none, for all", async () => {
    const show = ["sh", "-c", "for path in /home /new /asked; do stat -c '%n %a' $path; done"];
    await engine.ok("create", "--name", "open", "--tmpfs", "/home", "--tmpfs", "/new", "--tmpfs", "/asked:mode=700", "bb", ...show);
    for (const _life of ["first", "second"]) expect(await engine.ok("start", "-a", "open")).toBe("/home 755\n/new 1777\n/asked 700");
    await engine.ok("rm", "open");
  });

  test("--mount: a volume's labels and options where it makes it, and a folder of it", async () => {
    const made = "src=made,volume-label=a=b,volume-opt=type=tmpfs,volume-opt=device=tmpfs,volume-opt=o=size=64k";
    expect(await engine.ok("run", "--rm", "--mount", `${made},dst=/m`, "bb", "sh", "-c", "df -k /m | tail -1 | awk '{print $2}'")).toBe("64");
    expect(JSON.parse(await engine.ok("volume", "inspect", "made"))).toMatchObject([
      { Labels: { a: "b" }, Options: { type: "tmpfs", device: "tmpfs", o: "size=64k" } },
    ]);
    await engine.ok(
      "run",
      "--rm",
      "-v",
      "parts:/p",
      "bb",
      "sh",
      "-c",
      "mkdir -p /p/one/deep; echo in > /p/one/deep/f; ln -s /etc /p/out; echo p > /p/file",
    );
    const below = async (subpath: string, ...command: string[]) =>
      engine.run("run", "--rm", "--mount", `src=parts,dst=/m,volume-subpath=${subpath}`, "bb", ...command);
    expect((await below("one/deep", "cat", "/m/f")).stdout).toBe("in\n");
    expect((await below("one", "sh", "-c", "ls /m; touch /m/new")).stdout).toBe("deep\n");
    expect((await below("file", "cat", "/m")).stdout).toBe("p\n");
    // A link in it does not lead out of it.
    for (const path of ["missing", "out"]) expect((await below(path, "ls", "/m")).stderr).toContain(`cannot mount`);
    await engine.ok("volume", "rm", "made", "parts");
  });

  test("inspect tells what was given", async () => {
    await engine.ok(
      "create",
      "--name",
      "told",
      "-v",
      "zz:/a:ro,nocopy",
      "-v",
      `${folder}:/b/c`,
      "--mount",
      "src=yy,dst=/d,ro,volume-nocopy",
      "-v",
      "/e",
      "bb",
      "true",
    );
    const told = JSON.parse(await engine.ok("inspect", "told"))[0];
    expect(told.HostConfig).toMatchObject({
      Binds: ["zz:/a:ro,nocopy", `${folder}:/b/c`],
      Mounts: [{ Type: "volume", Source: "yy", Target: "/d", ReadOnly: true, VolumeOptions: { NoCopy: true } }],
    });
    expect(told.Config.Volumes).toEqual({ "/e": {} });
    expect(told.Mounts.map(({ Destination, Mode, RW }: Record<string, string>) => [Destination, Mode, RW]).sort()).toEqual([
      ["/a", "ro,nocopy", false],
      ["/b/c", "", true],
      ["/d", "z", false],
      ["/e", "", true],
    ]);
    await engine.ok("rm", "-v", "told");
    await engine.ok("volume", "rm", "yy", "zz");
  });

  test("the three files of a container are never part of its layer", async () => {
    await engine.ok("run", "--name", "layer", "bb", "sh", "-c", "echo x >> /etc/hosts; echo y > /written");
    const upper = await engine.inspect("layer", "{{.GraphDriver.Data.UpperDir}}");
    expect(readFileSync(join(upper, "written"), "utf8")).toBe("y\n");
    for (const name of ["hosts", "hostname", "resolv.conf"]) {
      const path = join(upper, "etc", name);
      expect(!existsSync(path) || readFileSync(path, "utf8") === "").toBe(true);
    }
    await engine.ok("rm", "layer");
  });

  test("propagation: what the host mounts later appears only where asked for", async () => {
    // In a mount namespace of its own, so that nothing of this reaches the machine's.
    const script = `
      set -e
      mount --make-rprivate /
      mkdir -p ${folder}/shared && mount -t tmpfs t ${folder}/shared && mount --make-shared ${folder}/shared && mkdir ${folder}/shared/sub
      "$0" run -d --name slave -v ${folder}/shared:/m:rslave bb sleep 100 >/dev/null
      "$0" run -d --name private -v ${folder}/shared:/m bb sleep 100 >/dev/null
      mount -t tmpfs t ${folder}/shared/sub && touch ${folder}/shared/sub/late
      echo slave: $("$0" exec slave ls /m/sub) private: $("$0" exec private ls /m/sub)
      "$0" rm -f slave private >/dev/null
    `;
    const result = Bun.spawnSync(["unshare", "-m", "sh", "-c", script, join(import.meta.dir, "../../dist/berth")], { env: engine.env });
    expect(result.stderr.toString()).toBe("");
    expect(result.stdout.toString()).toBe("slave: late private:\n");
  });
});
