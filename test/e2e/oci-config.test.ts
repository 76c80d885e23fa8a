import { describe, expect, test } from "bun:test";
import { chmodSync, closeSync, mkdirSync, openSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { release } from "node:os";
import { join } from "node:path";
import { makeBusyboxRoot } from "../fixtures/busybox.ts";
import { TestRuntime } from "./oci.ts";

const runtime = new TestRuntime();
const { oci, ok, fails, bundle, run, refused } = runtime;

describe("config.json", () => {
  test("hooks, each in its place, with the state", async () => {
    const log = join(runtime.folder, "hooks");
    const hook = (name: string) => ({ path: "/bin/sh", args: ["sh", "-c", `echo ${name} $(cat) >> ${log}`], env: ["PATH=/usr/bin:/bin"] });
    const inside = { path: "/bin/sh", args: ["sh", "-c", "cat > /tmp/start-hook"], env: ["PATH=/bin"] };
    const path = bundle((spec) => {
      spec.hooks = {
        prestart: [hook("prestart")],
        createRuntime: [hook("createRuntime")],
        createContainer: [hook("createContainer")],
        startContainer: [inside],
        poststart: [hook("poststart")],
        poststop: [hook("poststop")],
      };
    });
    await ok("create", "-b", path, "h1");
    expect(
      readFileSync(log, "utf8")
        .trim()
        .split("\n")
        .map((line) => line.split(" ")[0]),
    ).toEqual(["prestart", "createRuntime", "createContainer"]);
    await ok("start", "h1");
    expect(JSON.parse(await ok("exec", "h1", "cat", "/tmp/start-hook"))).toMatchObject({ id: "h1", status: "created", bundle: path });
    await ok("delete", "-f", "h1");
    const lines = readFileSync(log, "utf8").trim().split("\n");
    expect(lines.map((line) => line.split(" ")[0])).toEqual(["prestart", "createRuntime", "createContainer", "poststart", "poststop"]);
    expect(JSON.parse(lines[1]?.slice("createRuntime ".length) ?? "")).toMatchObject({
      id: "h1",
      status: "creating",
      bundle: path,
      ociVersion: "1.2.0",
    });
    expect(lines[4]).toContain('"status":"stopped"');
  });

  test("a hook that fails or hangs stops the creation, and nothing is left", async () => {
    const failing = bundle((spec) => {
      spec.hooks = { createRuntime: [{ path: "/bin/sh", args: ["sh", "-c", "echo because >&2; exit 3"] }] };
    });
    expect(await fails("create", "-b", failing, "h2")).toContain("error running createRuntime hook #0 (/bin/sh): exit status 3: because");
    const hanging = bundle((spec) => {
      spec.hooks = { createContainer: [{ path: "/bin/sleep", args: ["sleep", "60"], timeout: 1 }] };
    });
    expect(await fails("create", "-b", hanging, "h2")).toContain("did not end within 1 seconds");
    expect(readdirSync(join(runtime.folder, "state"))).not.toContain("h2");
  });

  test("seccomp: actions, arguments, the default", async () => {
    const out = await run(
      (spec) => {
        spec.linux.seccomp = {
          defaultAction: "SCMP_ACT_ALLOW",
          syscalls: [
            { names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 122 },
            { names: ["kill"], action: "SCMP_ACT_ERRNO", args: [{ index: 1, value: 10, op: "SCMP_CMP_EQ" }] },
          ],
        };
      },
      "sh",
      "-c",
      "mkdir /tmp/x 2>&1; kill -USR1 1 2>&1; kill -0 1 && echo kill 0 works; grep Seccomp: /proc/self/status",
    );
    expect(out).toContain("can't create directory '/tmp/x': Disk quota exceeded");
    expect(out).toContain("can't kill pid 1: Operation not permitted");
    expect(out).toContain("kill 0 works");
    expect(out).toContain("Seccomp:\t2");
    const killed = await oci(
      "run",
      "-b",
      bundle(
        (spec) => {
          spec.linux.seccomp = { defaultAction: "SCMP_ACT_ALLOW", syscalls: [{ names: ["mkdir", "mkdirat"], action: "SCMP_ACT_KILL_PROCESS" }] };
        },
        ["mkdir", "/tmp/x"],
      ),
      `run-${runtime.next()}`,
    );
    expect(killed.exitCode).toBe(128 + 31);
    expect(
      await fails(
        "create",
        "-b",
        bundle((spec) => {
          spec.linux.seccomp = { defaultAction: "SCMP_ACT_NOTIFY" };
        }),
        "s1",
      ),
    ).toContain("SCMP_ACT_NOTIFY is not supported");
  });

  test("process: rlimits, umask, groups, ambient capabilities, no_new_privs, priorities", async () => {
    const out = await run(
      (spec) => {
        const caps = ["CAP_NET_BIND_SERVICE"];
        spec.process.user = { uid: 1000, gid: 50, umask: 0o027, additionalGids: [7, 8] };
        spec.process.capabilities = { bounding: caps, effective: caps, permitted: caps, inheritable: caps, ambient: caps };
        spec.process.oomScoreAdj = 500;
        spec.process.scheduler = { policy: "SCHED_BATCH", nice: 5 };
        spec.process.ioPriority = { class: "IOPRIO_CLASS_BE", priority: 6 };
      },
      "sh",
      "-c",
      "id; umask; ulimit -n; cat /proc/self/oom_score_adj; grep -E 'CapAmb|NoNewPrivs' /proc/self/status; cut -d' ' -f19,41 /proc/self/stat",
    );
    expect(out.split("\n")).toEqual([
      "uid=1000(user) gid=50(extra) groups=7,8",
      "0027",
      "1024",
      "500",
      "CapAmb:\t0000000000000400",
      "NoNewPrivs:\t1",
      "5 3",
    ]);
  });

  test("mounts: options, propagation, recursive read-only, tmpcopyup; read-only root; devices", async () => {
    const host = join(runtime.folder, "host");
    mkdirSync(host, { recursive: true });
    const out = await run(
      (spec) => {
        spec.root.readonly = true;
        spec.mounts.push(
          { destination: "/h", type: "bind", source: host, options: ["rbind", "rro", "nosuid", "noexec"] },
          { destination: "/data", type: "tmpfs", source: "tmpfs", options: ["tmpcopyup", "size=1m"] },
        );
        spec.linux.devices = [
          { type: "c", path: "/dev/nought", major: 1, minor: 5, fileMode: 0o666, uid: 3, gid: 4 },
          { type: "c", path: "/dev/forbidden", major: 1, minor: 11, fileMode: 0o666 },
        ];
        spec.linux.resources = {
          devices: [
            { allow: false, access: "rwm" },
            { allow: true, type: "c", major: 1, minor: 5, access: "rw" },
          ],
        };
      },
      "sh",
      "-c",
      "grep ' /h ' /proc/mounts | cut -d' ' -f4; cat /data/of-the-image; touch /x 2>&1; stat -c '%a %u %g' /dev/nought; head -c 2 /dev/nought | wc -c; head -c 2 /dev/urandom | wc -c; head -c 2 /dev/forbidden 2>&1; true",
    );
    const lines = out.split("\n");
    expect(lines[0]).toMatch(/^ro,nosuid,noexec/);
    expect(lines.slice(1, 5)).toEqual(["from the image", "touch: /x: Read-only file system", "666 3 4", "2"]);
    expect(lines[5]).toBe("2");
    expect(lines[6]).toContain("Operation not permitted");
  });

  test("personality, time namespace, propagation of the root", async () => {
    const out = await run(
      (spec) => {
        spec.linux.personality = { domain: "LINUX32" };
        spec.linux.rootfsPropagation = "rshared";
        spec.linux.namespaces.push({ type: "time" });
        spec.linux.timeOffsets = { boottime: { secs: 1_000_000_000 } };
      },
      "sh",
      "-c",
      "uname -m; grep -c shared: /proc/self/mountinfo; cut -d. -f1 /proc/uptime",
    );
    const [machine, shared, uptime] = out.split("\n");
    expect(machine).toMatch(/^(i686|armv8l)$/);
    expect(Number(shared)).toBeGreaterThan(5);
    // Before Linux 6.2 only the children of the command are in the namespace.
    const [major = 0, minor = 0] = release().split(".").map(Number);
    if (major > 6 || (major === 6 && minor >= 2)) expect(Number(uptime)).toBeGreaterThan(1_000_000_000);
    await refused((spec) => {
      spec.linux.rootfsPropagation = "sideways";
    }, "rootfsPropagation sideways is unknown");
  });

  test("an idmapped bind shows other owners", async () => {
    const host = join(runtime.folder, "mapped");
    mkdirSync(host);
    writeFileSync(join(host, "of-root"), "");
    const out = await run(
      (spec) => {
        const mappings = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
        spec.mounts.push({ destination: "/h", type: "bind", source: host, options: ["bind", "idmap"], uidMappings: mappings, gidMappings: mappings });
      },
      "stat",
      "-c",
      "%u:%g",
      "/h/of-root",
    );
    expect(out).toBe("100000:100000");
  });

  test("a user namespace: root inside, nobody outside", async () => {
    const root = join(runtime.folder, "mapped-root");
    makeBusyboxRoot(root);
    Bun.spawnSync(["chown", "-hR", "100000:100000", root]);
    chmodSync(runtime.folder, 0o711);
    const path = bundle((spec) => {
      spec.root.path = root;
      spec.linux.namespaces.push({ type: "user" });
      spec.linux.uidMappings = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
      spec.linux.gidMappings = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
      spec.linux.resources = { pids: { limit: 40 } };
    });
    await ok("create", "-b", path, "user1");
    const { pid } = JSON.parse(await ok("state", "user1"));
    await ok("start", "user1");
    expect(await ok("exec", "user1", "sh", "-c", "id -u; echo $$; touch /made; cat /proc/self/uid_map")).toMatch(/^0\n\d+\n +0 +100000 +65536$/);
    expect(statSync(join(root, "made")).uid).toBe(100_000);
    expect(readFileSync(`/proc/${pid}/status`, "utf8")).toMatch(/^Uid:\t100000\t/m);
    expect(readFileSync(`/proc/${pid}/cgroup`, "utf8")).toContain("/user1");
    await ok("delete", "-f", "user1");
    const result = await oci(
      "run",
      "-b",
      bundle(
        (spec) => Object.assign(spec, { ...JSON.parse(readFileSync(join(path, "config.json"), "utf8")), process: spec.process }),
        ["sh", "-c", 'all=$(ps); echo "$all" | wc -l; exit 9'],
      ),
      "user2",
    );
    expect(result).toMatchObject({ stdout: "3\n", exitCode: 9 });
  });

  test("namespaces by path, sysctls, cgroup limits, block I/O", async () => {
    await ok("run", "-d", "-b", bundle(), "ns1");
    const { pid } = JSON.parse(await ok("state", "ns1"));
    const links = await run(
      (spec) => {
        for (const namespace of spec.linux.namespaces)
          if (namespace.type !== "mount" && namespace.type !== "cgroup")
            namespace.path = `/proc/${pid}/ns/${namespace.type === "network" ? "net" : namespace.type}`;
        delete spec.hostname;
      },
      "sh",
      "-c",
      "for n in pid net ipc uts; do readlink /proc/self/ns/$n; done",
    );
    expect(links).toBe(["pid", "net", "ipc", "uts"].map((n) => require("node:fs").readlinkSync(`/proc/${pid}/ns/${n}`)).join("\n"));
    await ok("delete", "-f", "ns1");
    const device = readFileSync("/proc/partitions", "utf8").trim().split("\n").at(-1)?.trim().split(/\s+/) ?? [];
    const out = await run(
      (spec) => {
        spec.linux.sysctl = { "net.ipv4.ip_forward": "1" };
        spec.linux.resources = {
          memory: { limit: 64 << 20 },
          pids: { limit: 33 },
          cpu: { shares: 512, quota: 50_000, period: 100_000 },
          blockIO: { throttleReadBpsDevice: [{ major: Number(device[0]), minor: Number(device[1]), rate: 1048576 }] },
        };
      },
      "sh",
      "-c",
      "cat /proc/sys/net/ipv4/ip_forward; cd /sys/fs/cgroup; cat */memory.limit_in_bytes memory.max */pids.max pids.max */cpu.shares cpu.weight */blkio.throttle.read_bps_device io.max 2>/dev/null; true",
    );
    for (const expected of ["1", String(64 << 20), "33"]) expect(out.split("\n")).toContain(expected);
    expect(out).toContain(`${device[0]}:${device[1]}`);
  });

  test("--preserve-fds and nothing else", async () => {
    const file = openSync(join(runtime.folder, "root/etc/passwd"), "r");
    const path = bundle(() => {}, ["sh", "-c", "ls /proc/self/fd | tr '\\n' ' '; head -n 1 <&3"]);
    const command = `exec 3<${runtime.folder}/root/etc/passwd 4<&3 5<&3; "$0" --root ${runtime.folder}/state run --preserve-fds 1 -b ${path} p1`;
    const result = Bun.spawnSync(["bash", "-c", command, runtime.path]);
    closeSync(file);
    expect(result.stdout.toString()).toBe("0 1 2 3 4 root:x:0:0:root:/root:/bin/sh\n");
  });
});
