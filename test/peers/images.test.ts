/**
 * Images from docker, podman, buildah, skopeo and umoci into berth and back: the same
 * digests, and the same files with all that belongs to them.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TarEntry } from "../../src/image/tar-header.ts";
import { TarReader } from "../../src/image/tar-reader.ts";
import { startRegistry } from "../e2e/registry.ts";
import { makeBusyboxRoot } from "../fixtures/busybox.ts";
import { podmanPeer, type Run, runner, startDockerd } from "../fixtures/peers.ts";

const BERTH = join(import.meta.dir, "../../dist/berth");
let folder: string;
let berth: Run;
let docker: Run;
let podman: Run;
let buildah: Run;
let stopDocker: () => Promise<void>;
const path = (name: string) => join(folder, name);
const sh = (script: string) => ok(runner(["sh", "-ec", script])());
function ok({ out, err, code }: { out: string; err: string; code: number }, ...words: string[]): string {
  if (code !== 0) throw new Error(`exit ${code} ${words.join(" ")}: ${err}${out}`);
  return out;
}
const run = (command: string[], env: Record<string, string> = {}) => ok(runner(command, env)(), ...command);

// Everything that a layer can have, made in a container over a layer below.
const CHANGES = `
  cp /bin/busybox /suid; chmod 4755 /suid; chown 12:34 /suid; ln /suid /hard; ln -s ../suid /etc/soft
  ln /below/linked /linked; mknod /null c 1 3; mknod /disk b 250 7; mkfifo /fifo
  long=$(printf 'n%.0s' $(seq 120)); mkdir -p /$long/$long; echo long > /$long/$long/$long
  echo bytes > "/$(printf 'caf\\351')"; touch -d '2001-02-03 04:05:06' /suid /etc/soft /below
  chown 3000000:4000000 /below/owner; chmod 1777 /below; chmod 2750 /below/setgid
  rm /below/gone; rm -r /below/folder /below/again; mkdir /below/again; echo new > /below/again/new`;

beforeAll(async () => {
  // In lower case: podman makes the name of an image of it.
  folder = join(tmpdir(), `berth-images-${process.pid}`);
  mkdirSync(folder);
  makeBusyboxRoot(path("base"));
  sh(`cd ${path("base")}; mkdir -p below/folder below/again below/setgid; for f in linked owner gone folder/f again/old; do echo $f > below/$f; done
    cp /bin/busybox below/capable; setcap cap_net_raw+ep below/capable
    tar --xattrs --xattrs-include='*' --numeric-owner --owner=0 --group=0 -cf ${path("base.tar")} .`);
  berth = runner([BERTH], { BERTH_ROOT: path("berth"), DOCKER_CONFIG: path("none") });
  const daemon = await startDockerd(folder);
  docker = runner(daemon.command, daemon.env);
  stopDocker = daemon.stop;
  const peer = podmanPeer(folder);
  podman = runner(peer.command, peer.env);
  buildah = runner(["buildah", "--root", path("buildah"), "--runroot", path("buildah-run")]);
}, 60_000);
afterAll(async () => {
  docker("rm", "-f", ...docker("ps", "-aq").out.split("\n"));
  await stopDocker();
  podman("rm", "-af", "-t", "0");
  podman("rmi", "-af");
  buildah("rm", "-a");
  buildah("rmi", "-af");
  // Storage of podman and buildah may be mounted still.
  for (const name of readdirSync(folder)) Bun.spawnSync(["umount", "-l", join(folder, name, "overlay")], { stderr: "ignore" });
  rmSync(folder, { recursive: true, force: true });
});

type Tree = Record<string, string>;
/** What each of them puts into every container. */
const NOT_OF_THE_IMAGE = /^(dev|proc|sys|run|\.dockerenv|etc\/(hosts|hostname|resolv\.conf|mtab))(\/|$)/;

// Each path with all that belongs to it, as text; names of one file by the first of them.
function treeOf(tar: string): Tree {
  const entries = new Map<string, TarEntry & { hash: string }>();
  let hash = new Bun.CryptoHasher("sha1");
  let last = "";
  const nameOf = (text: string) => text.replace(/^\.?\//, "").replace(/\/$/, "");
  const reader = new TarReader({
    entry(entry) {
      last = nameOf(entry.path);
      hash = new Bun.CryptoHasher("sha1");
      entries.set(last, { ...entry, hash: "" });
    },
    data: (chunk) => hash.update(chunk),
    end() {
      (entries.get(last) as { hash: string }).hash = hash.digest("hex");
    },
  });
  reader.write(readFileSync(tar));
  reader.close();
  const groups = Map.groupBy(entries.keys(), (name) => {
    const entry = entries.get(name);
    return entry?.type === "hardlink" ? nameOf(entry.linkPath) : name;
  });
  const tree: Tree = {};
  for (const [first, names] of groups) {
    const e = entries.get(first) as TarEntry & { hash: string };
    const attributes = [...e.xattrs].map(([key, value]) => `${key}=${value.toString("hex")}`).sort();
    // /etc gets another one where somebody puts a file of his own there.
    const time = first === "" || first === "etc" ? "" : e.mtime / 1_000_000_000n;
    const about = [
      e.type,
      e.mode.toString(8),
      e.uid,
      e.gid,
      e.size,
      time,
      e.linkPath,
      e.deviceMajor,
      e.deviceMinor,
      ...attributes,
      e.hash,
      names.sort()[0],
    ];
    for (const name of names) if (name !== "" && !NOT_OF_THE_IMAGE.test(name)) tree[name] = about.join(" ");
  }
  return tree;
}

function exported(tool: Run, image: string): Tree {
  const id = ok(tool("create", image, "true"), "create", image)
    .split("\n")
    .at(-1) as string;
  ok(tool("export", "-o", path("export.tar"), id), "export");
  ok(tool("rm", id));
  return treeOf(path("export.tar"));
}
const folderTree = (root: string): Tree => {
  run(["tar", "--xattrs", "--xattrs-include=security.*", "--numeric-owner", "--format=posix", "-C", root, "-cf", path("folder.tar"), "."]);
  return treeOf(path("folder.tar"));
};
const idOf = (tool: Run, image: string) => ok(tool("inspect", "--format", "{{.Id}}", image), "inspect", image).replace(/^sha256:/, "");
/** An image that a tool made itself, of two layers with everything in them. */
function make(tool: Run, name: string): Tree {
  ok(tool("import", path("base.tar"), `${name}-base`), "import");
  ok(tool("run", "--name", name, "--network", "none", `${name}-base`, "sh", "-c", CHANGES), "run");
  ok(tool("commit", name, `localhost/${name}:1`), "commit");
  ok(tool("rm", name));
  const tree = exported(tool, `localhost/${name}:1`);
  expect(Object.keys(tree)).toContain("caf\udce9");
  expect(Object.keys(tree)).not.toContain("below/gone");
  expect(tree["below/again/old"]).toBeUndefined();
  expect(tree.linked).toEndWith(" below/linked");
  return tree;
}

test("docker: save, load, save, load", () => {
  const tree = make(docker, "of-docker");
  const id = idOf(docker, "localhost/of-docker:1");
  ok(docker("save", "-o", path("docker.tar"), "localhost/of-docker:1"));
  ok(berth("load", "-i", path("docker.tar")));
  expect(idOf(berth, "localhost/of-docker:1")).toBe(id);
  expect(exported(berth, "localhost/of-docker:1")).toEqual(tree);
  ok(berth("save", "-o", path("back.tar"), "localhost/of-docker:1"));
  ok(docker("rmi", "-f", "localhost/of-docker:1", "of-docker-base"));
  ok(docker("load", "-i", path("back.tar")));
  expect(idOf(docker, "localhost/of-docker:1")).toBe(id);
  expect(exported(docker, "localhost/of-docker:1")).toEqual(tree);
}, 60_000);

test("berth's own: docker, podman and buildah have the same files of it", () => {
  const tree = make(berth, "of-berth");
  const id = idOf(berth, "localhost/of-berth:1");
  ok(berth("save", "-o", path("berth.tar"), "localhost/of-berth:1"));
  for (const tool of [docker, podman]) {
    ok(tool("load", "-i", path("berth.tar")));
    expect(idOf(tool, "localhost/of-berth:1")).toBe(id);
    expect(exported(tool, "localhost/of-berth:1")).toEqual(tree);
    expect(tool("run", "--rm", "--network", "none", "localhost/of-berth:1", "cat", "/below/again/new").out).toBe("new");
  }
  const container = ok(buildah("from", `docker-archive:${path("berth.tar")}`));
  expect(folderTree(ok(buildah("mount", container)))).toEqual(tree);
  ok(buildah("rm", container));
}, 60_000);

describe("podman", () => {
  test.each(["docker-archive", "oci-archive", "oci-dir"])(
    "save, load, save, load as %s",
    (format) => {
      const name = `of-podman-${format}`;
      const tree = make(podman, name);
      const image = `localhost/${name}:1`;
      const id = idOf(podman, image);
      ok(podman("save", "--format", format, "-o", path(`podman-${format}`), image));
      ok(berth("load", "-i", path(`podman-${format}`)), "berth load");
      expect(exported(berth, id.slice(0, 12))).toEqual(tree);
      expect(idOf(berth, id.slice(0, 12))).toBe(id);
      ok(berth("tag", id.slice(0, 12), image));
      ok(berth("save", "--format", format, "-o", path(`back-${format}`), image));
      ok(podman("rmi", "-f", image));
      ok(podman("load", "-i", path(`back-${format}`)), "podman load");
      expect(idOf(podman, id)).toBe(id);
      expect(exported(podman, id)).toEqual(tree);
    },
    60_000,
  );
});

test("buildah: an image it made, as an OCI archive, and back", () => {
  const container = ok(buildah("from", "scratch"));
  ok(buildah("add", container, path("base.tar"), "/"));
  ok(buildah("config", "--cmd", "sh -c 'echo of buildah'", "--env", "A=b", container));
  ok(buildah("commit", "-q", container, "of-buildah"));
  const tree = folderTree(ok(buildah("mount", container)));
  const id = ok(buildah("inspect", "--type", "image", "--format", "{{.FromImageID}}", "of-buildah"));
  ok(buildah("push", "-q", "of-buildah", `oci-archive:${path("buildah.tar")}:localhost/of-buildah:1`));
  ok(berth("load", "-i", path("buildah.tar")), "load");
  expect(idOf(berth, "localhost/of-buildah:1")).toBe(id);
  expect(exported(berth, "localhost/of-buildah:1")).toEqual(tree);
  expect(ok(berth("run", "--rm", "localhost/of-buildah:1"))).toBe("of buildah");
  ok(berth("save", "--format", "oci-archive", "-o", path("buildah-back.tar"), "localhost/of-buildah:1"));
  ok(buildah("rmi", "-f", "of-buildah"));
  const back = ok(buildah("from", `oci-archive:${path("buildah-back.tar")}`));
  expect(folderTree(ok(buildah("mount", back)))).toEqual(tree);
  ok(buildah("rm", "-a"));
}, 60_000);

test("skopeo and umoci: layouts and archives, both ways", () => {
  const tree = exported(berth, "localhost/of-berth:1");
  const id = idOf(berth, "localhost/of-berth:1");
  ok(berth("save", "--format", "oci-dir", "-o", path("layout"), "localhost/of-berth:1"));
  run(["umoci", "unpack", "--image", `${path("layout")}:1`, path("bundle")]);
  expect(folderTree(path("bundle/rootfs"))).toEqual(tree);
  // umoci adds a layer of its own.
  sh(`cd ${path("bundle/rootfs")}; echo umoci > by-umoci; rm etc/soft; touch -d '2002-03-04 05:06:07' by-umoci`);
  run(["umoci", "repack", "--image", `${path("layout")}:2`, path("bundle")]);
  run(["skopeo", "copy", "-q", `oci:${path("layout")}:2`, `oci-archive:${path("umoci.tar")}:localhost/of-umoci:2`]);
  ok(berth("load", "-i", path("umoci.tar")));
  const changed = exported(berth, "localhost/of-umoci:2");
  expect(Object.keys(changed).filter((name) => !(name in tree))).toEqual(["by-umoci"]);
  expect(Object.keys(tree).filter((name) => !(name in changed))).toEqual(["etc/soft"]);
  // Through skopeo's formats the image keeps its digest.
  run(["skopeo", "copy", "-q", `docker-archive:${path("berth.tar")}`, `oci:${path("copied")}:1`]);
  run(["skopeo", "copy", "-q", `oci:${path("copied")}:1`, `docker-archive:${path("copied.tar")}:localhost/copied:1`]);
  ok(berth("load", "-i", path("copied.tar")));
  expect(exported(berth, "localhost/copied:1")).toEqual(tree);
  const { config } = JSON.parse(run(["skopeo", "inspect", "--raw", `oci:${path("layout")}:1`]));
  expect(config.digest).toBe(`sha256:${id}`);
}, 60_000);

test("a registry between: commit and push here, pull and run there, and the other way", async () => {
  mkdirSync(path("registry"));
  using registry = await startRegistry(path("registry"));
  const name = `${registry.host}/team/image`;
  ok(berth("tag", "localhost/of-berth:1", `${name}:1`));
  ok(berth("push", "-q", `${name}:1`));
  ok(docker("pull", "-q", `${name}:1`));
  expect(idOf(docker, `${name}:1`)).toBe(idOf(berth, `${name}:1`));
  expect(exported(docker, `${name}:1`)).toEqual(exported(berth, `${name}:1`));
  expect(ok(docker("run", "--rm", "--network", "none", `${name}:1`, "cat", "/below/again/new"))).toBe("new");
  ok(docker("tag", "localhost/of-docker:1", `${name}:2`));
  ok(docker("push", "-q", `${name}:2`));
  ok(berth("pull", "-q", `${name}:2`));
  expect(idOf(berth, `${name}:2`)).toBe(idOf(docker, `${name}:2`));
  ok(podman("pull", "-q", "--tls-verify=false", `${name}:1`));
  expect(exported(podman, `${name}:1`)).toEqual(exported(berth, `${name}:1`));
}, 60_000);
