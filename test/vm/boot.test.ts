/** `berth vm image`, and berth as the first process of the machine that it makes: nothing else is in it. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TestEngine, until } from "../e2e/engine.ts";
import { BOOT_TIMEOUT, startMachine, unpackedKernel } from "./machine.ts";

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

test("what is wrong is said", async () => {
  expect(await engine.fails(1, "boot")).toContain("the first process of a machine");
  expect(await engine.fails(1, "vm", "image", "bb")).toContain("expected -o FILE");
  expect(await engine.fails(1, "vm", "image", "-o", join(folder, "x"), "--modules", folder, "bb")).toContain("has no modules.dep");
  expect(await engine.fails(1, "vm", "image", "-o", join(folder, "x"), "--modules", modules, "--module", "nosuch", "bb")).toContain(
    "no module nosuch",
  );
  expect(await engine.fails(1, "vm", "image", "-o", join(folder, "x"), "--modules", modules, "nosuch")).toContain("No such image");
});
