/** Processes that go on from a snapshot: what they must not notice, and what must keep them from it. Each test has a /run of its own. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { $ } from "zx";
import { BERTH, TestEngine } from "./engine.ts";

let engine: TestEngine;
let folder: string;
let oldKernel: string;
beforeAll(async () => {
  engine = await TestEngine.make();
  folder = mkdtempSync(join(tmpdir(), "berth-snapshot-"));
  oldKernel = join(folder, "old-kernel");
  await $`cc -o ${oldKernel} ${join(import.meta.dir, "../fixtures/old-kernel.c")}`;
});
afterAll(async () => {
  rmSync(folder, { recursive: true });
  await engine[Symbol.asyncDispose]();
});

const HELPERS = `
mount --make-rprivate /
mount -t tmpfs -o mode=755 t /run
S=/run/berth/snapshot
# Waits until there is one of a kind, and nobody who makes one.
made() {
  for i in $(seq 200); do
    [ -n "$(ls $S/*-$1 2>/dev/null)" ] && [ -z "$(ls $S/*.new 2>/dev/null)" ] && return
    sleep 0.1
  done
  echo "no snapshot was made: $(ls $S)"; exit 1
}
# Says whether a process with the descriptors and variables given has gone on from one.
uses() {
  "$@" $B events --since 0 > /dev/null & P=$!
  for i in $(seq 100); do grep -q inotify /proc/$P/fdinfo/* 2>/dev/null && break; sleep 0.05; done
  grep -q $S/ /proc/$P/maps && echo snapshot || echo none
  kill $P
}
`;

/** What a script prints; `$B` is berth. */
function inOwnRun(script: string, env: Record<string, string> = {}): string {
  const { stdout, stderr, exitCode } = Bun.spawnSync(["unshare", "-m", "bash", "-e", "-c", HELPERS + script], {
    env: { ...engine.env, B: BERTH, OLD_KERNEL: oldKernel, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  expect({ exitCode, stderr: stderr.toString(), stdout: stdout.toString() }).toMatchObject({ exitCode: 0, stderr: "" });
  return stdout.toString().trimEnd();
}

describe("a snapshot", () => {
  test("is made by the first command, and used by the next ones", () => {
    const out = inOwnRun(`
      $B version > /run/before
      made command
      $B version > /run/after; cmp /run/before /run/after
      uses env
      $B run --rm bb true; made monitor
      stat -c '%a %u' $S/*; ls $S | wc -l; find $S -mindepth 1 -type d
    `);
    expect(out.split("\n")).toEqual(["snapshot", "600 0", "600 0", "2"]);
  });

  test("many commands at once have one made", () => {
    const out = inOwnRun(`
      for i in $(seq 8); do $B version --short > /dev/null & done; wait
      made command; ls $S/*-command | wc -l
    `);
    expect(out).toBe("1");
  });

  test("whose maker was killed is made by another one, a while later", () => {
    const out = inOwnRun(`
      $B version --short > /dev/null; made command
      F=$(ls $S/*-command); rm $F; touch $F.new
      $B version --short > /dev/null; $B version --short > /dev/null; sleep 1; ls $S/*-command 2> /dev/null | wc -l
      touch -d '20 minutes ago' $F.new; touch -d '2 hours ago' $F.99.new
      $B version --short > /dev/null; $B version --short > /dev/null; made command; ls $S/*-command | wc -l
    `);
    expect(out).toBe("0\n1");
  });
});

test("a process from a snapshot has its own arguments, variables, folder, descriptors, names and limits", () => {
  const out = inOwnRun(
    `
    $B run --rm bb true; made command; made monitor
    cd /usr
    $B run --rm -e MINE -e OTHER=2 -v ./share:/x bb sh -c 'echo $MINE$OTHER; ls -d /x/doc; ulimit -n; ls /proc/self/fd | wc -l'
    echo input | $B run --rm -i bb cat
    for i in 1 2 3 4 5 6 7 8; do $B create bb true; done | sort -u | wc -l
    $B ps -a --format '{{.Names}}' | sort -u | wc -l
    $B version --short <&-; $B version --short 800</dev/null; $B version --short >&- || echo closed
    (ulimit -n 256; $B version --short)
    $B rm $($B ps -aq) | wc -l
    `,
    { MINE: "1" },
  ).split("\n");
  const version = out[7] as string;
  expect(version).toMatch(/^berth version \d/);
  expect(out.slice(0, 7)).toEqual(["12", "/x/doc", "1024", "4", "input", "8", "8"]);
  expect(out.slice(7).filter((line) => line !== "closed")).toEqual([version, version, version, "8"]);
});

test("proxies and the time zone are those of its own environment", () => {
  const proxy = "Bun.serve({ port: 3128, hostname: '127.0.0.1', fetch: ({ url }) => new Response(url, { status: 418 }) })";
  const out = inOwnRun(
    `
    $B version --short > /dev/null; made command
    "$BUN" -e "${proxy}" & PROXY=$!
    for i in $(seq 100); do (: < /dev/tcp/127.0.0.1/3128) 2>/dev/null && break; sleep 0.05; done
    http_proxy=http://127.0.0.1:3128 $B import http://nowhere.test/x.tar - 2>&1 || true
    http_proxy=http://127.0.0.1:3128 NO_PROXY=127.0.0.1 $B import http://127.0.0.1:1/x.tar - 2>&1 || true
    kill $PROXY
    $B create --name zone bb true > /dev/null
    for zone in UTC Asia/Tokyo; do TZ=$zone $B ps -a --format '{{.CreatedAt}}' | cut -d ' ' -f 3; done
    $B rm zone
    `,
    { BUN: process.execPath },
  );
  const [proxied, direct, ...zones] = out.split("\n");
  expect(proxied).toContain("418");
  expect(direct).not.toContain("418");
  expect(zones).toEqual(["+0000", "+0900", "zone"]);
});

test("what is said on a terminal looks as without a snapshot: plain", () => {
  const out = inOwnRun(
    `
    $B version --short > /dev/null; made command
    script -qc "$B nosuch" /dev/null > /run/a; BERTH_SNAPSHOT=off script -qc "$B nosuch" /dev/null > /run/b
    cmp /run/a /run/b; cat -v /run/a
  `,
    { TERM: "xterm" },
  );
  expect(out).toMatch(/^berth: unknown command: berth nosuch[^[]*\^M$/);
});

test("what is in its way, is not as it was, or was not made by root, is not used", () => {
  const out = inOwnRun(`
    $B version --short > /dev/null; made command; F=$(ls $S/*-command); cp $F /run/kept
    uses env
    uses env BERTH_SNAPSHOT=off
    uses env BUN_CONFIG_VERBOSE_FETCH=0
    uses env LD_BIND_NOW=1
    uses $OLD_KERNEL 999 --
    exec 800</dev/null; uses env; exec 800<&-
    again() { cat /run/kept > $F; chmod 600 $F; chown 0 $F; }
    chmod 644 $F; uses env; again
    chown 1000 $F; uses env; again
    head -c 300 /run/kept > $F; uses env; again
    printf x | dd of=$F bs=1 seek=16 conv=notrunc 2>/dev/null; uses env; again
    printf x | dd of=$F bs=1 seek=0 conv=notrunc 2>/dev/null; uses env; again
    uses env
  `);
  expect(out.split("\n")).toEqual(["snapshot", ...Array(10).fill("none"), "snapshot"]);
});

// Memory that the allocator gave back came with the snapshot's bytes in it: the monitor crashed in one run of four.
test("memory that was given back is zeros again", () => {
  const out = inOwnRun(`
    $B run --rm bb true; made command; made monitor
    for i in $(seq 25); do $B run --rm bb sh -c 'yes 0123456789 | head -n 200000' | wc -c; done | sort | uniq -c
  `);
  expect(out.trim()).toBe("25 2200000");
});

test("a monitor goes on from a snapshot, and after its rest again", () => {
  const out = inOwnRun(`
    $B run --rm bb true; made command; made monitor
    uses() { if grep -q $S/ /proc/$M/maps; then echo yes; else echo no; fi; }
    $B run --detach --name a --net none bb sleep 100 > /dev/null
    M=$(awk '{print $4}' /proc/$($B inspect -f '{{.State.Pid}}' a)/stat)
    uses; sleep 3; uses; kill -s URG $M; sleep 0.5; uses
    $B rm -f a > /dev/null
  `);
  expect(out).toBe("yes\nno\nyes");
});

test("the monitor of a container that does nothing does nothing", async () => {
  await engine.ok("run", "-d", "--name", "idle", "bb", "sleep", "100");
  const init = await engine.inspect("idle", "{{.State.Pid}}");
  const monitor = /^PPid:\t(\d+)$/m.exec(await Bun.file(`/proc/${init}/status`).text())?.[1];
  const wakes = async () => /^voluntary_ctxt_switches:\t(\d+)$/m.exec(await Bun.file(`/proc/${monitor}/status`).text())?.[1];
  await Bun.sleep(3000); // until it has come to rest
  const before = await wakes();
  await Bun.sleep(2500);
  expect(await wakes()).toBe(before as string);
  await engine.ok("rm", "-f", "idle");
});
