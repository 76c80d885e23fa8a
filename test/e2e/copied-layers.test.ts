/** Where the file system below cannot hold an overlay, such as another overlay, containers get copies of their layers. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BERTH, busybox, TestEngine } from "./engine.ts";

let engine: TestEngine;
let folder: string;
beforeAll(async () => {
  engine = await TestEngine.make();
  folder = mkdtempSync(join(tmpdir(), "berth-copied-"));
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await engine[Symbol.asyncDispose]();
});

// Runs a script in a mount namespace of its own, with an engine whose folder lies on an overlay.
function onOverlay(script: string): string[] {
  const head = `
    mount -t tmpfs t ${folder}; cd ${folder}; mkdir lower upper work merged
    mount -t overlay o -o lowerdir=lower,upperdir=upper,workdir=work merged
    export BERTH_ROOT=${folder}/merged
    berth() { ${BERTH} "$@"; }
    berth import ${busybox()} bb >/dev/null
`;
  const { stdout, stderr } = Bun.spawnSync(["unshare", "-m", "sh", "-ec", head + script], { stdout: "pipe", stderr: "pipe" });
  expect(stderr.toString()).toBe("");
  return stdout.toString().trimEnd().split("\n");
}

test("run, commit what changed, export", () => {
  const out = onOverlay(`
    berth info --format '{{.Driver}}'
    berth run --name a bb sh -c 'echo new > /new; ln /new /hard; rm -r /data; mkdir -p /folder/below; chmod 700 /home; stat -c %a:%u /'
    berth inspect -f '{{.GraphDriver.Name}}' a
    berth commit a two >/dev/null
    berth run --name b two sh -c 'ls -d /data 2>&1; cat /hard; stat -c %h /new; stat -c %a /home; rm /new; rm -r /folder; mkdir /folder; echo z > /folder/z'
    berth commit b three >/dev/null
    berth run --rm three sh -c 'ls /folder; ls /new 2>&1; cat /hard'
    berth export b | tar -t | grep folder
    berth save three -o ${engine.root}/three.tar
    berth rm a b
    ls merged/containers | wc -l`);
  expect(out).toEqual([
    ...["vfs", "755:0", "vfs"],
    ...["ls: /data: No such file or directory", "new", "2", "700"],
    ...["z", "ls: /new: No such file or directory", "new"],
    ...["folder/", "folder/z", "a", "b", "0"],
  ]);
});

test("layers made so are layers for everybody, with nothing in them that did not change", async () => {
  await engine.ok("load", "-q", "-i", join(engine.root, "three.tar"));
  expect(await engine.ok("run", "--rm", "three", "sh", "-c", "ls -R /folder; ls -d /new /data 2>&1; cat /hard; stat -c %a /home")).toBe(
    "/folder:\nz\nls: /new: No such file or directory\nls: /data: No such file or directory\nnew\n700",
  );
  const sizes = (await engine.ok("history", "--format", "{{.Size}}", "three")).split("\n");
  expect(sizes.slice(0, 2)).toEqual(["6B", "4B"]);
});

test("layers that hide others, from an archive, below an overlay that cannot hold its own marks", async () => {
  const script = "rm /data/of-the-image; rm -r /etc; mkdir /etc; echo only > /etc/only";
  await engine.ok("run", "--name", "hides", "bb", "sh", "-c", script);
  await engine.ok("commit", "hides", "hides");
  await engine.ok("rm", "hides");
  await engine.ok("save", "-o", join(engine.root, "hides.tar"), "hides");
  const look = "ls -d /data/of-the-image 2>&1; ls -A /etc";
  const wanted = await engine.ok("run", "--rm", "hides", "sh", "-c", look);
  const got = onOverlay(`berth load -qi ${engine.root}/hides.tar >/dev/null; berth run --rm hides sh -c '${look}'`);
  expect(got.join("\n")).toBe(wanted);
  expect(got).toContain("only");
});

test("--rootfs is refused there", () => {
  const out = onOverlay("mkdir tree; berth run --rm --rootfs tree true 2>&1 || echo $?");
  expect(out).toEqual([`berth: --rootfs needs an overlay file system, which cannot be had on ${folder}/merged`, "125"]);
});
