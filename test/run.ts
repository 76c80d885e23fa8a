// Runs the tests: `unit`, `e2e` and, where qemu is, `vm`; or the suite that is named. Installs the Debian packages they need, and
// ends with one line a suite: how many passed and failed.
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const PACKAGES: Record<string, string> = {
  "/bin/busybox": "busybox-static",
  "/usr/bin/tmux": "tmux",
  "/usr/bin/zsh": "zsh",
  "/usr/bin/readelf": "binutils",
  "/usr/bin/docker-registry": "docker-registry",
  "/usr/bin/xz": "xz-utils",
  "/bin/bzip2": "bzip2",
  "/usr/bin/openssl": "openssl",
  "/usr/sbin/iptables": "iptables",
  "/usr/sbin/nft": "nftables",
  "/usr/sbin/ip": "iproute2",
  "/usr/bin/newuidmap": "uidmap",
  "/usr/bin/slirp4netns": "slirp4netns",
  "/usr/bin/pasta": "passt",
};
const PEER_PACKAGES: Record<string, string> = {
  "/usr/sbin/dockerd": "docker.io",
  "/usr/bin/podman": "podman",
  "/usr/bin/containerd": "containerd",
  "/usr/bin/umoci": "umoci",
  "/usr/bin/skopeo": "skopeo",
  "/usr/bin/buildah": "buildah",
  "/usr/sbin/setcap": "libcap2-bin",
};
const VM_PACKAGES: Record<string, string> = { "/usr/bin/qemu-system-x86_64": "qemu-system-x86" };
const ARM64_PACKAGES: Record<string, string> = {
  "/usr/bin/aarch64-linux-gnu-gcc": "gcc-aarch64-linux-gnu",
  "/usr/aarch64-linux-gnu/include/elf.h": "libc6-dev-arm64-cross",
  "/usr/bin/qemu-aarch64-static": "qemu-user-static",
  "/usr/bin/qemu-system-aarch64": "qemu-system-arm",
};
const MUSL_PACKAGES: Record<string, string> = { "/lib/ld-musl-x86_64.so.1": "musl", "/usr/bin/g++": "g++" };
const DEFAULT_SUITES = ["unit", "e2e", ...(Object.keys(VM_PACKAGES).every(existsSync) ? ["vm"] : [])];
const SUITES = ["unit", "e2e", "peers", "vm", "arm64", "musl"];
/** What stands for the host: bridges, tables and forwarding of the tests are in a network namespace of their own. */
const OWN_NETWORK = ["unshare", "-n", "sh", "-c", 'busybox ifconfig lo up && exec "$@"', "sh"];
/** Suites that make some. */
const WITH_NETWORKS = ["e2e", "peers"];
/** Suites that boot some. */
const WITH_MACHINES = ["vm"];
const TEST_TIMEOUT = 60_000; // milliseconds; no test loops without a bound of its own

async function installPackages(packages: Record<string, string>): Promise<void> {
  const missing = Object.entries(packages).flatMap(([path, name]) => (existsSync(path) ? [] : [name]));
  if (missing.length === 0) return;
  console.log(`installing ${missing.join(" ")}`);
  const environment = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const install = () =>
    Bun.spawn(["apt-get", "install", "-qq", "-y", "--no-install-recommends", ...missing], { stdout: "ignore", stderr: "inherit", env: environment });
  if ((await install().exited) === 0) return;
  await Bun.spawn(["apt-get", "update", "-qq"], { stdout: "ignore", stderr: "inherit" }).exited;
  if ((await install().exited) !== 0) throw new Error(`cannot install ${missing.join(" ")}`);
}

/** Runs one suite and gives its counts, as bun's own summary has them. */
async function runSuite(suite: string, more: string[]): Promise<{ passed: number; failed: number; skipped: number }> {
  // Kernels of 300 MB, unpacked once for all of a suite's files: no test knows that it is the last one, and bun runs no exit handlers.
  const machines = WITH_MACHINES.includes(suite) ? mkdtempSync(join(tmpdir(), "berth-machines-")) : undefined;
  const child = Bun.spawn(
    [...(WITH_NETWORKS.includes(suite) ? OWN_NETWORK : []), process.execPath, "test", "--timeout", String(TEST_TIMEOUT), `./test/${suite}/`, ...more],
    {
      cwd: join(import.meta.dir, ".."),
      env: { ...process.env, ...(machines !== undefined && { TMPDIR: machines }) },
      stdout: "inherit",
      stderr: "pipe",
    },
  );
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of child.stderr) {
    process.stderr.write(chunk);
    text += decoder.decode(chunk, { stream: true });
  }
  const code = await child.exited;
  if (machines !== undefined) rmSync(machines, { recursive: true, force: true });
  const count = (word: string) => Number(new RegExp(`^\\s*(\\d+) ${word}$`, "m").exec(text)?.[1] ?? 0);
  const result = { passed: count("pass"), failed: count("fail"), skipped: count("skip") };
  // A file that cannot even be loaded counts as a failure too.
  if (code !== 0 && result.failed === 0) result.failed = 1;
  return result;
}

const [wanted, ...more] = process.argv.slice(2);
const suites = wanted === undefined ? DEFAULT_SUITES : [wanted];
if (!suites.every((suite) => SUITES.includes(suite))) {
  console.error(`test/run.ts: unknown suite ${wanted}: expected ${SUITES.join(" or ")}`);
  process.exit(2);
}
await installPackages({
  ...PACKAGES,
  ...(suites.includes("peers") && PEER_PACKAGES),
  ...(suites.includes("vm") && VM_PACKAGES),
  ...(suites.includes("arm64") && ARM64_PACKAGES),
  ...(suites.includes("musl") && MUSL_PACKAGES),
});
const lines: string[] = [];
let failed = 0;
for (const suite of suites) {
  const result = await runSuite(suite, more);
  failed += result.failed;
  lines.push(`${suite}: ${result.passed} passed, ${result.failed} failed${result.skipped > 0 ? `, ${result.skipped} skipped` : ""}`);
}
console.log(lines.join("\n"));
process.exit(failed === 0 ? 0 : 1);
