import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "tar";
import { makeBusyboxRoot } from "../fixtures/busybox.ts";
import { BERTH, cgroupFolders, TestEngine, until } from "./engine.ts";

let engine: TestEngine;
beforeAll(async () => {
  engine = await TestEngine.make();
});
afterAll(async () => {
  await engine[Symbol.asyncDispose]();
});

const inside = (...command: string[]) => engine.ok("run", "--rm", "bb", ...command);

describe("a container sees", () => {
  test("itself as PID 1 and only its own processes", async () => {
    expect((await inside("sh", "-c", "echo $$; ls -d /proc/[0-9]* | wc -l; true")).split("\n")[0]).toBe("1");
    expect(Number(await inside("sh", "-c", "ps | wc -l"))).toBeLessThan(6);
  });

  test("its own host name, network, IPC, cgroups", async () => {
    expect(await inside("hostname")).toMatch(/^[0-9a-f]{12}$/);
    expect(await inside("ls", "/sys/class/net")).toBe("eth0\nlo");
    expect(await inside("sh", "-c", "cut -d: -f3 /proc/self/cgroup | sort -u | grep -c berth; true")).toBe("0");
  });

  test("no mount of the host but the three files of its own", async () => {
    const mounts = (await inside("cat", "/proc/self/mountinfo")).split("\n").map((line) => line.split(" ")[4]);
    for (const expected of ["/", "/proc", "/dev", "/dev/pts", "/sys", "/dev/shm", "/dev/mqueue", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf"]) {
      expect(mounts).toContain(expected);
    }
    expect(mounts.every((path) => path === "/" || /^\/(proc|dev|sys|etc\/(hosts|hostname|resolv\.conf))/.test(path ?? ""))).toBe(true);
  });

  test("no descriptor but 0, 1 and 2", async () => {
    // The fourth is the one that ls reads the folder with.
    expect((await inside("ls", "/proc/self/fd")).split("\n")).toEqual(["0", "1", "2", "3"]);
    const script = "exec 9</etc/hostname 8</dev/null; exec";
    const result = Bun.spawnSync(["bash", "-c", `${script} "$0" run --rm bb ls /proc/self/fd`, join(import.meta.dir, "../../dist/berth")], {
      env: engine.env,
    });
    expect(result.stdout.toString()).toBe("0\n1\n2\n3\n");
  });

  test("default signals, an empty mask and docker's limits", async () => {
    const status = await inside("grep", "-E", "^Sig(Ign|Blk|Cgt)", "/proc/self/status");
    expect(status.split("\n").map((line) => line.split("\t")[1])).toEqual(["0000000000000000", "0000000000000000", "0000000000000000"]);
    expect(await inside("sh", "-c", "ulimit -Sn")).toBe("1024");
    expect(await inside("sh", "-c", "umask")).toBe("0022");
  });

  test("docker's fourteen capabilities, as root; none as a user", async () => {
    expect(await inside("grep", "CapEff", "/proc/self/status")).toBe("CapEff:\t00000000a80425fb");
    expect(await engine.ok("run", "--rm", "-u", "1000", "bb", "grep", "CapEff", "/proc/self/status")).toBe("CapEff:\t0000000000000000");
    expect(await engine.ok("run", "--rm", "--cap-drop", "all", "--cap-add", "net_admin", "bb", "grep", "CapBnd", "/proc/self/status")).toBe(
      "CapBnd:\t0000000000001000",
    );
    expect((await engine.run("run", "--rm", "bb", "mount", "-t", "tmpfs", "x", "/tmp")).exitCode).toBe(1);
    expect(await engine.ok("run", "--rm", "--privileged", "bb", "sh", "-c", "mount -t tmpfs x /tmp && echo mounted")).toBe("mounted");
    // Another engine in it limits its own containers.
    const cgroups = await engine.ok(
      "run",
      "--rm",
      "--privileged",
      "bb",
      "sh",
      "-c",
      "ls /sys/fs/cgroup; cat /sys/fs/cgroup/cgroup.controllers 2>/dev/null; true",
    );
    for (const controller of ["cpu", "cpuset", "memory", "pids"]) expect(cgroups).toContain(controller);
    // What it leaves there goes with it.
    await engine.ok(
      "run",
      "--name",
      "leaves",
      "--privileged",
      "bb",
      "sh",
      "-c",
      "cd /sys/fs/cgroup; mkdir -p pids/own/deep own/deep 2>/dev/null; true",
    );
    const id = await engine.inspect("leaves", "{{.Id}}");
    await engine.ok("rm", "leaves");
    expect(cgroupFolders()).not.toContain(id);
  });

  test("docker's system calls, more with capabilities, all without a filter", async () => {
    expect(await inside("grep", "Seccomp:", "/proc/self/status")).toBe("Seccomp:\t2");
    const tries = "unshare -m true 2>/dev/null; echo $?; unshare -U true 2>/dev/null; echo $?; chroot / true; echo $?";
    expect(await inside("sh", "-c", tries)).toBe("1\n1\n0");
    expect(await engine.ok("run", "--rm", "--cap-add", "SYS_ADMIN", "bb", "sh", "-c", tries)).toBe("0\n0\n0");
    expect(
      await engine.ok(
        "run",
        "--rm",
        "--security-opt",
        "seccomp=unconfined",
        "bb",
        "sh",
        "-c",
        "grep Seccomp: /proc/self/status; unshare -U true; echo $?",
      ),
    ).toBe("Seccomp:\t0\n0");
    expect(await engine.ok("run", "--rm", "--privileged", "bb", "grep", "Seccomp:", "/proc/self/status")).toBe("Seccomp:\t0");
    expect(await engine.ok("run", "--rm", "--security-opt", "no-new-privileges", "-u", "1000", "bb", "grep", "NoNewPrivs", "/proc/self/status")).toBe(
      "NoNewPrivs:\t1",
    );
    const file = join(engine.root, "profile.json");
    writeFileSync(file, JSON.stringify({ defaultAction: "SCMP_ACT_ALLOW", syscalls: [{ names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO" }] }));
    expect((await engine.run("run", "--rm", "--security-opt", `seccomp=${file}`, "bb", "mkdir", "/x")).stderr).toContain("Operation not permitted");
    expect(await engine.fails(125, "run", "--rm", "--security-opt", "seccomp=/nowhere", "bb", "true")).toContain(
      "opening seccomp profile (/nowhere) failed",
    );
    expect(await engine.fails(125, "run", "--rm", "--security-opt", "nonsense", "bb", "true")).toContain("expected seccomp=unconfined");
    await engine.ok("run", "-d", "--name", "filtered", "bb", "sleep", "100");
    expect(await engine.ok("exec", "filtered", "grep", "Seccomp:", "/proc/self/status")).toBe("Seccomp:\t2");
    await engine.ok("rm", "-f", "filtered");
  });

  test("masked and read-only paths", async () => {
    expect(await inside("sh", "-c", "cat /proc/keys /proc/timer_list 2>&1 | wc -c; ls /sys/firmware")).toBe("0");
    for (const path of ["/proc/sys/kernel/hostname", "/proc/sysrq-trigger", "/sys/kernel/uevent_helper"]) {
      expect((await engine.run("run", "--rm", "bb", "sh", "-c", `echo x > ${path}`)).exitCode).not.toBe(0);
    }
  });

  test("the standard devices, and no others", async () => {
    expect(await inside("sh", "-c", "ls /dev | grep -v core | tr '\\n' ' '")).toBe(
      "fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero ",
    );
    expect(await inside("sh", "-c", "echo x > /dev/null; head -c 4 /dev/zero | wc -c; head -c 4 /dev/urandom | wc -c")).toBe("4\n4");
    // Making the node is allowed, as with docker; opening it is not.
    const disk = readdirSync("/sys/class/block").map((name) => readFileSync(`/sys/class/block/${name}/dev`, "utf8").trim())[0] ?? "7:0";
    const [major, minor] = disk.split(":");
    expect((await engine.run("run", "--rm", "bb", "sh", "-c", `mknod /tmp/d b ${major} ${minor} && head -c 1 /tmp/d`)).stderr).toMatch(
      /not permitted|No such device/,
    );
    expect(await engine.ok("run", "--rm", "--device", "/dev/zero:/dev/nought:r", "bb", "sh", "-c", "head -c 3 /dev/nought | wc -c")).toBe("3");
    expect(await engine.fails(125, "run", "--rm", "--device", "/dev/nope", "bb", "true")).toContain('"/dev/nope"');
  });

  test("a read-only root with --read-only, sysctls and rlimits of its own", async () => {
    expect((await engine.run("run", "--rm", "--read-only", "bb", "touch", "/x")).stderr).toContain("Read-only file system");
    expect(await engine.ok("run", "--rm", "--read-only", "--tmpfs", "/tmp", "bb", "sh", "-c", "touch /tmp/x && echo ok")).toBe("ok");
    expect(await engine.ok("run", "--rm", "--sysctl", "net.ipv4.ip_forward=1", "bb", "cat", "/proc/sys/net/ipv4/ip_forward")).toBe("1");
    expect(await engine.ok("run", "--rm", "--ulimit", "nofile=100:200", "bb", "sh", "-c", "ulimit -Sn; ulimit -Hn")).toBe("100\n200");
  });

  test("who is not root has any port of its network, and pings; not the host's", async () => {
    const settings = "cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/net/ipv4/ping_group_range";
    for (const network of ["bridge", "none"])
      expect(await engine.ok("run", "--rm", "--network", network, "bb", "sh", "-c", settings)).toBe("0\n0\t2147483647");
    expect(await engine.ok("run", "--rm", "-u", "1000", "bb", "sh", "-c", "nc -l -p 80 & sleep 0.2; kill $! && echo bound")).toBe("bound");
    const own = await engine.ok("run", "--rm", "--sysctl", "net.ipv4.ip_unprivileged_port_start=1024", "bb", "sh", "-c", settings);
    expect(own).toStartWith("1024\n");
    const hosts = readFileSync("/proc/sys/net/ipv4/ip_unprivileged_port_start", "utf8");
    expect(await engine.ok("run", "--rm", "--network", "host", "bb", "sh", "-c", settings)).toStartWith(hosts);
  });

  test("scripts find out that they are in a container; its image, and what is built, has none of that", async () => {
    const ask = ["sh", "-c", "test -f /.dockerenv && echo inside"];
    for (const flags of [[], ["--read-only"], ["--userns", "auto"]]) expect(await engine.ok("run", "--rm", ...flags, "bb", ...ask)).toBe("inside");
    await engine.ok("run", "--name", "kept", "bb", "true");
    expect(await engine.ok("diff", "kept")).toBe("");
    await engine.ok("commit", "kept", "committed");
    expect(await engine.ok("history", "--format", "{{.Size}}", "committed")).toStartWith("0B\n");
    const built = await engine.withInput("FROM bb\nRUN ls -a / > /seen\n", "build", "-q", "-t", "built", "-");
    expect(built.exitCode).toBe(0);
    expect(await engine.ok("run", "--rm", "built", "grep", "-c", "^.dockerenv$", "/seen").catch((error) => error.message)).toContain("exit 1\n0");
    await engine.ok("rm", "kept");
    await engine.ok("rmi", "committed", "built");
  });

  test("its files have their modes, whatever umask its user has", async () => {
    const script = `umask 077; cd ${engine.root}
      "$0" run --rm -v own:/own -u 1000 -w /new/deep bb sh -c 'stat -c "%a %n" / . /new /own /etc/hosts; cat /etc/hosts > /dev/null; umask'
      printf 'FROM bb\\nWORKDIR /a/b\\nCOPY Dockerfile /c/d/\\n' > Dockerfile; "$0" build -q -t masked . > /dev/null
      "$0" run --rm masked stat -c "%a %n" /a /a/b /c/d
      "$0" save -o image.tar bb; stat -c "%a %n" image.tar; "$0" volume rm own > /dev/null; "$0" rmi masked > /dev/null`;
    const { stdout, stderr } = Bun.spawnSync(["sh", "-c", script, BERTH], { env: engine.env });
    const expected = "755 /\n755 .\n755 /new\n755 /own\n644 /etc/hosts\n0022\n755 /a\n755 /a/b\n755 /c/d\n600 image.tar\n";
    expect({ out: stdout.toString(), err: stderr.toString() }).toEqual({ out: expected, err: "" });
  });

  test("--ipc none: a namespace without shared memory", async () => {
    expect(await engine.ok("run", "--rm", "--ipc", "none", "bb", "sh", "-c", "ls /dev/shm 2>&1; readlink /proc/self/ns/ipc")).not.toContain(
      readlinkSync("/proc/self/ns/ipc"),
    );
    expect(await engine.ok("run", "--rm", "--ipc", "none", "bb", "sh", "-c", "ls /dev/shm 2>&1; :")).toContain("No such file");
  });

  test("--read-only: nor what tells of the network", async () => {
    const { stderr, stdout } = await engine.run("run", "--rm", "--read-only", "bb", "sh", "-c", "echo x >> /etc/hosts; cat /etc/hostname");
    expect({ stderr, lines: stdout.split("\n").length }).toEqual({ stderr: "sh: can't create /etc/hosts: Read-only file system\n", lines: 2 });
  });

  // Which had a proc of the container's over the host's while its binds were made.
  test("one on a network has the host's /proc where that is bound, and another container's shared memory", async () => {
    const marker = `${process.pid} ${Date.now()}`;
    await using process_ = Bun.spawn(["sh", "-c", "sleep 50; :", marker]);
    const seen = await engine.ok("run", "--rm", "-v", "/proc:/hostproc:ro", "bb", "sh", "-c", `tr '\\0' ' ' < /hostproc/${process_.pid}/cmdline`);
    expect(seen).toContain(marker);
    process_.kill("SIGKILL");
    await engine.ok("run", "-d", "--name", "shares", "--ipc", "shareable", "bb", "sh", "-c", "echo shared > /dev/shm/it; sleep 100");
    await until(
      "it is there",
      async () => (await engine.run("run", "--rm", "--ipc", "container:shares", "bb", "cat", "/dev/shm/it")).stdout === "shared\n",
    );
    await engine.ok("rm", "-f", "shares");
  });

  test("--pid host, --uts host, --ipc host, --network host where asked for", async () => {
    expect(Number(await engine.ok("run", "--rm", "--pid", "host", "bb", "sh", "-c", "ls -d /proc/[0-9]* | wc -l"))).toBeGreaterThan(5);
    const link = (name: string) => readlinkSync(`/proc/self/ns/${name}`);
    const args = ["--uts", "host", "--ipc", "host", "--network", "host"];
    expect(await engine.ok("run", "--rm", ...args, "bb", "sh", "-c", "for n in uts ipc net; do readlink /proc/self/ns/$n; done")).toBe(
      `${link("uts")}\n${link("ipc")}\n${link("net")}`,
    );
  });
});

test("what containers and images have is root's alone", async () => {
  await engine.ok("create", "--name", "secret", "-e", "PASSWORD=secret", "-v", "/data", "bb", "true");
  for (const name of ["layers", "containers", "volumes", "blobs"]) expect(statSync(join(engine.root, name)).mode & 0o777).toBe(0o700);
  for (const name of readdirSync(engine.root).filter((file) => file.startsWith("berth.db")))
    expect(statSync(join(engine.root, name)).mode & 0o777).toBe(0o600);
  await engine.ok("rm", "-v", "secret");
});

describe("an image that wants out", () => {
  const victims: string[] = [];
  afterAll(() => {
    for (const victim of victims) rmSync(victim, { recursive: true, force: true });
  });

  // A root in which `links` are symbolic links, as an image.
  async function imageWith(name: string, links: Record<string, string>): Promise<void> {
    const folder = mkdtempSync(join(tmpdir(), "berth-hostile-"));
    try {
      makeBusyboxRoot(folder);
      for (const [path, target] of Object.entries(links)) {
        rmSync(join(folder, path), { recursive: true, force: true });
        symlinkSync(target, join(folder, path));
      }
      const tar = join(folder, "../", `${name}-${process.pid}.tar`);
      create({ cwd: folder, file: tar, sync: true }, ["."]);
      await engine.ok("import", tar, name);
      rmSync(tar);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  // A folder of the host that must stay as it is.
  function makeVictim(): string {
    const victim = mkdtempSync(join(tmpdir(), "berth-victim-"));
    victims.push(victim);
    writeFileSync(join(victim, "file"), "untouched");
    mkdirSync(join(victim, "folder"));
    chmodSync(victim, 0o755);
    return victim;
  }
  const state = (folder: string) => readdirSync(folder, { recursive: true }).map(String).sort();

  test("/etc as a link to the host's folder", async () => {
    const victim = makeVictim();
    await imageWith("etc", { etc: `/../../../..${victim}` });
    await engine.run("run", "--rm", "etc", "true");
    expect(state(victim)).toEqual(["file", "folder"]);
  });

  test("/proc, /sys or /dev as links", async () => {
    const victim = makeVictim();
    await imageWith("proc", { proc: `/../..${victim}` });
    expect(await engine.fails(125, "run", "--rm", "proc", "true")).toContain("symbolic link at /proc");
    await imageWith("dev", { dev: `/../..${victim}/folder` });
    await engine.run("run", "--rm", "dev", "true");
    expect(state(victim)).toEqual(["file", "folder"]);
    expect(await engine.leftovers()).toEqual([]);
  });

  test("working folder, volume and tmpfs targets as links", async () => {
    const victim = makeVictim();
    await imageWith("work", { data: `../../../../..${victim}`, tmp: `${victim}/folder` });
    await engine.run("run", "--rm", "-w", "/data/made", "work", "touch", "inside");
    await engine.run("run", "--rm", "-v", "vol:/data/mounted", "work", "touch", "/data/mounted/x");
    await engine.run("run", "--rm", "--tmpfs", "/tmp/t", "work", "touch", "/tmp/t/x");
    expect(state(victim)).toEqual(["file", "folder"]);
  });

  test("/etc/passwd as a link to the host's, or a FIFO", async () => {
    await imageWith("passwd", { "etc/passwd": "/../../../../etc/passwd" });
    // Inside, the link leads to itself: a name only the host knows is not found.
    expect((await engine.run("run", "--rm", "-u", "daemon", "passwd", "id")).exitCode).toBe(125);
    const folder = mkdtempSync(join(tmpdir(), "berth-fifo-"));
    makeBusyboxRoot(folder);
    rmSync(join(folder, "etc/passwd"));
    Bun.spawnSync(["mkfifo", join(folder, "etc/passwd")]);
    const tar = Bun.spawnSync(["tar", "-C", folder, "-cf", "-", "."]).stdout;
    await engine.withInput(tar, "import", "-", "fifo");
    expect((await engine.run("run", "--rm", "-u", "someone", "fifo", "id")).exitCode).toBe(125);
    rmSync(folder, { recursive: true });
  });

  test("an environment meant for our own processes", async () => {
    const marker = join(engine.root, "marker.js");
    const out = join(engine.root, "was-run");
    writeFileSync(marker, `require("node:fs").writeFileSync(${JSON.stringify(out)}, "")`);
    const variables = [
      `BUN_OPTIONS=--preload ${marker}`,
      `NODE_OPTIONS=--require ${marker}`,
      "LD_PRELOAD=/nonexistent.so",
      "LD_LIBRARY_PATH=/tmp",
      "BUN_BE_BUN=1",
    ];
    expect(await engine.ok("run", "--rm", ...variables.flatMap((v) => ["-e", v]), "bb", "sh", "-c", "echo $BUN_BE_BUN")).toBe("1");
    expect(existsSync(out)).toBe(false);
  });
});
