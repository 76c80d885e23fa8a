import { socketPair } from "../ffi/socket.ts";
import { openCgroup } from "./runtime/cgroup/open.ts";
import { prepareProcess } from "./runtime/spawn.ts";
export async function main() {
  const t0 = performance.now();
  const cg = openCgroup("/berth/trial");
  const caps = ["CAP_CHOWN", "CAP_KILL"];
  cg?.create({});
  const t1 = performance.now();
  const p = prepareProcess(
    {
      type: "create",
      mountPoint: "/tmp/t/mnt",
      namedUser: { user: "", groups: [] },
      root: { type: "overlay", base: "/tmp/t", lower: ["bb"], upper: "up", work: "wk" },
      spec: {
        ociVersion: "1.2.0",
        root: { path: "/" },
        hostname: "trial",
        process: {
          user: { uid: 0, gid: 0 },
          args: process.argv.slice(3),
          env: [],
          cwd: "/",
          capabilities: { bounding: caps, effective: caps, permitted: caps },
        },
        mounts: [
          { destination: "/proc", type: "proc", source: "proc", options: ["nosuid", "noexec", "nodev"] },
          { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "strictatime", "mode=755", "size=65536k"] },
          {
            destination: "/dev/pts",
            type: "devpts",
            source: "devpts",
            options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
          },
          { destination: "/sys", type: "sysfs", source: "sysfs", options: ["nosuid", "noexec", "nodev", "ro"] },
          { destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: ["ro", "nosuid", "noexec", "nodev"] },
          { destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: ["nosuid", "noexec", "nodev"] },
          { destination: "/dev/shm", type: "tmpfs", source: "shm", options: ["nosuid", "noexec", "nodev", "mode=1777", "size=67108864"] },
        ],
        linux: {
          namespaces: ["pid", "mount", "ipc", "uts", "network", "cgroup"].map((type) => ({ type: type as "pid" })),
          cgroupsPath: "/berth/trial",
          maskedPaths: ["/proc/kcore", "/sys/firmware"],
          readonlyPaths: ["/proc/sys"],
        },
      },
    },
    {
      stdio: [0, 1, 2],
      onNamespaces: (pid) => {
        console.error("ns", performance.now() - t1);
        cg?.join(pid);
      },
      onReady: () => {
        console.error("ready", performance.now() - t1);
      },
    },
  );
  const r = p.release();
  console.error("released", performance.now() - t1, t1 - t0);
  console.error("exit", await r.child.exited, performance.now() - t1);
  cg?.remove();
  socketPair;
  console.error("removed", performance.now() - t1);
}
