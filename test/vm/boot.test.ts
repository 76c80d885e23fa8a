/** `berth vm image`, and berth as the first process of the machine that it makes: nothing else is in it. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TestEngine, until } from "../e2e/engine.ts";
import { BOOT_TIMEOUT, type Kernel, kernelOf, startMachine, unpackedKernel } from "./machine.ts";

let engine: TestEngine;
let folder: string;
let modules: string;
beforeAll(async () => {
  engine = await TestEngine.make();
  folder = mkdtempSync(join(tmpdir(), "berth-boot-"));
  ({ modules } = unpackedKernel());
  const dockerfile = 'FROM bb\nRUN echo from a machine > /index.html\nCMD ["httpd", "-f", "-h", "/"]\n';
  const { exitCode } = await engine.withInput(dockerfile, "build", "--network", "none", "-t", "web", "-");
  expect(exitCode).toBe(0);
}, BOOT_TIMEOUT);
afterAll(async () => {
  await engine[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

const image = async (name: string, ...args: string[]) => {
  const file = join(folder, name);
  expect(await engine.ok("vm", "image", "-o", file, "--modules", modules, ...args)).toMatch(/^\S+: [\d.]+MB, [\d.]+MB unpacked$/);
  return file;
};

test(
  "a container, its limits, a neighbour in the background, the exit code, the end; as many bytes twice",
  async () => {
    const script = "echo pid $$; cd /sys/fs/cgroup; cat memory.max pids.max; wget -qO- http://$WEB/index.html; exit 7";
    // The first one is in the background, and has the first address.
    const runs = ["--run", "--name background web", "--run", `--rm -m 32m --pids-limit 20 -e WEB=172.17.0.2 bb sh -c '${script}'`];
    const file = await image("two.img", ...runs, "bb", "web");
    expect(readFileSync(await image("again.img", ...runs, "bb", "web")).equals(readFileSync(file))).toBe(true);
    const said = await startMachine({ initrd: file, memory: 256 }).ended;
    expect(said).toContain("eth0 has 10.0.2.15/24");
    expect(said).toContain("pid 1\n33554432\n20\nfrom a machine\n");
    expect(said).toContain("ended with exit code 7");
    const other = await startMachine({ initrd: file, memory: 256, append: '"berth.run=--rm --network none bb echo of the command line" ip=off' })
      .ended;
    expect(other).toContain("of the command line\n");
    expect(other).not.toContain("10.0.2.15");
  },
  BOOT_TIMEOUT,
);

test(
  "a web server: its port, from outside of the machine",
  async () => {
    const file = await image("web.img", "--compress", "zstd", "--run", "-p 80:80 web", "web");
    const port = 20_000 + Math.floor(Math.random() * 20_000);
    const machine = startMachine({ initrd: file, memory: 256, port });
    try {
      let page = "";
      await until(
        "the page",
        async () => {
          page = await fetch(`http://127.0.0.1:${port}/index.html`, { signal: AbortSignal.timeout(2000) }).then(
            (r) => r.text(),
            () => "",
          );
          return page !== "";
        },
        120,
      );
      expect(page).toBe("from a machine\n");
    } finally {
      machine.kill();
    }
  },
  BOOT_TIMEOUT,
);

test(
  "disks: images of one, what is kept on another from boot to boot, an archive for a disk",
  async () => {
    const disk = async (name: string, label: string, content: Record<string, string[]>) => {
      const source = mkdtempSync(join(folder, "disk-"));
      for (const [file, images] of Object.entries(content)) await engine.ok("save", "-o", join(source, file), ...images);
      const path = join(folder, name);
      const made = Bun.spawnSync(["/sbin/mke2fs", "-q", "-t", "ext4", "-L", label, "-d", source, path, "64m"], { stderr: "pipe" });
      expect(made.stderr.toString()).toBe("");
      return path;
    };
    const file = await image("disks.img");
    const append = (...args: string[]) => args.map((arg) => `"berth.run=${arg}"`).join(" ");
    const data = await disk("data.ext4", "berth-data", {});
    const images = await disk("images.ext4", "berth-images", { "bb.tar": ["bb"], "web.tar": ["web"] });
    const first = await startMachine({
      initrd: file,
      memory: 256,
      disks: [images, data],
      append: append("-d --name kept --restart always --network none bb sleep 1000", "--rm --network none bb echo loaded from a disk"),
    }).ended;
    expect(first).toContain("Loaded image: bb:latest\nLoaded image: web:latest\n");
    expect(first).toContain("loaded from a disk\n");
    const second = await startMachine({
      initrd: file,
      memory: 256,
      disks: [data],
      append: append("--rm --network none --pid container:kept bb ps -o args"),
    }).ended;
    expect(second).toContain("sleep 1000\n");
    const archive = join(folder, "bb.tar");
    await engine.ok("save", "-o", archive, "bb");
    const third = await startMachine({
      initrd: file,
      memory: 256,
      disks: [archive],
      append: `berth.images=/dev/vda ${append("--rm --network none bb echo from an archive")}`,
    }).ended;
    expect(third).toContain("from an archive\n");
    const none = await startMachine({ initrd: file, memory: 256, append: "berth.data=nosuch" }).ended;
    expect(none).toContain("no disk has an ext4 labelled nosuch");
  },
  2 * BOOT_TIMEOUT,
);

const old = kernelOf("bullseye");
test.skipIf(!old)(
  "an older kernel, 5.10",
  async () => {
    const kernel = old as Kernel;
    const script = "uname -r; cd /sys/fs/cgroup; cat memory.max pids.max; wget -qO- http://$WEB/index.html";
    const runs = ["--run", "--name background web", "--run", `--rm -m 32m --pids-limit 20 -e WEB=172.17.0.2 bb sh -c '${script}'`];
    const file = join(folder, "old.img");
    await engine.ok("vm", "image", "-o", file, "--modules", kernel.modules, ...runs, "bb", "web");
    const said = await startMachine({ initrd: file, memory: 256, kernel }).ended;
    expect(said).toMatch(/^5\.10\.\S+\n33554432\n20\nfrom a machine$/m);
  },
  BOOT_TIMEOUT,
);

test("what is wrong is said", async () => {
  expect(await engine.fails(1, "boot")).toContain("the first process of a machine");
  expect(await engine.fails(1, "vm", "image", "bb")).toContain("expected -o FILE");
  expect(await engine.fails(1, "vm", "image", "-o", join(folder, "x"), "--modules", folder, "bb")).toContain("has no modules.dep");
  expect(await engine.fails(1, "vm", "image", "-o", join(folder, "x"), "--modules", modules, "--module", "nosuch", "bb")).toContain(
    "no module nosuch",
  );
  expect(await engine.fails(1, "vm", "image", "-o", join(folder, "x"), "--modules", modules, "nosuch")).toContain("No such image");
});
