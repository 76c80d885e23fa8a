import { dlopen, ptr } from "bun:ffi";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { release, tmpdir } from "node:os";
import { join } from "node:path";
import { $ } from "zx";
import { receiveWithDescriptors } from "../../ffi/socket.ts";
import { defaultSpec } from "../../src/runtime/container/describe.ts";
import type { Spec } from "../../src/runtime/spec.ts";
import { makeBusyboxRoot } from "../fixtures/busybox.ts";
import { BERTH, type Result, until } from "./engine.ts";

let folder: string;
let runtimePath: string;
let count = 0;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "berth-oci-"));
  runtimePath = join(folder, "runc"); // by the name under which callers know it
  symlinkSync(BERTH, runtimePath);
  makeBusyboxRoot(join(folder, "root"));
});
afterAll(async () => {
  for (const id of readdirSync(join(folder, "state"))) await oci("delete", "-f", id);
  rmSync(folder, { recursive: true, force: true });
});

async function oci(...args: string[]): Promise<Result> {
  // Into files: a container that was created keeps its streams, and a pipe would wait for it.
  const out = join(folder, `out-${count++}`);
  const { exitCode } = await $({
    nothrow: true,
    quiet: true,
    timeout: "40s",
  })`${runtimePath} --root ${join(folder, "state")} ${args} >${out} 2>${out}.err </dev/null`;
  return { stdout: readFileSync(out, "utf8"), stderr: readFileSync(`${out}.err`, "utf8"), exitCode: exitCode ?? -1 };
}
const lastOutput = () => readFileSync(join(folder, `out-${count - 1}`), "utf8");

async function ok(...args: string[]): Promise<string> {
  const result = await oci(...args);
  if (result.exitCode !== 0) throw new Error(`${args.join(" ")}: exit ${result.exitCode}: ${result.stderr}`);
  return result.stdout.trimEnd();
}

async function fails(...args: string[]): Promise<string> {
  const result = await oci(...args);
  expect({ args, exitCode: result.exitCode, lines: result.stderr.trimEnd().split("\n").length }).toEqual({ args, exitCode: 1, lines: 1 });
  return result.stderr.trimEnd();
}

/** A bundle with this configuration; gives its folder. */
function bundle(change: (spec: Spec) => void = () => {}, args: string[] = ["sleep", "100"]): string {
  const path = join(folder, `bundle-${count++}`);
  mkdirSync(path);
  const spec = defaultSpec();
  spec.root = { path: join(folder, "root") };
  spec.process.terminal = false;
  spec.process.args = args;
  change(spec);
  writeFileSync(join(path, "config.json"), JSON.stringify(spec));
  return path;
}

const status = async (id: string) => JSON.parse(await ok("state", id)).status;
/** Runs a container to its end; gives what it printed. */
const run = async (change: (spec: Spec) => void, ...args: string[]) => ok("run", "-b", bundle(change, args), `run-${count++}`);

const refused = async (change: (spec: Record<string, never> & Spec) => void, words: string) => {
  expect(await fails("create", "-b", bundle(change as (spec: Spec) => void), "refused")).toContain(words);
  expect(existsSync(join(folder, "state/refused"))).toBe(false);
  for (const controller of ["memory", "pids", "."]) expect(existsSync(join("/sys/fs/cgroup", controller, "refused"))).toBe(false);
};

describe("the life of a container", () => {
  test("create, state, start, exec, pause, resume, ps, events, update, kill, delete", async () => {
    const pidFile = join(folder, "pid");
    const path = bundle(
      (spec) => {
        spec.annotations = { key: "value" };
      },
      ["sh", "-c", "echo started; sleep 100"],
    );
    await ok("create", "-b", path, "--pid-file", pidFile, "c1");
    const output = join(folder, `out-${count - 1}`);
    const state = JSON.parse(await ok("state", "c1"));
    expect(state).toMatchObject({ ociVersion: "1.2.0", id: "c1", status: "created", bundle: path, annotations: { key: "value" } });
    expect(readFileSync(pidFile, "utf8")).toBe(String(state.pid));
    expect(readFileSync(output, "utf8")).toBe("");
    await ok("start", "c1");
    await until("its output", () => readFileSync(output, "utf8") === "started\n");
    expect(await status("c1")).toBe("running");
    expect(await ok("exec", "c1", "sh", "-c", "hostname; exit 0")).toBe("berth");
    expect((await oci("exec", "-e", "A=5", "c1", "sh", "-c", "exit $A")).exitCode).toBe(5);
    expect(await ok("exec", "-u", "7:8", "--cwd", "/tmp", "c1", "sh", "-c", "id -u; id -g; pwd")).toBe("7\n8\n/tmp");
    await ok("pause", "c1");
    expect(await status("c1")).toBe("paused");
    expect(await fails("exec", "c1", "true")).toContain("cannot exec in a paused container");
    await ok("resume", "c1");
    expect(JSON.parse(await ok("ps", "-f", "json", "c1"))).toContain(state.pid);
    expect(await ok("ps", "c1")).toMatch(/^UID +PID +PPID +TIME +CMD\n/);
    await ok("update", "--memory", "64m", "--pids-limit", "50", "c1");
    const stats = JSON.parse(await ok("events", "--stats", "c1"));
    expect(stats).toMatchObject({ type: "stats", id: "c1", data: { memory: { usage: { limit: 64 << 20 } }, pids: { limit: 50 } } });
    expect(await ok("list", "-q")).toContain("c1");
    expect(await fails("delete", "c1")).toContain("cannot delete container c1 that is not stopped: running");
    expect(await fails("start", "c1")).toContain("cannot start an already running container");
    await ok("kill", "c1", "KILL");
    await until("its end", async () => (await status("c1")) === "stopped");
    expect(await fails("kill", "c1")).toContain("container not running");
    expect(await fails("start", "c1")).toContain("cannot start a container that has stopped");
    await ok("delete", "c1");
    expect(await fails("state", "c1")).toContain("container does not exist");
  });

  test("run: streams, exit code, --keep, -d", async () => {
    const result = await oci(
      "run",
      "-b",
      bundle(() => {}, ["sh", "-c", "echo out; echo err >&2; exit 6"]),
      "r1",
    );
    expect(result).toEqual({ stdout: "out\n", stderr: "err\n", exitCode: 6 });
    await oci(
      "run",
      "--keep",
      "-b",
      bundle(() => {}, ["true"]),
      "r2",
    );
    expect(await status("r2")).toBe("stopped");
    await ok("delete", "r2");
    await ok("run", "-d", "-b", bundle(), "r3");
    expect(await status("r3")).toBe("running");
    await ok("delete", "-f", "r3");
    await ok("delete", "-f", "r3");
  });

  test("a created container can be deleted, and nothing of it stays", async () => {
    await ok("create", "-b", bundle(), "d1");
    const { pid } = JSON.parse(await ok("state", "d1"));
    await ok("delete", "d1");
    expect(existsSync(join(folder, "state/d1"))).toBe(false);
    await until("the end of its process", () => !existsSync(`/proc/${pid}`) || readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z"));
  });

  test("exec --process, -d and --pid-file", async () => {
    await ok("run", "-d", "-b", bundle(), "e1");
    const file = join(folder, "process.json");
    const process = {
      ...defaultSpec().process,
      terminal: false,
      args: ["sh", "-c", "echo $X > /tmp/from-exec; sleep 100"],
      env: ["X=1", "PATH=/bin"],
    };
    writeFileSync(file, JSON.stringify(process));
    const pidFile = join(folder, "exec-pid");
    await ok("exec", "-d", "--process", file, "--pid-file", pidFile, "e1");
    expect(readFileSync(`/proc/${readFileSync(pidFile, "utf8")}/cmdline`, "utf8")).toContain("sleep");
    expect(await ok("exec", "e1", "cat", "/tmp/from-exec")).toBe("1");
    expect(await fails("exec", "e1", "nope")).toContain("executable file not found in $PATH");
    await ok("kill", "-a", "e1", "9");
    await ok("delete", "-f", "e1");
  });

  test("a terminal through a console socket", async () => {
    const { symbols } = dlopen("libc.so.6", {
      socket: { args: ["i32", "i32", "i32"], returns: "i32" },
      bind: { args: ["i32", "ptr", "u32"], returns: "i32" },
      listen: { args: ["i32", "i32"], returns: "i32" },
      accept: { args: ["i32", "ptr", "ptr"], returns: "i32" },
    });
    const path = join(folder, "console");
    const address = Buffer.alloc(110);
    address.writeUInt16LE(1, 0);
    address.write(path, 2);
    const listener = symbols.socket(1, 1, 0);
    expect(symbols.bind(listener, ptr(address), 2 + path.length + 1)).toBe(0);
    symbols.listen(listener, 1);
    const created = oci(
      "create",
      "-b",
      bundle(
        (spec) => {
          spec.process.terminal = true;
        },
        ["sh", "-c", "tty; stty -echo; cat"],
      ),
      "--console-socket",
      path,
      "t1",
    );
    await created;
    const connection = symbols.accept(listener, null, null);
    const { fds } = receiveWithDescriptors(connection, 64);
    expect((await created).exitCode).toBe(0);
    const master = fds[0]?.fd ?? -1;
    await ok("start", "t1");
    const buffer = Buffer.alloc(100);
    expect(buffer.toString("utf8", 0, readSync(master, buffer))).toBe("/dev/pts/0\r\n");
    for (const fd of [connection, listener]) closeSync(fd);
    fds[0]?.close();
    await ok("delete", "-f", "t1");
    expect(
      await fails(
        "create",
        "-b",
        bundle((spec) => {
          spec.process.terminal = true;
        }),
        "t2",
      ),
    ).toContain("without setting console socket");
  });
});

describe("config.json", () => {
  test("hooks, each in its place, with the state", async () => {
    const log = join(folder, "hooks");
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
    expect(readdirSync(join(folder, "state"))).not.toContain("h2");
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
      `run-${count++}`,
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
    const host = join(folder, "host");
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
    const host = join(folder, "mapped");
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
    const root = join(folder, "mapped-root");
    makeBusyboxRoot(root);
    Bun.spawnSync(["chown", "-hR", "100000:100000", root]);
    chmodSync(folder, 0o711);
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
        ["sh", "-c", "ps | wc -l; exit 9"],
      ),
      "user2",
    );
    expect(result).toMatchObject({ stdout: "4\n", exitCode: 9 });
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
    const file = openSync(join(folder, "root/etc/passwd"), "r");
    const path = bundle(() => {}, ["sh", "-c", "ls /proc/self/fd | tr '\\n' ' '; head -n 1 <&3"]);
    const command = `exec 3<${folder}/root/etc/passwd 4<&3 5<&3; "$0" --root ${folder}/state run --preserve-fds 1 -b ${path} p1`;
    const result = Bun.spawnSync(["bash", "-c", command, runtimePath]);
    closeSync(file);
    expect(result.stdout.toString()).toBe("0 1 2 3 4 root:x:0:0:root:/root:/bin/sh\n");
  });
});

describe("what is refused", () => {
  test("configurations that are none, with the reason", async () => {
    const path = bundle();
    writeFileSync(join(path, "config.json"), "{ not json");
    expect(await fails("create", "-b", path, "x")).toContain("is not JSON");
    rmSync(join(path, "config.json"));
    expect(await fails("create", "-b", path, "x")).toContain("no such file or directory");
    await refused((spec) => {
      spec.ociVersion = "2.0.0";
    }, 'ociVersion is "2.0.0", expected 1.x.y');
    await refused((spec) => {
      delete (spec as Partial<Spec>).root;
    }, "root.path is missing");
    await refused((spec) => {
      delete (spec as Partial<Spec>).process;
    }, "process is missing");
    await refused((spec) => {
      spec.process.args = [];
    }, "process.args is empty");
    await refused((spec) => {
      spec.process.cwd = "relative";
    }, "expected an absolute path");
    await refused((spec) => {
      spec.root.path = "/nowhere";
    }, "root.path /nowhere is not a directory");
    await refused((spec) => {
      spec.linux.namespaces.push({ type: "pid" });
    }, "pid stands there twice");
    await refused((spec) => {
      spec.linux.namespaces = [{ type: "mount" }, { type: "network", path: "/nowhere" }];
    }, "network namespace /nowhere does not exist");
    await refused((spec) => {
      spec.linux.namespaces = [{ type: "mount" }, { type: "network", path: "/etc/passwd" }];
    }, "join network namespace /etc/passwd");
    await refused((spec) => {
      spec.mounts.push({ destination: "/m", type: "nosuchfs", source: "x" });
    }, "cannot mount nosuchfs at /m");
  });

  test("fields it cannot honour, by name", async () => {
    await refused((spec) => {
      Object.assign(spec.process, { selinuxLabel: "x" });
    }, "process.selinuxLabel is not supported");
    if (!existsSync("/sys/module/apparmor")) {
      await refused((spec) => {
        spec.process.apparmorProfile = "docker-default";
      }, "this host has no AppArmor");
    }
    await refused((spec) => {
      Object.assign(spec.linux, { intelRdt: { closID: "x" } });
    }, "linux.intelRdt is not supported");
    await refused((spec) => {
      Object.assign(spec, { vm: { hypervisor: { path: "/x" } } });
    }, "vm is not supported");
  });

  test("a capability that nobody knows is left out with a warning", async () => {
    const path = bundle(
      (spec) => {
        spec.process.capabilities = { bounding: ["CAP_NOPE", "CAP_KILL"] };
      },
      ["grep", "CapBnd", "/proc/self/status"],
    );
    expect(await oci("run", "-b", path, "nope")).toEqual({
      stdout: "CapBnd:\t0000000000000020\n",
      stderr: "berth runtime: warning: unknown capability CAP_NOPE is left out\n",
      exitCode: 0,
    });
  });

  test("ids, doubles, and words it does not know", async () => {
    for (const id of ["a/b", "..", ".", ""]) expect(await fails("create", "-b", bundle(), id)).toContain("invalid container id");
    await ok("create", "-b", bundle(), "twice");
    expect(await fails("create", "-b", bundle(), "twice")).toContain("container with id twice exists already");
    expect(await status("twice")).toBe("created");
    await ok("delete", "-f", "twice");
    expect(await fails("start", "missing")).toContain("container does not exist");
    expect(await fails("kill", "missing", "NOPE")).toContain('unknown signal "NOPE"');
    expect(await fails("creat")).toContain("did you mean create?");
    if (!existsSync("/run/systemd/system")) expect(await fails("--systemd-cgroup", "list")).toContain("not run by systemd");
  });

  test("errors go to the log too, in its format", async () => {
    const log = join(folder, "log");
    await fails("--log", log, "--log-format", "json", "state", "missing");
    expect(JSON.parse(readFileSync(log, "utf8"))).toMatchObject({ level: "error", msg: "container does not exist" });
    await fails("--log", `${log}.text`, "state", "missing");
    expect(readFileSync(`${log}.text`, "utf8")).toMatch(/^time="\d{4}-.*" level=error msg="container does not exist"\n$/);
  });
});

test("spec, features, version", async () => {
  const path = join(folder, "spec");
  mkdirSync(path);
  await ok("spec", "-b", path);
  expect(JSON.parse(readFileSync(join(path, "config.json"), "utf8"))).toMatchObject({ ociVersion: "1.2.0", root: { path: "rootfs" } });
  expect(await fails("spec", "-b", path)).toContain("exists already");
  expect(JSON.parse(await ok("features"))).toMatchObject({ ociVersionMin: "1.0.0", linux: { cgroup: { v1: true, v2: true } } });
  expect(await ok("--version")).toMatch(/^runc version \d.*\ncommit: .*\nspec: 1\.2\.0/);
  expect(lastOutput()).not.toBe("");
});
