/** The build for arm64: under qemu's user emulation, then as the first process of a machine of that kind. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ROOT = join(import.meta.dir, "../..");
const BERTH = join(ROOT, "dist/berth-linux-arm64");
const TIMEOUT = 300_000;

let folder: string;
function sh(script: string, timeout = 120_000): string {
  const { stdout, stderr, exitCode } = Bun.spawnSync(["sh", "-ec", script], { cwd: folder, timeout });
  if (exitCode !== 0) throw new Error(`${script}: exit ${exitCode}\n${stderr}${stdout}`);
  return stdout.toString();
}
const berth = (args: string) => sh(`BERTH_ROOT=${folder}/engine qemu-aarch64-static ${BERTH} ${args}`);

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "berth-arm64-"));
  sh(`cd ${ROOT} && ${process.execPath} build.ts --target linux-arm64`);
  // A list of packages of its own: the machine's stays as it is.
  const apt = `-o Dir::State::lists=${folder}/lists -o Dir::Cache=${folder}/cache -o APT::Architecture=arm64 -o APT::Architectures::=arm64 -o Debug::NoLocking=1`;
  sh(`mkdir -p lists/partial cache/archives/partial && apt-get ${apt} update -qq`);
  const kernel = sh(`apt-cache ${apt} depends linux-image-arm64 | awk '/Depends:/{print $2; exit}'`).trim();
  sh(`apt-get ${apt} download -qq ${kernel} busybox-static && for deb in *.deb; do dpkg-deb -x $deb unpacked; done`);
  sh("busybox depmod -b unpacked $(ls unpacked/lib/modules)");
  const root = join(folder, "root");
  for (const name of ["bin", "etc", "tmp"]) mkdirSync(join(root, name), { recursive: true });
  sh("cp unpacked/bin/busybox root/bin/ && tar -C root -cf bb.tar .");
  for (const applet of ["sh", "uname", "echo", "cat"]) if (!existsSync(join(root, "bin", applet))) symlinkSync("busybox", join(root, "bin", applet));
  sh("tar -C root -cf bb.tar .");
}, TIMEOUT);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("names no dynamic loader, and tells what it is", () => {
  expect(sh(`readelf -lW ${BERTH}`)).not.toContain("INTERP");
  expect(berth("version -f '{{.Client.Os}}/{{.Client.Arch}}'")).toBe("linux/arm64\n");
});

test(
  "a container in a machine of that kind: limits, the exit code",
  () => {
    berth("import --platform linux/arm64 bb.tar bb");
    const modules = join(folder, "unpacked/lib/modules", readdirSync(join(folder, "unpacked/lib/modules"))[0] ?? "");
    berth(`vm image -o machine.img --modules ${modules} --run "--rm -m 32m bb sh -c 'uname -m; cat /sys/fs/cgroup/memory.max; exit 5'" bb`);
    const hardware = "-M virt -cpu max -smp 2 -m 512 -nographic -no-reboot -nic user,model=virtio-net-pci";
    const boot = "-kernel unpacked/boot/vmlinuz* -initrd machine.img -append 'console=ttyAMA0 panic=-1 loglevel=1'";
    const said = sh(`qemu-system-aarch64 ${hardware} ${boot} < /dev/null`, TIMEOUT).replaceAll("\r", "");
    expect(said).toContain("aarch64\n33554432\n");
    expect(said).toContain("ended with exit code 5");
  },
  TIMEOUT,
);
