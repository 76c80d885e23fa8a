/**
 * A machine with nothing in it but Debian's kernel, some of its modules, busybox and berth,
 * in qemu's software emulation; no network, no disk.
 */
import { copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { makeBusyboxTar } from "../fixtures/busybox.ts";

const BERTH = join(import.meta.dir, "../../dist/berth");
export const BOOT_TIMEOUT = 240_000; // milliseconds

export interface MachineOptions {
  /** Run in turn; see {@link Machine.said}. The image bb is there. */
  scripts: Record<string, string>;
  /** Files and folders of the kernel's modules, such as `net/bridge`, that it may load. */
  modules: string[];
}

const init = (scripts: string[]) => `#!/bin/busybox sh
/bin/busybox mkdir -p /dev /proc /sys /run /data /tmp /sbin
/bin/busybox --install -s /bin
ln -s /bin/modprobe /sbin/modprobe
export PATH=/bin HOME=/tmp BERTH_ROOT=/data/berth
mount -t proc p /proc; mount -t sysfs s /sys; mount -t devtmpfs d /dev; mkdir -p /dev/pts; mount -t devpts p /dev/pts
mount -t tmpfs t /data; mount -t tmpfs t /run; mount -t cgroup2 c /sys/fs/cgroup
ip link set lo up
berth import /bb.tar bb >/dev/null
for script in ${scripts.join(" ")}; do
  echo "<$script>"; sh /scripts/$script 2>&1; echo "exit $?"; echo "</$script>"
done
poweroff -f
`;

function sh(script: string, cwd: string): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync(["sh", "-ec", script], { cwd, stdout: "pipe", stderr: "pipe" });
  if (exitCode !== 0) throw new Error(stderr.toString());
  return stdout.toString();
}

export interface Kernel {
  folder: string;
  /** The kernel itself. */
  image: string;
  /** Folder of its modules, with depmod's lists. */
  modules: string;
}

const kernels = new Map<string, Kernel>();

/** Debian's kernel, unpacked only: installing it would want this machine to boot from it. */
export function unpackedKernel(): Kernel {
  const name = "$(apt-cache depends linux-image-amd64 | awk '/Depends:/{print $2; exit}')";
  return unpack("own", `apt-get download -qq ${name}`);
}

/** That of another release of Debian's, such as bullseye; undefined where the archive of this one does not have it. */
export function kernelOf(release: string): Kernel | undefined {
  const [archive = ""] = sh("apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Component: main'", "/").split("\n");
  const apt = "-o Dir::Etc::sourcelist=$PWD/list -o Dir::Etc::sourceparts=/ -o Dir::State::lists=$PWD/lists -o Dir::Cache=$PWD/cache";
  const name = `$(apt-cache ${apt} depends linux-image-amd64 | awk '/Depends:/{print $2; exit}')`;
  const list = `deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${archive} ${release} main`;
  try {
    return unpack(release, `mkdir -p lists/partial cache; echo '${list}' > list; apt-get ${apt} update -qq; apt-get ${apt} download -qq ${name}`);
  } catch (error) {
    console.warn(`no kernel of ${release}: ${error instanceof Error ? error.message.trim().split("\n").at(-1) : error}`);
    return undefined;
  }
}

function unpack(key: string, download: string): Kernel {
  const found = kernels.get(key);
  if (found) return found;
  const folder = mkdtempSync(join(tmpdir(), "berth-kernel-"));
  // The runner (test/run.ts) takes it away.
  sh(`${download}; dpkg-deb -x linux-image-*.deb . && rm *.deb`, folder);
  const image = readdirSync(join(folder, "boot")).find((name) => name.startsWith("vmlinuz")) ?? "";
  const [version = ""] = readdirSync(join(folder, "lib/modules"));
  sh(`busybox depmod -b . ${version}`, folder);
  const kernel = { folder, image: join(folder, "boot", image), modules: join(folder, "lib/modules", version) };
  kernels.set(key, kernel);
  return kernel;
}

const HARDWARE = ["-accel", "tcg,thread=multi", "-cpu", "max", "-nographic", "-no-reboot"];

export interface StartedMachine {
  /** Its console, once it powered itself off. */
  ended: Promise<string>;
  kill(): void;
}

/** Boots an initramfs, with a network card and disks; a port of this machine can lead to its port 80. */
export function startMachine({
  initrd,
  memory,
  append = "",
  port,
  disks = [],
  kernel = unpackedKernel(),
}: {
  initrd: string;
  memory: number;
  append?: string;
  port?: number;
  /** Files. */
  disks?: string[];
  kernel?: Kernel;
}): StartedMachine {
  const card = `user,model=virtio-net-pci${port === undefined ? "" : `,hostfwd=tcp:127.0.0.1:${port}-:80`}`;
  const boot = ["-kernel", kernel.image, "-initrd", initrd, "-append", `console=ttyS0 panic=-1 loglevel=1 ${append}`];
  const drives = disks.flatMap((file) => ["-drive", `file=${file},format=raw,if=virtio`]);
  const child = Bun.spawn(["qemu-system-x86_64", ...HARDWARE, "-smp", "1", "-m", String(memory), "-nic", card, ...drives, ...boot], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
    timeout: BOOT_TIMEOUT,
  });
  return { ended: new Response(child.stdout).text().then((text) => text.replaceAll("\r", "")), kill: () => child.kill() };
}

export class Machine {
  readonly #console: string;

  private constructor(console: string) {
    this.#console = console;
  }

  /** Boots it, and comes back when it powered itself off. */
  static boot({ scripts, modules }: MachineOptions): Machine {
    const { folder: source, image } = unpackedKernel();
    const folder = mkdtempSync(join(tmpdir(), "berth-vm-"));
    try {
      const root = join(folder, "root");
      for (const name of ["bin", "scripts"]) mkdirSync(join(root, name), { recursive: true });
      copyFileSync("/bin/busybox", join(root, "bin/busybox"));
      copyFileSync(BERTH, join(root, "bin/berth"));
      symlinkSync("busybox", join(root, "bin/sh"));
      makeBusyboxTar(join(root, "bb.tar"));
      for (const [name, script] of Object.entries(scripts)) writeFileSync(join(root, "scripts", name), script);
      writeFileSync(join(root, "init"), init(Object.keys(scripts)), { mode: 0o755 });
      copyModules(source, root, modules);
      sh("find . | busybox cpio -o -H newc > ../initramfs", root);
      const hardware = [...HARDWARE, "-smp", "2", "-m", "2048", "-nic", "none"];
      const boot = ["-kernel", image, "-initrd", "initramfs", "-append", "console=ttyS0 panic=-1 loglevel=1"];
      const { stdout } = Bun.spawnSync(["qemu-system-x86_64", ...hardware, ...boot], { cwd: folder, stdin: "ignore", timeout: BOOT_TIMEOUT });
      return new Machine(stdout.toString().replaceAll("\r", ""));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  /** What a script wrote, and how it ended. */
  said(name: string): string {
    const found = new RegExp(`<${name}>\n([^]*?)</${name}>`).exec(this.#console);
    if (!found) throw new Error(`the machine never came to ${name}:\n${this.#console.slice(-2000)}`);
    return found[1] as string;
  }
}

function copyModules(source: string, root: string, modules: string[]): void {
  const [version = ""] = readdirSync(join(source, "lib/modules"));
  const place = join("lib/modules", version, "kernel");
  for (const name of modules) {
    const from = join(source, place, name);
    if (!existsSync(from)) throw new Error(`Debian's kernel has no ${name}`);
    mkdirSync(dirname(join(root, place, name)), { recursive: true });
    cpSync(from, join(root, place, name), { recursive: true });
  }
  sh(`busybox depmod -b . ${version}`, root);
}
