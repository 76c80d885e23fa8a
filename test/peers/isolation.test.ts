/** What a container may do, beside docker's on the same kernel. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "tar";
import { BERTH } from "../bench/row.ts";
import { makeBusyboxRoot } from "../fixtures/busybox.ts";
import { type Run, runner, startDockerd } from "../fixtures/peers.ts";

let folder: string;
let berth: Run;
let docker: Run;
let stop: () => Promise<void>;
const N = ["--network", "none"];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "berth-peers-isolation-"));
  const root = join(folder, "root");
  makeBusyboxRoot(root);
  const probe = join(root, "bin/probe");
  const { stderr, exitCode } = Bun.spawnSync(["gcc", "-O1", "-static", "-o", probe, join(import.meta.dir, "../fixtures/syscall-probe.c")]);
  if (exitCode !== 0) throw new Error(stderr.toString());
  chmodSync(probe, 0o755);
  create({ cwd: root, file: join(folder, "probe.tar"), sync: true }, ["."]);
  const daemon = await startDockerd(folder);
  stop = daemon.stop;
  docker = runner(daemon.command, daemon.env);
  berth = runner([BERTH], { BERTH_ROOT: join(folder, "berth") });
  for (const call of [berth, docker]) expect(call("import", join(folder, "probe.tar"), "probe").code).toBe(0);
}, 60_000);
afterAll(async () => {
  await stop();
  rmSync(folder, { recursive: true, force: true });
});

/** The same command in both. */
function both(flags: string[], ...command: string[]): { berth: string; docker: string } {
  const [ours, theirs] = [berth, docker].map((call) => call("run", "--rm", ...N, ...flags, "probe", ...command));
  expect({ flags, docker: theirs?.err }).toEqual({ flags, docker: "" });
  return { berth: ours?.out ?? "", docker: theirs?.out ?? "" };
}

const KEYS = "^(Uid|Gid|Groups|Cap|NoNewPrivs|Seccomp)";

describe("rights, line by line of /proc/self/status", () => {
  // docker cannot give what this host lacks, so --privileged is left out where it does.
  test.each([
    [[]],
    [["-u", "1000"]],
    [["-u", "user"]],
    [["-u", "1000:50", "--group-add", "7"]],
    [["--cap-drop", "ALL"]],
    [["--cap-drop", "ALL", "--cap-add", "CHOWN", "--cap-add", "cap_net_admin"]],
    [["--cap-add", "NET_ADMIN", "--cap-drop", "mknod"]],
    [["--cap-add", "SYS_ADMIN", "-u", "1000"]],
    [["--security-opt", "no-new-privileges"]],
    [["--security-opt", "seccomp=unconfined"]],
  ])("%p", (flags) => {
    const { berth: ours, docker: theirs } = both(flags, "grep", "-E", KEYS, "/proc/self/status");
    expect(ours).toBe(theirs);
  });
});

describe("system calls", () => {
  // Debian's docker has an older profile: it is given today's, the file that ours is. Its libseccomp knows no calls behind these.
  const PROFILE = join(import.meta.dir, "../../src/engine/seccomp/default-profile.json");
  const LAST_KNOWN = 449;
  test.each([[[]], [["--cap-add", "SYS_ADMIN"]], [["--cap-add", "SYS_PTRACE", "--cap-add", "SYS_TIME"]], [["--cap-drop", "SYS_CHROOT"]]])(
    "%p: every one allowed or refused as by docker",
    (flags) => {
      const [ours, theirs] = [
        berth("run", "--rm", ...N, ...flags, "probe", "probe"),
        docker("run", "--rm", ...N, "--security-opt", `seccomp=${PROFILE}`, ...flags, "probe", "probe"),
      ];
      const table = (text: string) => new Map(text.split("\n").map((line) => [Number(line.split(" ")[0]), line]));
      const [own, other] = [table(ours.out), table(theirs.out)];
      expect(own.size).toBeGreaterThan(400);
      const different = [...other]
        .filter(([n, line]) => n <= LAST_KNOWN && own.get(n) !== line)
        .map(([n, line]) => `docker ${line}, berth ${own.get(n)}`);
      expect(different).toEqual([]);
    },
    30_000,
  );

  test("all of them without a filter", () => {
    const { berth: ours, docker: theirs } = both(["--security-opt", "seccomp=unconfined"], "probe");
    expect(ours).toBe(theirs);
  });
});

describe("what can be reached", () => {
  const list = (what: string) => ({ [what]: what });
  test.each(
    Object.keys({
      ...list("find / -xdev -writable -not -path '/proc/*' -not -path '/tmp*' -type d 2>/dev/null | sort"),
      ...list("ls -l /dev | awk '{print $1, $3, $4, $5, $6, $NF}' | grep -v total | sort"),
      ...list("for f in $(find /proc/sys /proc/irq /proc/bus -type f 2>/dev/null); do [ -w $f ] && (echo > $f) 2>/dev/null && echo $f; done; true"),
      ...list(
        "for f in /proc/kcore /proc/keys /proc/timer_list /proc/sched_debug /proc/acpi /proc/scsi /sys/firmware; do ls $f 2>/dev/null | wc -l; done",
      ),
      ...list("find /sys -writable -type f 2>/dev/null | while read f; do (echo x > $f) 2>/dev/null && echo $f; done; true"),
      ...list("awk '{print $2}' /proc/mounts | grep -v '^/sys/fs/cgroup\\|^/proc/interrupts' | sort"),
      ...list("cat /proc/self/oom_score_adj; ulimit -c; cat /proc/self/attr/current 2>/dev/null; umask"),
      ...list("ls -la / /etc | awk '{print $1, $NF}' | sort"),
      ...list(
        "for n in a b; do mount -t tmpfs t /tmp; unshare -m true; chroot / true; done 2>&1 | sort -u; mknod /tmp/d b 8 0 && head -c1 /tmp/d 2>&1; true",
      ),
    }),
  )("%s", (script) => {
    const { berth: ours, docker: theirs } = both([], "sh", "-c", script);
    const only = (a: string, b: string) => a.split("\n").filter((line) => !b.split("\n").includes(line));
    // More than docker's nothing; less is for a newer docker's list, or for what this one has on its own.
    expect({ script, more: only(ours, theirs) }).toEqual({ script, more: [] });
  });
});
