/**
 * berth as the OCI runtime of those who call one: podman, dockerd, containerd. They
 * start large and need their Debian packages, so `npm run test:peers` runs them, not
 * `npm test`.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeBusyboxRoot, makeBusyboxTar } from "../fixtures/busybox.ts";
import { podmanPeer, type Run, runner, startDockerd, WITHOUT_NETWORKS } from "../fixtures/peers.ts";

const BERTH = join(import.meta.dir, "../../dist/berth");
let folder: string;
let runtime: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "berth-peers-"));
  runtime = join(folder, "berth-runtime");
  symlinkSync(BERTH, runtime);
  makeBusyboxTar(join(folder, "bb.tar"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Through a terminal of util-linux' script. */
const onTerminal = (command: string[], args: string[], env: Record<string, string> = {}) =>
  runner(["script", "-qec", [...command, ...args].map((word) => `'${word}'`).join(" "), "/dev/null"], env)().out.replaceAll("\r", "");

const CAPABILITIES = "CapEff:\t0000000000000000";
const STUBBORN = ["sh", "-c", "trap 'exit 3' TERM; while :; do sleep 0.1; done"];

describe("podman", () => {
  let podman: Run;
  let command: string[];
  let env: Record<string, string>;
  const N = ["--network", "none"];
  beforeAll(() => {
    ({ command, env } = podmanPeer(folder, runtime));
    podman = runner(command, env);
    expect(podman("import", join(folder, "bb.tar"), "bb").code).toBe(0);
  });
  afterAll(() => {
    podman("rm", "-af", "-t", "0");
    podman("rmi", "-af");
  });

  test("run: output, exit codes, limits, rights", () => {
    expect(podman("run", "--rm", ...N, "bb", "echo", "hi")).toMatchObject({ out: "hi", code: 0 });
    expect(podman("run", "--rm", ...N, "bb", "sh", "-c", "exit 7").code).toBe(7);
    expect(podman("run", "--rm", ...N, "bb", "nope").code).toBe(127);
    expect(podman("run", "--rm", ...N, "bb", "/etc/passwd").code).toBe(126);
    expect(
      podman(
        "run",
        "--rm",
        ...N,
        "-m",
        "64m",
        "bb",
        "sh",
        "-c",
        "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null",
      ).out,
    ).toBe(String(64 << 20));
    expect(podman("run", "--rm", ...N, "--read-only", "bb", "touch", "/x").err).toContain("Read-only file system");
    expect(podman("run", "--rm", ...N, "--cap-drop", "all", "bb", "grep", "CapEff", "/proc/self/status").out).toBe(CAPABILITIES);
    // podman loses what is written right before the end, with any runtime.
    expect(onTerminal(command, ["run", "--rm", "-it", ...N, "bb", "sh", "-c", "tty; sleep 0.5"], env)).toContain("/dev/pts/0");
  });

  test("a container in the background: exec, pause, stats, health, stop", () => {
    expect(podman("run", "-d", "--name", "d", ...N, "--health-cmd", "true", "--health-interval", "disable", "bb", ...STUBBORN).code).toBe(0);
    expect(podman("exec", "d", "sh", "-c", "exit 5").code).toBe(5);
    expect(onTerminal(command, ["exec", "-it", "d", "tty"], env)).toContain("/dev/pts/");
    expect(podman("pause", "d").code).toBe(0);
    expect(podman("inspect", "d", "--format", "{{.State.Status}}").out).toBe("paused");
    expect(podman("unpause", "d").code).toBe(0);
    expect(podman("stats", "--no-stream", "--format", "{{.PIDs}}", "d").out).toBe("2");
    expect(podman("run", "--rm", ...N, "--pid", "container:d", "bb", "ps").out).toContain("trap");
    expect(podman("healthcheck", "run", "d").code).toBe(0);
    expect(podman("stop", "-t", "5", "d").code).toBe(0);
    expect(podman("inspect", "d", "--format", "{{.State.ExitCode}}").out).toBe("3");
  });
});

describe("dockerd", () => {
  let docker: Run;
  let env: Record<string, string>;
  let stop: () => Promise<void>;
  const R = ["--runtime", "berth", "--network", "none"];
  beforeAll(async () => {
    const daemon = await startDockerd(folder, [...WITHOUT_NETWORKS, "--add-runtime", `berth=${runtime}`]);
    ({ env, stop } = daemon);
    docker = runner(["docker"], env);
    expect(docker("import", join(folder, "bb.tar"), "bb").code).toBe(0);
  }, 60_000);
  afterAll(async () => {
    docker("rm", "-f", "dd");
    await stop();
  });

  test("run: output, exit codes, limits", () => {
    expect(docker("run", "--rm", ...R, "bb", "echo", "hi")).toMatchObject({ out: "hi", code: 0 });
    expect(docker("run", "--rm", ...R, "bb", "sh", "-c", "exit 7").code).toBe(7);
    expect(docker("run", "--rm", ...R, "bb", "nope").code).toBe(127);
    expect(docker("run", "--rm", ...R, "--memory", "64m", "bb", "cat", "/sys/fs/cgroup/memory/memory.limit_in_bytes").out).toBe(String(64 << 20));
    const device = `/dev/${readFileSync("/proc/partitions", "utf8").trim().split("\n").at(-1)?.trim().split(/\s+/)[3]}`;
    expect(
      docker("run", "--rm", ...R, "--device-read-bps", `${device}:1mb`, "bb", "cat", "/sys/fs/cgroup/blkio/blkio.throttle.read_bps_device").out,
    ).toMatch(/ 1048576$/);
    expect(onTerminal(["docker"], ["run", "--rm", "-it", ...R, "bb", "tty"], env)).toContain("/dev/pts/0");
  });

  test("a container in the background: exec, stats, top, update, pause, stop", () => {
    expect(docker("run", "-d", "--name", "dd", ...R, "bb", ...STUBBORN).code).toBe(0);
    expect(docker("exec", "dd", "sh", "-c", "exit 5").code).toBe(5);
    expect(onTerminal(["docker"], ["exec", "-it", "dd", "tty"], env)).toContain("/dev/pts/");
    // Its shell and a sleep, but between two of them.
    let processes = "";
    for (let i = 0; i < 5 && processes !== "2"; i++) processes = docker("stats", "--no-stream", "--format", "{{.PIDs}}", "dd").out;
    expect(processes).toBe("2");
    expect(docker("top", "dd").out).toContain("trap");
    expect(docker("update", "--memory", "64m", "--memory-swap", "128m", "dd").code).toBe(0);
    expect(docker("exec", "dd", "cat", "/sys/fs/cgroup/memory/memory.limit_in_bytes").out).toBe(String(64 << 20));
    expect(docker("pause", "dd").code).toBe(0);
    expect(docker("ps", "--format", "{{.Status}}").out).toContain("(Paused)");
    expect(docker("unpause", "dd").code).toBe(0);
    expect(docker("stop", "-t", "5", "dd").code).toBe(0);
    expect(docker("inspect", "-f", "{{.State.ExitCode}}", "dd").out).toBe("3");
  });
});

describe("containerd", () => {
  let ctr: Run;
  let daemon: Bun.Subprocess;
  const image = "docker.io/library/bb:latest";
  beforeAll(async () => {
    const root = join(folder, "containerd");
    mkdirSync(root);
    const config = `version = 2\nroot = "${root}/root"\nstate = "${root}/state"\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\n  address = "${root}/sock"\n`;
    writeFileSync(join(root, "config.toml"), config);
    daemon = Bun.spawn(["containerd", "-c", join(root, "config.toml")], { stdout: "ignore", stderr: "ignore" });
    ctr = runner(["ctr", "-a", `${root}/sock`]);
    const layout = join(root, "img");
    for (const command of [
      ["init", "--layout", layout],
      ["new", "--image", `${layout}:bb`],
      ["unpack", "--image", `${layout}:bb`, join(root, "work")],
    ])
      Bun.spawnSync(["umoci", ...command]);
    makeBusyboxRoot(join(root, "work/rootfs"));
    Bun.spawnSync(["umoci", "repack", "--image", `${layout}:bb`, join(root, "work")]);
    Bun.spawnSync(["umoci", "config", "--image", `${layout}:bb`, "--config.cmd", "sh"]);
    Bun.spawnSync(["skopeo", "copy", "-q", `oci:${layout}:bb`, `oci-archive:${root}/bb.tar:${image}`]);
    for (let i = 0; i < 100 && !existsSync(join(root, "sock")); i++) await Bun.sleep(100);
    expect(ctr("image", "import", join(root, "bb.tar")).code).toBe(0);
  }, 60_000);
  afterAll(async () => {
    ctr("task", "kill", "-s", "SIGKILL", "c2");
    await Bun.sleep(500);
    ctr("task", "delete", "c2");
    ctr("container", "delete", "c2");
    daemon.kill();
    await daemon.exited;
  });

  test("run, exec, pause, kill, delete", async () => {
    const binary = ["--runc-binary", runtime];
    expect(ctr("run", "--rm", ...binary, image, "c1", "echo", "hi")).toMatchObject({ out: "hi", code: 0 });
    expect(ctr("run", "--rm", ...binary, image, "c1", "sh", "-c", "exit 7").code).toBe(7);
    expect(ctr("run", "-d", ...binary, image, "c2", "sleep", "1000").code).toBe(0);
    expect(ctr("task", "exec", "--exec-id", "e1", "c2", "sh", "-c", "exit 5").code).toBe(5);
    expect(ctr("task", "ls").out).toContain("RUNNING");
    expect(ctr("task", "pause", "c2").code).toBe(0);
    expect(ctr("task", "ls").out).toContain("PAUSED");
    expect(ctr("task", "resume", "c2").code).toBe(0);
    expect(ctr("task", "metrics", "c2").out).toContain("memory.usage_in_bytes");
    ctr("task", "kill", "-s", "SIGKILL", "c2");
    await Bun.sleep(500);
    expect(ctr("task", "ls").out).toContain("STOPPED");
    ctr("task", "delete", "c2");
    expect(ctr("container", "delete", "c2").code).toBe(0);
  });
});
