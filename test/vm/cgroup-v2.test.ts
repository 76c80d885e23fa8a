/** The engine in a machine with cgroup v2 alone. */
import { beforeAll, expect, test } from "bun:test";
import { BOOT_TIMEOUT, Machine } from "./machine.ts";

// Each runs in the machine in turn; a test looks at the output, then the exit code, of one.
const SCRIPTS = {
  hello: "berth import /bb.tar bb >/dev/null && berth run --network none --rm bb echo hi",
  exitCode: "berth run --network none --rm bb sh -c 'exit 7'",
  ownCgroup: "berth run --network none --rm bb cat /proc/self/cgroup",
  limits: `berth run --network none --rm -m 64m --cpus 0.2 --pids-limit 20 --cpu-shares 512 bb sh -c '
    cd /sys/fs/cgroup; for f in memory.max memory.swap.max cpu.max cpu.weight pids.max; do echo $f $(cat $f); done'`,
  memory: `berth run --network none --name oom -m 64m bb dd if=/dev/zero of=/dev/null bs=128M count=1 2>/dev/null; echo $?
    berth inspect --format '{{.State.OOMKilled}} {{.State.ExitCode}}' oom; berth rm oom`,
  pids: "berth run --network none --rm --pids-limit 20 bb sh -c 'for i in $(seq 30); do sleep 1 & done; wait'",
  cpu: `berth run --network none -d --name busy --cpus 0.2 bb sh -c 'while :; do :; done' >/dev/null; cd /sys/fs/cgroup/berth/$(berth inspect --format '{{.Id}}' busy)
    used() { busybox awk '/usage_usec/{print $2}' cpu.stat; }; now() { busybox awk '{printf "%d", $1 * 1000000}' /proc/uptime; }
    a=$(used); s=$(now); sleep 4; echo $((100 * ($(used) - a) / ($(now) - s))); berth rm -f busy`,
  devices: "berth run --network none --rm --cap-add MKNOD bb sh -c 'mknod /tmp/mem c 1 1 && cat /tmp/mem 2>&1; echo ok >/dev/null && echo $?'",
  exec: `berth run --network none -d --name a bb sleep 100 >/dev/null; berth exec a cat /proc/self/cgroup
    cat /sys/fs/cgroup/berth/*/cgroup.procs | busybox wc -l; berth rm -f a`,
  stop: `berth run --network none -d --name s bb sh -c 'trap "echo told; exit 3" TERM; echo up; while :; do sleep 0.1; done' >/dev/null
    until berth logs s | grep -q up; do sleep 0.1; done; berth stop s; berth logs s; berth wait s; berth rm s`,
  blockIO: `berth run --network none --rm --blkio-weight 100 --memory-reservation 32m --cpuset-cpus 0 bb sh -c 'cd /sys/fs/cgroup; cat memory.low cpuset.cpus'`,
  userns: `berth run --network none --rm --userns auto -v v:/v bb sh -c 'id -u; stat -c %u /bin/busybox; touch /made /v/x && echo made; cat /proc/self/uid_map' | tr -s ' '`,
  pause: `berth run --network none -d --name p bb sleep 100 >/dev/null; berth pause p; berth ps --format '{{.State}}'; berth unpause p
    berth stats --no-stream --format '{{.PIDs}}' p; berth update -m 32m p; cat /sys/fs/cgroup/berth/*/memory.max; berth rm -f p`,
  nested: `berth run --privileged --network none --rm -m 512m -v /bin/berth:/bin/berth:ro -v /bb.tar:/bb.tar:ro --tmpfs /run --tmpfs /var/lib bb sh -c '
    unset BERTH_ROOT; berth import /bb.tar bb >/dev/null && berth run --network none --rm -m 32m --pids-limit 20 bb sh -c "cd /sys/fs/cgroup; cat memory.max pids.max"
    berth run --network none -d --name in bb sleep 100 >/dev/null; berth exec in echo inside; berth pause in; berth unpause in; berth rm -f in'`,
  nestedExec: `berth run -d --name n --privileged --network none -v /bin/berth:/bin/berth:ro -v /bb.tar:/bb.tar:ro --tmpfs /run --tmpfs /var/lib bb sh -c '
    unset BERTH_ROOT; berth import /bb.tar bb >/dev/null; berth run --network none --rm bb echo inner; touch /done; sleep 100' >/dev/null
    until berth exec n test -e /done; do sleep 0.2; done; berth exec n echo joined; berth logs n; berth rm -f n`,
  delegated: `cd /sys/fs/cgroup; echo +memory +pids +cpu > cgroup.subtree_control; mkdir users; echo +memory +pids +cpu > users/cgroup.subtree_control
    mkdir users/one; mkdir -p /etc; printf 'root:x:0:0::/:/bin/sh\\nuser:x:1000:1000::/tmp/home:/bin/sh\\n' > /etc/passwd; chmod 777 /tmp; chown 1000:1000 users/one users/one/*; mkdir -p /tmp/home /tmp/run; chown 1000:1000 /tmp/home /tmp/run; chmod 700 /tmp/run
    cat > /tmp/user.sh <<'END'
unset BERTH_ROOT; export HOME=/tmp/home XDG_RUNTIME_DIR=/tmp/run
berth import /bb.tar bb >/dev/null
berth run --network none --rm -m 64m --pids-limit 30 bb sh -c 'id -u; cd /sys/fs/cgroup; cat memory.max pids.max'
berth run --network none -d --name f bb sleep 100 >/dev/null; berth pause f; berth unpause f; berth rm -f f
END
    sh -c 'echo $$ > users/one/cgroup.procs; exec su -s /bin/sh user -c "sh /tmp/user.sh"'; sleep 1; find users -mindepth 2 -type d | grep -v supervisors`,
  leftovers: "berth ps -aq; find /sys/fs/cgroup/berth -mindepth 1 -type d; grep -c overlay /proc/mounts",
};

let machine: Machine;
beforeAll(() => {
  machine = Machine.boot({ scripts: SCRIPTS, modules: ["fs/overlayfs"] });
}, BOOT_TIMEOUT + 60_000);
const said = (name: keyof typeof SCRIPTS) => machine.said(name);

test("runs a container", () => {
  expect(said("hello")).toBe("hi\nexit 0\n");
  expect(said("exitCode")).toBe("exit 7\n");
});

test("a cgroup namespace of its own", () => expect(said("ownCgroup")).toBe("0::/\nexit 0\n"));

test("limits in the files of v2", () => {
  expect(said("limits")).toBe("memory.max 67108864\nmemory.swap.max 67108864\ncpu.max 20000 100000\ncpu.weight 20\npids.max 20\nexit 0\n");
});

test("too much memory: killed, and inspect says so", () => expect(said("memory")).toBe("137\ntrue 137\noom\nexit 0\n"));

test("too many processes", () => expect(said("pids")).toBe("sh: can't fork: Resource temporarily unavailable\nexit 2\n"));

test("a fifth of a CPU", () => {
  const percent = Number(said("cpu").split("\n")[0]);
  expect(percent).toBeGreaterThan(12);
  expect(percent).toBeLessThan(26);
});

test("device rules", () => expect(said("devices")).toBe("cat: can't open '/tmp/mem': Operation not permitted\n0\nexit 0\n"));

test("exec joins the container's cgroup", () => expect(said("exec")).toBe("0::/\n1\na\nexit 0\n"));

test("logs, and a stop that the container answers", () => expect(said("stop")).toBe("s\nup\ntold\n3\ns\nexit 0\n"));

test("weights, reservations, CPUs; pause, stats and update", () => {
  expect(said("blockIO")).toMatch(/^(33554432\n0\nexit 0|berth: cannot limit blkio weight.*\nexit 125)\n$/);
  expect(said("pause")).toBe("p\npaused\np\n1\np\n33554432\np\nexit 0\n");
});

test("berth inside berth: limits below those of the one around it", () => expect(said("nested")).toBe("33554432\n20\ninside\nin\nin\nin\nexit 0\n"));

test("exec into a container that has cgroups of its own making", () => expect(said("nestedExec")).toBe("joined\ninner\nn\nexit 0\n"));

test("a user namespace, where no mount can map the owners of this kernel's tmpfs", () => {
  expect(said("userns")).toBe("0\n0\nmade\n 0 1879048192 65536\nexit 0\n");
});

test("an ordinary user's limits, in a cgroup that was given to him", () => {
  expect(said("delegated")).toBe("0\n67108864\n30\nf\nf\nf\nexit 1\n");
});

test("nothing is left", () => expect(said("leftovers")).toBe("0\nexit 1\n"));
