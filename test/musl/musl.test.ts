/** The target linux-x64-musl in a root with musl and libstdc++ and no glibc. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { $ } from "zx";
import { makeBusyboxTar } from "../fixtures/busybox.ts";

const TOP = join(import.meta.dir, "../..");
const BERTH = join(TOP, "dist/berth-linux-x64-musl");
const CXX = "libstdc++.so.6";

let root: string;
beforeAll(async () => {
  $.quiet = true;
  await $({ cwd: TOP })`${process.execPath} build.ts --target linux-x64-musl`;
  root = mkdtempSync(join(tmpdir(), "berth-musl-"));
  for (const name of ["lib", "usr/lib", "bin", "proc", "sys", "dev", "tmp", "run", "var/lib"]) mkdirSync(join(root, name), { recursive: true });
  copyFileSync("/lib/ld-musl-x86_64.so.1", join(root, "lib/ld-musl-x86_64.so.1"));
  for (const name of ["libc.musl-x86_64.so.1", "ld-linux-x86-64.so.2"]) symlinkSync("ld-musl-x86_64.so.1", join(root, "lib", name));
  const found = async (name: string) => (await $`cc -print-file-name=${name}`).stdout.trim();
  copyFileSync(await found("libgcc_s.so.1"), join(root, "usr/lib/libgcc_s.so.1"));
  // Under another name, or what stands in front of it would find itself.
  const real = Buffer.from(
    readFileSync(await found(CXX))
      .toString("latin1")
      .replace(CXX, "libstdc++.so.7"),
    "latin1",
  );
  writeFileSync(join(root, "usr/lib/libstdc++.so.7"), real);
  const front = ["-shared", "-fPIC", "-nostdlib", `-Wl,-soname,${CXX}`, "-Wl,--no-as-needed", join(TOP, "test/fixtures/glibc-names.c")];
  await $({ cwd: join(root, "usr/lib") })`cc ${front} -o ${CXX} -L. -l:libstdc++.so.7`;
  copyFileSync(BERTH, join(root, "bin/berth"));
  makeBusyboxTar(join(root, "tmp/bb.tar"));
}, 60_000);
afterAll(() => rmSync(root, { recursive: true }));

test("needs musl and libstdc++, and nothing else", async () => {
  const { stdout } = await $`readelf -d ${BERTH}`;
  expect([...stdout.matchAll(/NEEDED.*\[(.*)\]/g)].map(([, name]) => name)).toEqual([CXX, "libc.musl-x86_64.so.1"]);
});

test("runs containers there, in the foreground and in the background", async () => {
  const mounts = ["proc", "sys", "dev"].map((name) => `mount --rbind /${name} ${root}/${name}`).join(" && ");
  const commands = [
    "import /tmp/bb.tar bb",
    "run --rm --network none bb echo foreground",
    "run -d --name a --network none bb sleep 100",
    "exec a echo inside",
    "rm -f a",
  ];
  const script = `mount --make-rprivate / && ${mounts} && for c in ${commands.map((c) => `'${c}'`).join(" ")}; do chroot ${root} /bin/berth $c || exit 1; done`;
  // Files of what was removed go right after.
  const settled = `n=0; while [ $n -lt 100 ] && [ -n "$(ls -A ${root}/var/lib/berth/removed)" ]; do sleep 0.05; n=$((n+1)); done`;
  const { stdout, stderr, exitCode } = await $({ nothrow: true })`unshare -m sh -c ${`${script} && ${settled}`}`;
  expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
  expect(stdout).toMatch(/^sha256:\w+\nforeground\n\w{64}\ninside\na\n$/);
});
