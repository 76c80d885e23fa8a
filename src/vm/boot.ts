/**
 * Berth as the first process of a machine: mounts what there must be, loads modules, finds
 * a network, loads images, runs containers, and ends the machine when they end.
 */

import { writeAll } from "../../ffi/fd.ts";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "../../ffi/files.ts";
import { release } from "../../ffi/host.ts";
import { hasCode, reasonOf } from "../../ffi/libc.ts";
import { endMachine, reapOrphans } from "../../ffi/machine.ts";
import { MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_RDONLY, mount, umount } from "../../ffi/mount.ts";
import { RouteSocket, route } from "../../ffi/netlink/route.ts";
import { join } from "../../ffi/path.ts";
import { bringLoopbackUp } from "../../ffi/socket.ts";
import { formatAddress } from "../network/address.ts";
import { type BootPlan, type NetworkPlan, readPlan, USUAL_PLAN } from "./boot-plan.ts";
import { type Lease, requestLease } from "./dhcp.ts";
import { disksLabelled } from "./disks.ts";
import { loadModules, ModuleIndex, USUAL_MODULES } from "./modules.ts";

export const IMAGES = "/images";
/** Milliseconds that a network card or a disk may take to appear. */
const DEVICE_WAIT = 5000;
const REAP_INTERVAL = 1000; // milliseconds

const SECURE = MS_NOSUID | MS_NODEV | MS_NOEXEC;
/** In this order; /proc may be there already. */
const MOUNTS: [type: string, target: string, flags: number, data: string | null][] = [
  ["proc", "/proc", SECURE, null],
  ["sysfs", "/sys", SECURE, null],
  ["devtmpfs", "/dev", MS_NOSUID, "mode=755"],
  ["devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "mode=620,ptmxmode=666"],
  ["tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV, "mode=1777"],
  ["tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=755"],
  ["tmpfs", "/tmp", MS_NOSUID | MS_NODEV, "mode=1777"],
  ["cgroup2", "/sys/fs/cgroup", SECURE, null],
];
const DATA = "/var/lib/berth";
const DISK = "/disk";

const say = (text: string) => writeAll(2, Buffer.from(`berth: ${text}\n`));

/** Boots, and never comes back. */
export async function bootMachine(): Promise<never> {
  try {
    mountAll();
    const plan = readPlan();
    loadWanted(plan);
    bringLoopbackUp();
    const isKept = mountData(plan);
    connect(plan.network);
    await loadImages(plan);
    if (isKept) await berth("system", "start");
    const code = await runContainers(plan);
    say(`ended with exit code ${code}`);
    if (plan.after === "stay") await new Promise(() => {});
    endMachine(plan.after === "reboot" ? "reboot" : "poweroff");
  } catch (error) {
    say(`cannot boot: ${reasonOf(error)}`);
    if (process.env.BERTH_DEBUG) console.error(error);
    endMachine("poweroff");
  }
}

function mountAll(): void {
  for (const [type, target, flags, data] of MOUNTS) {
    mkdirSync(target, { recursive: true });
    try {
      mount(type, target, type, flags, data);
    } catch (error) {
      // There already, by the kernel's or the loader's doing.
      if (!hasCode(error, "EBUSY")) say(`cannot mount ${type} on ${target}: ${reasonOf(error)}`);
    }
  }
  for (const [name, target] of [
    ["fd", "/proc/self/fd"],
    ["stdin", "/proc/self/fd/0"],
    ["stdout", "/proc/self/fd/1"],
    ["stderr", "/proc/self/fd/2"],
  ] as const)
    if (!existsSync(join("/dev", name))) symlinkSync(target, join("/dev", name));
}

// What the kernel's command line or the plan names must be there; the usual label may be.
function diskLabelled(label: string, usual: string): string | undefined {
  let [disk] = disksLabelled(label);
  for (const deadline = performance.now() + DEVICE_WAIT; !disk && label !== usual && performance.now() < deadline; [disk] = disksLabelled(label))
    Bun.sleepSync(50);
  if (!disk && label !== usual) throw new Error(`no disk has an ext4 labelled ${label}`);
  return disk;
}

// Whether it is kept, on a disk. Not on the first file system: it cannot hold an overlay's upper layer on every kernel.
function mountData({ data }: BootPlan): boolean {
  const disk = diskLabelled(data, USUAL_PLAN.data);
  mkdirSync(DATA, { recursive: true });
  if (disk === undefined) mount("tmpfs", DATA, "tmpfs", MS_NODEV, "mode=711,size=100%");
  else mount(disk, DATA, "ext4", MS_NODEV);
  return disk !== undefined;
}

function loadWanted({ modules }: BootPlan): void {
  const folder = `/lib/modules/${release()}`;
  if (!existsSync(join(folder, "modules.dep"))) return; // all that is needed is built in, or doctor will tell
  for (const failure of loadModules(new ModuleIndex(folder), [...USUAL_MODULES, ...modules])) say(`module ${failure}`);
}

function connect(plan: NetworkPlan): void {
  if (plan === "off") return;
  using routes = new RouteSocket();
  const card = () => routes.links().find(({ name }) => (typeof plan === "object" && plan.link ? name === plan.link : /^(eth|en)/.test(name)));
  const deadline = performance.now() + (typeof plan === "object" ? DEVICE_WAIT : DEVICE_WAIT / 5);
  let link = card();
  while (!link && performance.now() < deadline) {
    Bun.sleepSync(50);
    link = card();
  }
  if (!link) {
    if (typeof plan === "object") say("there is no network card");
    return;
  }
  routes.request(route.setUp(link.index));
  const mac = Buffer.from(readFileSync(`/sys/class/net/${link.name}/address`, "utf8").trim().replaceAll(":", ""), "hex");
  const lease = typeof plan === "object" ? plan : requestLease(link.name, mac);
  if (!lease) {
    say(`nobody on ${link.name} gives addresses`);
    return;
  }
  apply(routes, link.index, lease);
  say(`${link.name} has ${formatAddress(Buffer.from(lease.address))}/${lease.prefix}`);
}

function apply(routes: RouteSocket, index: number, { address, prefix, gateway, nameServers }: Lease): void {
  routes.request(route.addAddress(index, Buffer.from(address), prefix));
  if (gateway) routes.request(route.addDefaultRoute(index, Buffer.from(gateway)));
  if (nameServers.length === 0) return;
  mkdirSync("/etc", { recursive: true });
  writeFileSync("/etc/resolv.conf", nameServers.map((server) => `nameserver ${formatAddress(Buffer.from(server))}\n`).join(""));
}

const children = new Set<number>();

/** Runs berth itself, on the console. Gives its exit code. */
async function berth(...args: string[]): Promise<number> {
  const child = Bun.spawn(["/proc/self/exe", ...args], {
    stdio: ["inherit", "inherit", "inherit"],
    env: { PATH: "/bin:/sbin:/usr/bin", HOME: "/root" },
  });
  children.add(child.pid);
  try {
    return await child.exited;
  } finally {
    children.delete(child.pid);
  }
}

async function load(path: string): Promise<void> {
  if ((await berth("load", "-q", "-i", path)) !== 0) say(`cannot load ${path}`);
}

async function loadImages({ images }: BootPlan): Promise<void> {
  // Once they are in the store these archives are in the way: both lie in memory.
  for (const name of existsSync(IMAGES) ? readdirSync(IMAGES).sort() : []) {
    await load(join(IMAGES, name));
    rmSync(join(IMAGES, name), { recursive: true });
  }
  if (images.startsWith("/")) return load(images);
  const disk = diskLabelled(images, USUAL_PLAN.images);
  if (disk === undefined) return;
  mkdirSync(DISK, { recursive: true });
  mount(disk, DISK, "ext4", MS_RDONLY | SECURE);
  for (const name of readdirSync(DISK).sort()) if (name !== "lost+found") await load(join(DISK, name));
  umount(DISK);
}

async function runContainers({ run }: BootPlan): Promise<number> {
  const reaper = setInterval(() => reapOrphans(children), REAP_INTERVAL);
  process.on("SIGCHLD", () => reapOrphans(children));
  try {
    let code = 0;
    // The last one has the console; the machine ends with it.
    for (const [i, args] of run.entries()) code = await berth("run", ...(i < run.length - 1 ? ["-d"] : []), ...args);
    if (run.length === 0) say("nothing to run: expected berth.run=… or /etc/berth/boot.json");
    return code;
  } finally {
    clearInterval(reaper);
  }
}
