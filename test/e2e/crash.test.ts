import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { BERTH, busybox, cgroupFolders, TestEngine, until } from "./engine.ts";

let engine: TestEngine;
beforeAll(async () => {
  engine = await TestEngine.make();
});
afterAll(async () => {
  await engine[Symbol.asyncDispose]();
});

/** The full run of 1,000 takes minutes: BERTH_STRESS=1000. */
const RUNS = Number(process.env.BERTH_STRESS ?? 100);

const parentOf = (pid: number) => Number(readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ")[1]);
const pidOf = async (name: string) => Number(await engine.inspect(name, "{{.State.Pid}}"));

// Gone, or waiting for a parent that does not reap.
function isDead(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z");
  } catch {
    return true;
  }
}

async function nothingIsLeft(): Promise<void> {
  const before = Date.now();
  let left: string[] = [];
  while (Date.now() - before < 15_000) {
    left = await engine.leftovers();
    if (left.length === 0) break;
    await Bun.sleep(100);
  }
  expect(left).toEqual([]);
}

describe("kill -9", () => {
  test("of the command line: the container goes on", async () => {
    const run = Bun.spawn([BERTH, "run", "--name", "cli", "bb", "sh", "-c", "sleep 1; echo survived"], { env: engine.env, stdout: "ignore" });
    await until("it runs", async () => (await engine.run("inspect", "-f", "{{.State.Running}}", "cli")).stdout === "true\n");
    run.kill("SIGKILL");
    expect(await engine.ok("wait", "cli")).toBe("0");
    expect(await engine.ok("logs", "cli")).toBe("survived");
    await engine.ok("rm", "cli");
  });

  test("of the container's first process", async () => {
    await engine.ok("run", "-d", "--name", "init", "bb", "sleep", "100");
    process.kill(await pidOf("init"), "SIGKILL");
    expect(await engine.ok("wait", "init")).toBe("137");
    await engine.ok("rm", "init");
    await nothingIsLeft();
  });

  test("of the monitor: ps tells the truth, stop and rm work", async () => {
    for (const verb of [
      ["rm", "-f"],
      ["stop", "-t", "0"],
    ]) {
      await engine.ok("run", "-d", "--name", "orphan", "bb", "sleep", "100");
      const pid = await pidOf("orphan");
      process.kill(parentOf(pid), "SIGKILL");
      expect(await engine.ok("ps", "--format", "{{.Names}} {{.State}}")).toBe("orphan running");
      await engine.ok(...verb, "orphan");
      if (verb[0] === "stop") expect(await engine.inspect("orphan", "{{.State.Status}} {{.State.ExitCode}}")).toBe("exited 137");
      await engine.run("rm", "orphan");
      expect(isDead(pid)).toBe(true);
    }
    await nothingIsLeft();
  });

  test("of monitor and container together, with --rm", async () => {
    await engine.ok("run", "-d", "--rm", "--name", "both", "-v", "/data", "bb", "sleep", "100");
    const pid = await pidOf("both");
    process.kill(parentOf(pid), "SIGKILL");
    process.kill(pid, "SIGKILL");
    await until("both are gone", async () => (await engine.run("inspect", "both")).exitCode === 1);
    await nothingIsLeft();
    expect(readdirSync(join(engine.root, "volumes"))).toEqual([]);
  });

  test("of a monitor that was removing files: the next one removes them", async () => {
    const rubbish = join(engine.root, "removed", ".tmp-4194303-1-of-a-dead-process");
    for (const remover of [
      ["run", "--rm", "bb", "true"],
      ["import", busybox(), "bb"],
    ]) {
      mkdirSync(join(rubbish, "upper"), { recursive: true });
      await engine.ok(...remover);
      await until("it is removed", () => !existsSync(rubbish));
    }
  });

  test("of monitors at any moment of a start: what they had started ends, too", async () => {
    const killed = new Set<number>();
    for (let i = 0; i < 100; i++) {
      const run = Bun.spawn([BERTH, "run", "--rm", "--network", "none", "bb", "true"], { env: engine.env, stdout: "ignore", stderr: "ignore" });
      await Bun.sleep(5 + Math.random() * 30);
      try {
        const monitor = Number(readFileSync(`/proc/${run.pid}/task/${run.pid}/children`, "latin1").split(" ")[0]);
        if (monitor > 0) {
          process.kill(monitor, "SIGKILL");
          killed.add(monitor);
        }
      } catch {} // it has ended by now
      await run.exited;
    }
    expect(killed.size).toBeGreaterThan(10);
    // All that a monitor starts is of its session.
    const sessionOf = (stat: string) => Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[3]);
    const left = () =>
      readdirSync("/proc").filter((pid) => {
        try {
          return /^\d+$/.test(pid) && killed.has(sessionOf(readFileSync(`/proc/${pid}/stat`, "latin1"))) && !isDead(Number(pid));
        } catch {
          return false; // gone
        }
      });
    await until("nothing of theirs is left", () => left().length === 0);
  });

  test("then the name is free again", async () => {
    await engine.ok("run", "-d", "--rm", "--name", "again", "bb", "sleep", "100");
    const pid = await pidOf("again");
    process.kill(parentOf(pid), "SIGKILL");
    process.kill(pid, "SIGKILL");
    await until("it is dead", () => isDead(pid));
    expect(await engine.ok("run", "--rm", "--name", "again", "bb", "echo", "here")).toBe("here");
  });

  test(`${RUNS} runs, 8 at a time, half of the command lines killed: nothing is left`, async () => {
    let next = 0;
    const worker = async () => {
      for (let i = next++; i < RUNS; i = next++) {
        const run = Bun.spawn([BERTH, "run", "--rm", "bb", "true"], { env: engine.env, stdout: "ignore", stderr: "ignore" });
        if (i % 2 === 0) {
          await Bun.sleep(Math.random() * 60);
          run.kill("SIGKILL");
        }
        const code = await run.exited;
        if (i % 2 === 1) expect(code).toBe(0);
      }
    };
    await Promise.all(Array.from({ length: 8 }, worker));
    await nothingIsLeft();
    expect(readdirSync(join(engine.root, "run/rootfs"))).toEqual([]);
    const db = new Database(join(engine.root, "berth.db"), { readonly: true });
    const made = new Set(db.query("SELECT actor FROM events WHERE action = 'create'").values().flat());
    expect(made.size).toBeGreaterThan(RUNS / 2);
    expect(cgroupFolders().filter((id) => made.has(id))).toEqual([]);
    expect(db.query("PRAGMA integrity_check").get()).toEqual({ integrity_check: "ok" });
    expect(db.query("PRAGMA foreign_key_check").all()).toEqual([]);
    db.close();
  }, 600_000);
});

test("a record whose process number belongs to another process by now", async () => {
  await engine.ok("run", "-d", "--name", "reused", "bb", "sleep", "100");
  const pid = await pidOf("reused");
  process.kill(parentOf(pid), "SIGKILL");
  process.kill(pid, "SIGKILL");
  await until("it is dead", async () => (await engine.inspect("reused", "{{.State.Running}}")) === "false");
  // As after a reboot: numbers that are in use again, by this very process.
  const db = engine.openStore();
  db.run("UPDATE containers SET status = 'running', pid = ?, pid_start = 1, owner_pid = ?, owner_start = 1 WHERE name = 'reused'", [
    process.pid,
    process.pid,
  ]);
  db.close();
  expect(await engine.ok("ps", "-q")).toBe("");
  expect(await engine.inspect("reused", "{{.State.Status}} {{.State.ExitCode}}")).toBe("exited 255");
  expect(await engine.ok("start", "reused")).toBe("reused");
  await engine.ok("rm", "-f", "reused");
});

describe("a full disk", () => {
  // A small file system in a mount namespace of the test's own.
  function onSmallDisk(script: string): { stdout: string; stderr: string; exitCode: number } {
    const folder = join(engine.root, "small");
    mkdirSync(folder, { recursive: true });
    const whole = `mount --make-rprivate / && mount -t tmpfs -o size=8m t ${folder} && export BERTH_ROOT=${folder} && ${script}`;
    const { stdout, stderr, exitCode } = Bun.spawnSync(["unshare", "-m", "sh", "-c", whole, BERTH], { env: engine.env });
    return { stdout: stdout.toString(), stderr: stderr.toString(), exitCode };
  }
  const tar = () => join(engine.root, "bb.tar");

  beforeAll(() => {
    Bun.spawnSync([
      "sh",
      "-c",
      `mkdir -p ${engine.root}/tree/bin && cp /bin/busybox ${engine.root}/tree/bin && ln -s busybox ${engine.root}/tree/bin/sh && tar -C ${engine.root}/tree -cf ${tar()} .`,
    ]);
    expect(statSync(tar()).size).toBeLessThan(4 << 20);
  });

  test("an import that does not fit says so and leaves nothing", () => {
    const { stderr, exitCode, stdout } = onSmallDisk(
      `head -c 6m /dev/zero > $BERTH_ROOT/fill; "$0" import ${tar()} bb; echo $?; rm $BERTH_ROOT/fill; ls -A $BERTH_ROOT/layers; "$0" import ${tar()} bb >/dev/null && "$0" run --rm bb /bin/busybox echo works`,
    );
    expect(stderr).toContain("no space left on device");
    expect({ stdout, exitCode }).toEqual({ stdout: "1\nworks\n", exitCode: 0 });
  });

  test.each(["after", undefined])("the log: the container goes on, the gap is marked (then %p)", (after) => {
    const wait = (file: string) => `n=0; while [ $n -lt 600 ] && ! /bin/busybox test -e ${file}; do /bin/busybox sleep 0.05; n=$((n+1)); done`;
    const command = `/bin/busybox yes 0123456789 | /bin/busybox head -n 1000000; /bin/busybox touch /full; ${wait("/go")};${after ? ` echo ${after};` : ""} exit 3`;
    const { stdout, stderr } = onSmallDisk(`"$0" import ${tar()} bb >/dev/null
      head -c 2m /dev/zero > $BERTH_ROOT/fill
      "$0" run -d --name log bb /bin/sh -c '${command}' >/dev/null
      n=0; while [ $n -lt 200 ] && ! "$0" exec log /bin/busybox test -e /full; do sleep 0.05; n=$((n+1)); done
      sleep 1 # what is still in the pipe must not take the room again
      rm $BERTH_ROOT/fill
      "$0" exec log /bin/busybox touch /go
      "$0" wait log; "$0" logs log 2>&1; "$0" rm log`);
    expect(stderr).toBe("");
    const marker = /^\[berth: (\d+) bytes of output are missing here: the disk was full\]$/;
    const [code, ...lines] = stdout.trimEnd().split("\n");
    const name = lines.pop();
    if (after) expect(lines.pop()).toBe(after);
    expect({ code, first: lines[0], name }).toEqual({ code: "3", first: "0123456789", name: "log" });
    // A piece of output smaller than the one that did not fit may fit again: there can be several gaps, anywhere.
    const kept = lines.filter((line) => line === "0123456789").length;
    const gaps = lines.flatMap((line) => marker.exec(line)?.[1] ?? []).map(Number);
    expect(gaps.length).toBeGreaterThan(0);
    expect(kept + gaps.length).toBe(lines.length);
    expect(kept * 11 + gaps.reduce((sum, bytes) => sum + bytes, 0)).toBe(11_000_000);
  });

  test.each([0, 8])(
    "a monitor that rested gets up all the same (beside %p others)",
    (others) => {
      const { stdout } = onSmallDisk(`"$0" import ${tar()} bb >/dev/null
      i=0; while [ $i -lt ${others} ]; do "$0" run -d --network none bb /bin/busybox sleep 1000 >/dev/null; i=$((i+1)); done
      "$0" run -d --name up bb /bin/sh -c '/bin/busybox sleep 4; echo lost; /bin/busybox sleep 2; echo seen; exit 3' >/dev/null
      init=$("$0" inspect -f '{{.State.Pid}}' up); monitor=$(cut -d' ' -f4 /proc/$init/stat)
      sleep 3; tr '\\0' ' ' < /proc/$monitor/cmdline; head -c 8m /dev/zero > $BERTH_ROOT/fill 2>/dev/null
      sleep 2; tr '\\0' ' ' < /proc/$monitor/cmdline; kill -USR2 $monitor; sleep 0.3
      rm $BERTH_ROOT/fill; "$0" wait up; "$0" logs up 2>&1 | tail -n 1; "$0" inspect -f '{{.State.TakenOverAt}}' up
      "$0" rm -f $("$0" ps -aq) >/dev/null`);
      expect(stdout).toBe("berth-monitor monitor resting berth-monitor monitor resumed 3\nseen\n0001-01-01T00:00:00Z\n");
    },
    40_000,
  );

  // Beside eight others its monitor has the store closed by then.
  test.each([0, 8])("an end meanwhile is told at once, and written down when there is room (beside %p others)", (others) => {
    const { stdout } = onSmallDisk(`"$0" import ${tar()} bb >/dev/null
      i=0; while [ $i -lt ${others} ]; do "$0" run -d --network none bb /bin/busybox sleep 1000 >/dev/null; i=$((i+1)); done
      "$0" run -d --name end bb /bin/sh -c '/bin/busybox sleep 2; exit 3' >/dev/null
      "$0" attach --no-stdin end & attached=$!
      head -c 8m /dev/zero > $BERTH_ROOT/fill 2>/dev/null
      wait $attached; echo attached $?
      timeout 10 "$0" attach --no-stdin end; echo late $?
      sleep 0.5; rm $BERTH_ROOT/fill
      "$0" wait end; "$0" inspect -f '{{.State.Status}} {{.State.ExitCode}}' end; "$0" rm end
      if [ ${others} -gt 0 ]; then "$0" rm -f $("$0" ps -q) >/dev/null; fi`);
    expect(stdout.trimEnd().split("\n")).toEqual(["attached 3", "late 3", "3", "exited 3", "end"]);
  });
});
