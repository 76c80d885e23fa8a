/** `cp`: docker's rules, both ways, running or not, and never out of the container. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setXattr } from "../../ffi/xattr.ts";
import { BERTH, TestEngine } from "./engine.ts";

let engine: TestEngine;
let host: string;
const N = ["--network", "none"];
/** How often to copy, both ways, while a folder is swapped for a link; BERTH_STRESS=1000 takes a minute. */
const SWAPS = Number(process.env.BERTH_STRESS ?? 20);

beforeAll(async () => {
  engine = await TestEngine.make();
  host = mkdtempSync(join(tmpdir(), "berth-cp-"));
  mkdirSync(join(host, "site/deep"), { recursive: true });
  writeFileSync(join(host, "site/page"), "page");
  writeFileSync(join(host, "site/deep/leaf"), "leaf");
  writeFileSync(join(host, "site/.wh.page"), "no mark");
  symlinkSync("page", join(host, "site/link"));
  writeFileSync(join(host, "file"), "file", { mode: 0o640 });
  utimesSync(join(host, "file"), 1_600_000_000, 1_600_000_000);
  await engine.ok("run", "-d", "--name", "up", ...N, "-v", "vol:/vol", "--tmpfs", "/tmpfs", "bb", "sleep", "1000");
  await engine.ok("create", "--name", "down", ...N, "-v", "vol2:/vol", "bb", "sleep", "1000");
});
afterAll(async () => {
  await engine[Symbol.asyncDispose]();
  rmSync(host, { recursive: true });
});

const at = (name: string) => join(host, name);
const read = (name: string) => readFileSync(at(name), "utf8");
/** What a container, running or not, has at a path. */
async function content(container: string, path: string): Promise<string> {
  const { stdout } = Bun.spawnSync(["sh", "-c", `"${BERTH}" cp ${container}:${path} - | tar -xO`], { env: engine.env });
  return stdout.toString();
}

describe.each(["up", "down"])("a container that is %s", (c) => {
  const cp = (...args: string[]) => engine.ok("cp", ...args);

  test("files in: new names, into folders, over files, into volumes", async () => {
    await cp(at("file"), `${c}:/home/named`);
    await cp(at("file"), `${c}:/home`);
    await cp(at("file"), `${c}:home/`);
    await cp(at("site/page"), `${c}:/home/named`);
    await cp(at("file"), `${c}:/vol/in-volume`);
    expect(await content(c, "/home/named")).toBe("page");
    expect(await content(c, "/home/file")).toBe("file");
    expect(await content(c, "/vol/in-volume")).toBe("file");
    const listing = Bun.spawnSync(["sh", "-c", `"${BERTH}" cp ${c}:/home/file - | tar -tv --numeric-owner --full-time`], {
      env: engine.env,
    }).stdout.toString();
    expect(listing).toMatch(/^-rw-r----- 0\/0 +4 2020-09-13 12:26:40 file\n$/);
  });

  test("folders in: as a new name, into one that is there, their contents", async () => {
    await cp(at("site"), `${c}:/new`);
    expect(await content(c, "/new/deep/leaf")).toBe("leaf");
    await cp(at("site"), `${c}:/home`);
    expect(await content(c, "/home/site/page")).toBe("page");
    expect(await content(c, "/home/site/.wh.page")).toBe("no mark");
    await cp(`${at("site")}/.`, `${c}:/data`);
    expect(await content(c, "/data/page")).toBe("page");
    expect(await content(c, "/data/of-the-image")).toBe("from the image\n");
  });

  test("out: files, folders, links", async () => {
    const out = mkdtempSync(join(host, "out-"));
    const there = (name: string) => readFileSync(join(out, name), "utf8");
    await cp(`${c}:/etc/passwd`, join(out, "named"));
    await cp(`${c}:/etc/passwd`, out);
    expect(there("named")).toBe(there("passwd"));
    expect(there("named")).toContain("root:x:0:0");
    await cp(at("site"), `${c}:/out-of`);
    await cp(`${c}:/out-of`, join(out, "new"));
    await cp(`${c}:/out-of`, out);
    await cp(`${c}:/out-of/.`, join(out, "new"));
    expect(there("new/deep/leaf") + there("out-of/page")).toBe("leafpage");
    expect(readlinkSync(join(out, "new/link"))).toBe("page");
    await cp(`${c}:/out-of/link`, join(out, "as-link"));
    expect(readlinkSync(join(out, "as-link"))).toBe("page");
    await cp("-L", `${c}:/out-of/link`, join(out, "followed"));
    expect(there("followed")).toBe("page");
    expect(statSync(join(out, "named")).uid).toBe(process.getuid?.() ?? 0);
  });

  test("to a link: what it leads to is written, also where nothing is yet, and never outside", async () => {
    const out = mkdtempSync(join(host, "links-"));
    for (const [link, name] of Object.entries({ linked: "file", dangling: "made", climbing: "../../../../../../climbed" })) {
      symlinkSync(name, join(out, link));
    }
    writeFileSync(join(out, "file"), "old");
    await cp(`${out}/.`, `${c}:/links`);
    for (const link of ["linked", "dangling", "climbing"]) await cp(at("file"), `${c}:/links/${link}`);
    for (const path of ["/links/file", "/links/made", "/climbed"]) expect(await content(c, path)).toBe(readFileSync(at("file"), "utf8"));
    await cp(`${c}:/etc/passwd`, join(out, "linked"));
    await cp(`${c}:/etc/passwd`, join(out, "dangling"));
    expect(readlinkSync(join(out, "linked"))).toBe("file");
    for (const name of ["file", "made"]) expect(readFileSync(join(out, name), "utf8")).toContain("root:x:0:0");
  });

  test("a tar in and out", async () => {
    const script = `tar -C ${host} -c site | "${BERTH}" cp - ${c}:/root && "${BERTH}" cp ${c}:/root/site - | tar -t | sort`;
    const { stdout, stderr } = Bun.spawnSync(["sh", "-c", script], { env: engine.env });
    expect(stderr.toString()).toBe("");
    expect(stdout.toString().trim().split("\n")).toEqual(["site/", "site/.wh.page", "site/deep/", "site/deep/leaf", "site/link", "site/page"]);
  });

  test("what does not fit is said, and nothing is lost", async () => {
    const fails = (...args: string[]) => engine.fails(1, "cp", ...args);
    expect(await fails(`${c}:/nope`, host)).toContain("Could not find the file /nope in container");
    expect(await fails(at("nope"), `${c}:/`)).toContain("no such file or directory");
    expect(await fails(at("file"), `${c}:/nope/`)).toContain("the destination directory must exist");
    expect(await fails(at("file"), `${c}:/nope/x`)).toContain("Could not find the file /nope");
    expect(await fails(at("site"), `${c}:/etc/passwd`)).toContain("cannot copy a directory to a file");
    expect(await fails(at("file"), `${c}:/etc/passwd/`)).toContain("not a directory");
    await engine.ok("cp", at("site"), `${c}:/clash`);
    mkdirSync(at(`clash-${c}/page`), { recursive: true });
    expect(await fails(`${at(`clash-${c}`)}/.`, `${c}:/clash`)).toContain("cannot overwrite non-directory");
    expect(await content(c, "/clash/page")).toBe("page");
    expect(await engine.fails(1, "cp", at("file"), at("site"))).toContain("must specify at least one container source");
    expect(await engine.fails(1, "cp", "up:/x", "down:/x")).toContain("copying between containers is not supported");
    expect(await engine.fails(1, "cp", "nobody:/x", host)).toContain("No such container: nobody");
  });

  test("owners: those of the host on the way in; on the way out with -a", async () => {
    const theirs = at(`theirs-${c}`);
    writeFileSync(theirs, "theirs");
    chownSync(theirs, 1000, 50);
    await cp(theirs, `${c}:/home/owned`);
    await cp("-a", `${c}:/home/owned`, at(`owned-${c}`));
    expect(statSync(at(`owned-${c}`))).toMatchObject({ uid: 1000, gid: 50 });
    await cp(`${c}:/home/owned`, at(`mine-${c}`));
    expect(statSync(at(`mine-${c}`))).toMatchObject({ uid: 0, gid: 0 });
  });
});

test("a tree of every file type, in and out, is to tar what it was, byte for byte", async () => {
  const script = `set -e; mkdir ${host}/all; cd ${host}/all
    echo text > file; : > empty; truncate -s 3M sparse; printf x | dd of=sparse bs=1 seek=1M conv=notrunc 2>/dev/null
    ln file hard; ln -s file link; ln -s /nowhere/at/all dangling; mkfifo fifo; mknod char c 1 3; mknod block b 7 0
    mkdir -m 1777 sticky; mkdir -m 2750 empty-folder; mkdir -m 500 locked; echo in > locked/file; chmod 0 locked/file
    cp /bin/true setuid; chown 1000:50 setuid link -h; chmod 6755 setuid
    echo a > "$(printf 'not \\377 text')"; echo b > "with space and 'quotes' and \\ and *"; echo n > "$(printf 'new\\nline')"
    echo l > $(printf 'l%.0s' $(seq 255)); d=deep; for i in $(seq 12); do d=$d/$(printf 'd%.0s' $(seq 90)); done; mkdir -p $d; echo deep > $d/leaf
    touch -d '1969-07-20 20:17:40.5 UTC' file; touch -d '2106-02-07 06:28:16.123456789 UTC' empty; touch -h -d '2001-09-09 01:46:40 UTC' link
    touch -d '2010-10-10 10:10:10.101010101 UTC' sticky empty-folder locked .`;
  const { exitCode, stderr } = Bun.spawnSync(["bash", "-c", script]);
  expect({ exitCode, stderr: stderr.toString() }).toEqual({ exitCode: 0, stderr: "" });
  setXattr(at("all/file"), "user.note", Buffer.from("a value"));
  setXattr(at("all/setuid"), "security.capability", Buffer.from("0100000200040000000000000000000000000000", "hex"));
  const tar = (folder: string) => {
    const options = "--sort=name --format=posix --pax-option=delete=atime,delete=ctime,exthdr.name=%d/%f --xattrs --xattrs-include=* --numeric-owner";
    const { stdout, stderr } = Bun.spawnSync(["tar", ...options.split(" "), "-C", folder, "-c", "."]);
    expect(stderr.toString()).toBe("");
    return Bun.hash(stdout);
  };
  const original = tar(at("all"));
  await engine.ok("cp", "-a", at("all"), "up:/all");
  expect(tar(`/proc/${await engine.inspect("up", "{{.State.Pid}}")}/root/all`)).toBe(original);
  await engine.ok("cp", "-a", "up:/all", at("back"));
  expect(tar(at("back"))).toBe(original);
  await engine.ok("cp", "-a", at("all"), "down:/all");
  await engine.ok("cp", "-a", "down:/all", at("back-down"));
  expect(tar(at("back-down"))).toBe(original);
  const streamed = Bun.spawnSync(
    [
      "sh",
      "-c",
      `mkdir ${host}/streamed && "${BERTH}" cp -a up:/all - | tar --warning=no-timestamp --xattrs --xattrs-include='*' --numeric-owner -C ${host}/streamed -xp`,
    ],
    { env: engine.env },
  );
  expect(streamed.stderr.toString()).toBe("");
  expect(tar(at("streamed/all"))).toBe(original);
});

test("mounts of a container that runs, and only while it does", async () => {
  await engine.ok("cp", at("file"), "up:/tmpfs/x");
  expect(await engine.ok("exec", "up", "cat", "/tmpfs/x")).toBe("file");
});

test(
  "links in a container lead nowhere but into it",
  async () => {
    const victim = mkdtempSync(join(tmpdir(), "berth-victim-"));
    writeFileSync(join(victim, "secret"), "secret");
    await engine.ok("exec", "up", "sh", "-c", `ln -s ${victim} /out; ln -s ../../../../../../..${victim}/secret /secret; ln -s /etc/passwd /inside`);
    expect((await engine.run("cp", "-L", "up:/secret", at("stolen"))).exitCode).toBe(1);
    expect((await engine.run("cp", "up:/out/secret", at("stolen"))).exitCode).toBe(1);
    expect(existsSync(at("stolen"))).toBe(false);
    expect((await engine.run("cp", at("file"), "up:/out/planted")).exitCode).toBe(1);
    expect(existsSync(join(victim, "planted"))).toBe(false);
    await engine.ok("cp", "-L", "up:/inside", at("inside"));
    expect(read("inside")).toContain("/home/user"); // the container's, not the host's
    // While somebody inside swaps a folder for a link, over and over.
    const swap = `mkdir /d; while [ ! -e /stop ]; do mv /d /e; ln -s ${victim} /d; rm /d; mv /e /d; done`;
    await engine.ok("exec", "-d", "up", "sh", "-c", swap);
    for (let i = 0; i < SWAPS; i++) {
      await engine.run("cp", at("file"), "up:/d/planted");
      await engine.run("cp", "up:/d/secret", at("stolen"));
      expect([existsSync(join(victim, "planted")), existsSync(at("stolen"))]).toEqual([false, false]);
    }
    await engine.ok("exec", "up", "touch", "/stop");
    rmSync(victim, { recursive: true });
  },
  SWAPS * 300 + 5000,
);

test("a container in a user namespace: its own root's, whatever that is outside", async () => {
  await engine.ok("run", "-d", "--name", "ns", ...N, "--userns", "auto", "bb", "sleep", "1000");
  await engine.ok("cp", at("site/page"), "ns:/home/page");
  expect(await engine.ok("exec", "ns", "stat", "-c", "%u:%g", "/home/page")).toBe("0:0");
  await engine.ok("exec", "ns", "sh", "-c", "chown 1000:1000 /home/page");
  await engine.ok("cp", "-a", "ns:/home/page", at("from-ns"));
  expect(statSync(at("from-ns")).uid).toBe(1000);
  await engine.ok("rm", "-f", "ns");
});
