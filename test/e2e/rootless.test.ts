/** Berth run by an ordinary user, who has no helper programs. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { BERTH, busybox, until } from "./engine.ts";

const UID = 54321;
const canMakeNamespaces =
  Bun.spawnSync(["/usr/bin/setpriv", `--reuid=${UID}`, `--regid=${UID}`, "--clear-groups", "unshare", "-U", "true"]).exitCode === 0;
let folder: string;
let berth: string;

function asUser(argv: string[], env: Record<string, string> = {}) {
  const { stdout, stderr, exitCode } = Bun.spawnSync(["/usr/bin/setpriv", `--reuid=${UID}`, `--regid=${UID}`, "--clear-groups", ...argv], {
    cwd: "/",
    env: { HOME: folder, XDG_RUNTIME_DIR: join(folder, "run"), PATH: "/nowhere", ...env },
    timeout: 50_000,
  });
  return { out: stdout.toString().trim(), err: stderr.toString().trim(), code: exitCode };
}
const run = (...args: string[]) => asUser([berth, ...args]);
function ok(...args: string[]): string {
  const { out, err, code } = run(...args);
  if (code !== 0) throw new Error(`berth ${args.join(" ")}: ${code}: ${err}`);
  return out;
}
/** Processes of the user's. */
const processes = () =>
  readdirSync("/proc").filter((name) => {
    try {
      return /^\d+$/.test(name) && lstatSync(`/proc/${name}`).uid === UID && readFileSync(`/proc/${name}/cmdline`, "utf8") !== "";
    } catch {
      return false;
    }
  });

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "berth-rootless-"));
  chmodSync(folder, 0o755);
  mkdirSync(join(folder, "run"), { mode: 0o700 });
  for (const path of [folder, join(folder, "run")]) chownSync(path, UID, UID);
  berth = join(folder, "berth");
  copyFileSync(BERTH, berth);
  chmodSync(berth, 0o755);
  copyFileSync(busybox(), join(folder, "bb.tar"));
  chmodSync(join(folder, "bb.tar"), 0o644);
  if (canMakeNamespaces) ok("import", join(folder, "bb.tar"), "bb");
});
afterAll(async () => {
  if (canMakeNamespaces) run("rm", "-f", ...ok("ps", "-aq").split("\n"));
  await until("their end", () => processes().length === 0);
  rmSync(folder, { recursive: true, force: true });
});

test.skipIf(!canMakeNamespaces)("run: root inside, the user outside, and a word on the network it has not", () => {
  const { out, err, code } = run(
    "run",
    "--rm",
    "bb",
    "sh",
    "-c",
    "id; touch /made; cat /proc/self/uid_map | tr -s ' '; cat /sys/class/net/*/operstate | wc -l",
  );
  expect({ out, code }).toEqual({ out: "uid=0(root) gid=0(root)\n 0 0 1\n1", code: 0 });
  expect(err).toContain("the container has no network: an ordinary user needs slirp4netns or pasta for one");
  expect(run("run", "--rm", "--network", "none", "bb", "sh", "-c", "exit 3")).toEqual({ out: "", err: "", code: 3 });
  expect(existsSync(join(folder, ".local/share/berth/berth.db"))).toBe(true);
});

test.skipIf(!canMakeNamespaces)("in the background: exec, logs, stop; nobody but its user has it, and nothing stays", async () => {
  ok("run", "-d", "--name", "a", "--network", "none", "-v", "data:/vol", "bb", "sh", "-c", "echo said; touch /vol/x; sleep 100");
  expect(ok("exec", "a", "sh", "-c", "id -u; ps | grep -c '[s]leep 100'; ls /vol")).toBe("0\n1\nx");
  expect(ok("logs", "a")).toBe("said");
  expect(ok("ps", "--format", "{{.Names}} {{.State}}")).toBe("a running");
  expect(lstatSync(join(folder, ".local/share/berth/volumes/data/_data/x")).uid).toBe(UID);
  const pid = ok("inspect", "-f", "{{.State.Pid}}", "a");
  expect(readFileSync(`/proc/${pid}/status`, "utf8")).toMatch(new RegExp(`^Uid:\t${UID}\t${UID}`, "m"));
  expect(run("exec", "a", "nope").code).toBe(127);
  ok("commit", "a", "kept");
  expect(ok("run", "--rm", "--network", "none", "kept", "cat", "/etc/passwd")).toContain("root:x:0:0");
  ok("stop", "-t", "0", "a");
  ok("start", "a");
  ok("rm", "-f", "a");
  ok("rmi", "kept");
  await until("the holder's end", () => processes().length === 0);
});

test.skipIf(!canMakeNamespaces)("the only one is started again; its monitor rests, and the namespace stays", async () => {
  ok("run", "-dit", "--name", "again", "--network", "none", "--restart", "on-failure:1", "bb", "sh", "-c", "echo life; sleep 3; exit 4");
  const monitors = () => processes().filter((pid) => readFileSync(`/proc/${pid}/cmdline`, "utf8") === "berth-monitor\0monitor\0resting\0");
  const state = () => ok("inspect", "-f", "{{.RestartCount}} {{.State.Status}} {{.State.ExitCode}}", "again");
  for (const expected of ["0 running 0", "1 running 0"]) {
    await until("it rests", () => monitors().length === 1);
    expect(state()).toBe(expected);
    expect(ok("exec", "again", "id", "-u")).toBe("0");
    await until("this life's end", () => state() !== expected && (expected.startsWith("1") || state() === "1 running 0"));
  }
  expect(state()).toBe("1 exited 4");
  expect(ok("logs", "again").replaceAll("\r", "")).toBe("life\nlife");
  ok("rm", "again");
  await until("the holder's end", () => processes().length === 0);
});

test.skipIf(!canMakeNamespaces)("the only one's monitor is killed: the namespace stays, and commands reach it", async () => {
  ok("run", "-d", "--name", "left", "--network", "none", "bb", "sh", "-c", "trap 'exit 6' TERM; sleep 100 & wait");
  const monitors = processes().filter((pid) => readFileSync(`/proc/${pid}/cmdline`, "utf8").startsWith("berth-monitor\0"));
  expect(monitors).toHaveLength(1);
  process.kill(Number(monitors[0]), "SIGKILL");
  await until("its end", () => !processes().includes(String(monitors[0])));
  expect(ok("ps", "--format", "{{.Names}}")).toBe("left");
  expect(ok("exec", "left", "id", "-u")).toBe("0");
  ok("stop", "left");
  ok("rm", "left");
  await until("the holder's end", () => processes().length === 0);
});

test.skipIf(!canMakeNamespaces || !existsSync("/dev/net/tun")).each(["slirp4netns", "pasta"])(
  "with %s: a network, also after its monitor's rest, and no helper once it has ended",
  (helper) => {
    const tools = join(folder, helper);
    mkdirSync(tools);
    for (const name of [helper, "busybox", ...(helper === "pasta" ? ["passt"] : [])]) symlinkSync(`/usr/bin/${name}`, join(tools, name));
    const script = `
      cd /; B=${berth}
      monitor() { busybox tr '\\0' ' ' < /proc/$M/cmdline; }
      page() { busybox wget -q -O - http://127.0.0.1:18493/index.html; }
      $B run -d --name net -p 18493:80 bb sh -c 'echo hello > /index.html; exec httpd -f -h /' > /dev/null
      P=$(busybox awk '{print $4}' /proc/$($B inspect -f '{{.State.Pid}}' net)/stat); M=$(busybox awk '{print $4}' /proc/$P/stat)
      for i in $(busybox seq 50); do [ "$(monitor)" = "berth-monitor monitor resting " ] && break; busybox sleep 0.1; done
      monitor; page; busybox kill -s URG $M; page; monitor
      for i in $(busybox seq 100); do [ "$(monitor)" = "berth-monitor monitor resting " ] && break; busybox sleep 0.1; done
      monitor; page; $B rm -f net`;
    const host = `ip link set lo up; ip link add out0 type veth peer name out1; ip addr add 192.0.2.2/24 dev out0
      for i in 0 1; do ip link set out$i up; done; ip route add default via 192.0.2.1
      exec setpriv --reuid=${UID} --regid=${UID} --clear-groups env PATH=${tools} busybox sh -c "$0"`;
    const { stdout, stderr } = Bun.spawnSync(["unshare", "-n", "sh", "-c", host, script], {
      env: { HOME: folder, XDG_RUNTIME_DIR: join(folder, "run"), PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
      timeout: 50_000,
    });
    const resting = "berth-monitor monitor resting ";
    expect({ out: stdout.toString(), err: stderr.toString() }).toEqual({
      out: `${resting}hello\nhello\nberth-monitor monitor resumed ${resting}hello\nnet\n`,
      err: "",
    });
    return until("the helper's and the holder's end", () => processes().length === 0);
  },
);

test.skipIf(!canMakeNamespaces)("namespaces of the host's, of another container, and of a pod", () => {
  const inside = (flags: string[], script: string) => ok("run", "--rm", ...flags, "bb", "sh", "-c", script);
  const none = ["--network", "none"];
  expect(inside([...none, "--pid", "host"], "cat /proc/$PPID/comm; echo $$")).not.toEndWith("\n1");
  expect(inside([...none, "--ipc", "host", "--uts", "host"], "hostname")).toBe(hostname());
  ok("run", "-d", "--name", "own", ...none, "--hostname", "there", "--ipc", "shareable", "bb", "sh", "-c", "echo x > /dev/shm/seen; sleep 100");
  const seen = { pid: "ps | grep -c '[s]leep 100'", ipc: "cat /dev/shm/seen", uts: "hostname" };
  expect(Object.entries(seen).map(([kind, script]) => inside([...none, `--${kind}`, "container:own"], script))).toEqual(["1", "x", "there"]);
  expect(inside(["--network", "container:own", "--cap-add", "NET_ADMIN"], "ip addr add 10.1.1.1/32 dev lo && echo added")).toBe("added");
  expect(ok("exec", "own", "ip", "addr")).toContain("10.1.1.1");
  ok("pod", "create", "--name", "p", "--network", "none");
  ok("run", "-d", "--pod", "p", "--name", "member", "bb", "sh", "-c", "nc -l -p 80 -e echo hello");
  expect(inside(["--pod", "p"], "nc 127.0.0.1 80 < /dev/null; hostname")).toBe("hello\np");
  ok("pod", "rm", "-f", "p");
  expect(run("unpause", "own").err).toContain("cannot unpause container own");
  ok("rm", "-f", "own");
});

test.skipIf(!canMakeNamespaces)("archives with other owners, devices and whiteouts", () => {
  const source = join(folder, "layers");
  mkdirSync(join(source, "low/etc"), { recursive: true });
  writeFileSync(join(source, "low/etc/gone"), "x");
  const script = `mkdir -p up/dev up/etc up/dir && cd up && mknod dev/sda b 8 0 && touch etc/.wh.gone dir/.wh..wh..opq dir/new && echo x > owned && chown 1000:1000 owned && cd .. &&
    mkdir -p low/dir && touch low/dir/old && cp /bin/busybox low/busybox && tar -C low -cf low.tar . && tar -C up -cf up.tar . && mkdir image && cp low.tar image/low.tar && cp up.tar image/up.tar`;
  const made = Bun.spawnSync(["sh", "-ec", script], { cwd: source });
  expect(made.stderr.toString()).toBe("");
  const digest = (name: string) => new Bun.CryptoHasher("sha256").update(readFileSync(join(source, "image", name))).digest("hex");
  const config = {
    architecture: "amd64",
    os: "linux",
    rootfs: { type: "layers", diff_ids: ["low.tar", "up.tar"].map((name) => `sha256:${digest(name)}`) },
  };
  writeFileSync(join(source, "image/config.json"), JSON.stringify(config));
  writeFileSync(
    join(source, "image/manifest.json"),
    JSON.stringify([{ Config: "config.json", RepoTags: ["odd:v1"], Layers: ["low.tar", "up.tar"] }]),
  );
  expect(Bun.spawnSync(["tar", "-C", join(source, "image"), "-cf", join(source, "odd.tar"), "."]).exitCode).toBe(0);
  ok("load", "-i", join(source, "odd.tar"));
  const list =
    "for d in etc dir; do for f in $(/busybox ls /$d | /busybox grep -v 'host\\|resolv'); do echo $d/$f; done; done; /busybox stat -c %u /owned";
  expect(ok("run", "--rm", "--network", "none", "odd:v1", "/busybox", "sh", "-c", list)).toBe("dir/new\n0");
});

test.skipIf(!canMakeNamespaces)("what a user cannot have is said in a line", () => {
  const refused = (...args: string[]) => {
    const { err, code } = run("run", "--rm", "--network", "none", ...args, "bb", "true");
    expect({ args, code, lines: err.split("\n").length }).toEqual({ args, code: 125, lines: 1 });
    return err;
  };
  expect(refused("-m", "64m")).toContain("permission denied");
  expect(refused("-u", "1000")).toContain("the user namespace has no such ids");
  expect(refused("--userns", "auto")).toContain("needs root");
  expect(run("network", "create", "x").err).toContain("networks need root");
  expect(run("run", "--rm", "--network", "x", "bb", "true").err).toContain("network x needs root");
});

test.skipIf(!canMakeNamespaces)("a folder of somebody else's is not trusted", () => {
  const theirs = join(folder, "theirs");
  mkdirSync(join(theirs, "berth"), { recursive: true });
  chmodSync(theirs, 0o755);
  expect(asUser([berth, "ps"], { XDG_RUNTIME_DIR: theirs })).toMatchObject({
    code: 125,
    err: expect.stringContaining(`is not a folder of user ${UID} alone`),
  });
});

test.skipIf(!canMakeNamespaces || !Bun.which("newuidmap"))("with subordinate ids and the helpers that may give them", () => {
  const [user, uid, gid] = ["games", 5, 60]; // of every Debian
  const files = ["/etc/subuid", "/etc/subgid"];
  const before = files.map((file) => (existsSync(file) ? readFileSync(file, "utf8") : ""));
  const home = join(folder, "games");
  mkdirSync(join(home, "run"), { recursive: true });
  for (const path of [home, join(home, "run")]) chownSync(path, uid, gid);
  chmodSync(join(home, "run"), 0o700);
  for (const [i, file] of files.entries()) writeFileSync(file, `${before[i]}${user}:${700_000 + i}:65536\n`);
  const call = (...args: string[]) => {
    const { stdout, stderr, exitCode } = Bun.spawnSync(["/usr/bin/setpriv", `--reuid=${uid}`, `--regid=${gid}`, "--clear-groups", berth, ...args], {
      cwd: "/",
      env: { HOME: home, XDG_RUNTIME_DIR: join(home, "run"), PATH: "/usr/bin:/usr/sbin" },
    });
    if (exitCode !== 0) throw new Error(`berth ${args.join(" ")}: ${stderr}`);
    return stdout.toString().trim();
  };
  try {
    call("import", join(folder, "bb.tar"), "bb");
    expect(call("run", "--rm", "--network", "none", "bb", "sh", "-c", "tr -s ' ' < /proc/self/uid_map")).toBe(`0 0 1\n 1 1 65536`);
    call(
      "run",
      "-d",
      "--name",
      "a",
      "--network",
      "none",
      "-u",
      "1000:50",
      "--group-add",
      "7",
      "-v",
      "v:/tmp/v",
      "bb",
      "sh",
      "-c",
      "touch /tmp/x; sleep 100",
    );
    expect(call("exec", "a", "sh", "-c", "id; stat -c %u:%g /tmp/x")).toBe("uid=1000(user) gid=50(extra) groups=7,50(extra)\n1000:50");
    const pid = call("inspect", "-f", "{{.State.Pid}}", "a");
    expect(readFileSync(`/proc/${pid}/status`, "utf8")).toMatch(/^Uid:\t700999/m);
    call("commit", "a", "kept");
    expect(call("run", "--rm", "--network", "none", "kept", "stat", "-c", "%u:%g", "/tmp/x")).toBe("1000:50");
    // Without his own id nothing in the container is his.
    expect(call("run", "--rm", "--network", "none", "--userns", "nomap", "kept", "sh", "-c", "id -u; stat -c %u:%g /tmp/x /bin/busybox")).toBe(
      "1000\n1000:50\n0:0",
    );
    call("rm", "-f", "a");
  } finally {
    for (const [i, file] of files.entries()) writeFileSync(file, before[i] as string);
  }
});

// It waited for a reader of the fifo, and its command for it, where the namespace's holder had just left.
test("a monitor whose user's namespace is gone ends", async () => {
  const folder = mkdtempSync(join(tmpdir(), "berth-test-"));
  const fifo = join(folder, "alive");
  Bun.spawnSync(["mkfifo", fifo]);
  const monitor = Bun.spawn([BERTH, "monitor"], {
    argv0: "berth-monitor",
    env: { BERTH_ROOTLESS_ALIVE: fifo },
    stdio: ["ignore", "ignore", "ignore"],
  });
  try {
    await until("its end", () => monitor.exitCode !== null);
  } finally {
    monitor.kill("SIGKILL");
    rmSync(folder, { recursive: true });
  }
});

test("version and help need no namespace", () => {
  expect(run("version", "--format", "{{.Client.Version}}").code).toBe(0);
  expect(run("run", "--help").out).toContain("Usage:  berth run");
});
