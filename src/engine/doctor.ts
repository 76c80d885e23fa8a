/** `doctor`: what this host has and lacks of what containers want, and what follows from it. */
import { statfsSync } from "node:fs";
import { existsSync, readFileSync } from "../../ffi/files.ts";
import { release } from "../../ffi/host.ts";
import { isKernelAtLeast, missingCalls } from "../../ffi/kernel-features.ts";
import { reasonOf } from "../../ffi/libc.ts";
import { CLONE_NEWNET, unshare } from "../../ffi/namespace.ts";
import { NftSocket } from "../../ffi/netlink/nftables.ts";
import { RouteSocket, route } from "../../ffi/netlink/route.ts";
import type { Message } from "../../ffi/netlink/socket.ts";
import { setEmulation, setTokenBucket } from "../../ffi/netlink/traffic.ts";
import { hasIPv6 } from "../network/bridge.ts";
import { LINK_MODES } from "../network/connect.ts";
import { cgroupMode, findHierarchies } from "../runtime/cgroup/hierarchy.ts";
import { hasAppArmor } from "../runtime/process/apparmor.ts";
import { ROOTLESS_UID } from "../store/layout.ts";
import type { Engine } from "./engine.ts";
import { canMapOwners, storageDriver } from "./storage-driver.ts";

export interface Finding {
  /** What was looked at. */
  topic: string;
  /** `limited`: containers run, something else does not; `missing`: they do not. */
  state: "ok" | "limited" | "missing";
  /** What there is. */
  found: string;
  /** What that means; empty where all is well. */
  follows: string;
}

const MIN_FREE = 256 << 20; // bytes

/** Looks at everything. It leaves this process in a network namespace of its own, in which it tried what may be made there. */
export function examine(engine: Engine): Finding[] {
  return [kernel(), calls(), user(), storage(engine), room(engine), cgroups(), ...memory(), seccomp(), userNamespaces(), apparmor(), ...network()];
}

const ok = (topic: string, found: string): Finding => ({ topic, state: "ok", found, follows: "" });
const limited = (topic: string, found: string, follows: string): Finding => ({ topic, state: "limited", found, follows });
const missing = (topic: string, found: string, follows: string): Finding => ({ topic, state: "missing", found, follows });

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return undefined;
  }
}

function kernel(): Finding {
  const found = `Linux ${release()}`;
  if (!isKernelAtLeast("4.18")) return missing("kernel", found, "containers need at least Linux 4.18");
  if (!isKernelAtLeast("5.12")) return limited("kernel", found, "works, by older ways; mounts read-only with all below them need 5.12");
  if (!isKernelAtLeast("6.15"))
    return limited("kernel", found, "the exit code of a container whose monitor was killed is not known (255): that needs 6.15");
  return ok("kernel", found);
}

function calls(): Finding {
  const lacking = missingCalls();
  if (lacking.length === 0) return ok("system calls", "all that berth uses");
  return limited("system calls", `without ${lacking.join(", ")}`, "older ways are taken instead, a little slower");
}

function user(): Finding {
  const uid = process.env[ROOTLESS_UID];
  if (uid === undefined) return ok("user", "root");
  const helper = ["/usr/bin/newuidmap", "/usr/bin/slirp4netns", "/usr/bin/pasta"].map(existsSync);
  const lacks = [
    ...(helper[0] ? [] : ["no newuidmap: containers have one user only"]),
    ...(helper[1] || helper[2] ? [] : ["neither slirp4netns nor pasta: no network"]),
  ];
  return lacks.length > 0 ? limited("user", `user ${uid}`, lacks.join("; ")) : ok("user", `user ${uid}`);
}

function storage(engine: Engine): Finding {
  if (storageDriver(engine) === "vfs")
    return limited("storage", `no overlay file system on ${engine.layout.data}`, "each container gets a copy of its image; --rootfs cannot be had");
  if (!canMapOwners(engine))
    return limited("storage", "overlay", "mounts that map owners cannot be had: containers with --userns get a copy of their image");
  return ok("storage", `overlay, on ${engine.layout.data}`);
}

function room({ layout }: Engine): Finding {
  const { bavail, bsize } = statfsSync(layout.data);
  const free = bavail * bsize;
  const found = `${(free / 1e9).toFixed(1)} GB free in ${layout.data}`;
  return free < MIN_FREE ? limited("room", found, "images may not fit") : ok("room", found);
}

function cgroups(): Finding {
  const mode = cgroupMode();
  const { v1, v2 } = findHierarchies();
  if (mode === "none") return limited("cgroups", "none", "containers run without limits, stats and pause; mount cgroup2 on /sys/fs/cgroup");
  const has = mode === "v2" ? (v2?.controllers ?? []) : [...v1.keys()];
  const lacking = ["cpu", "memory", "pids"].filter((name) => !has.includes(name));
  const found = `${mode === "v2" ? "v2" : v2 ? "v1, beside an empty v2" : "v1"}: ${has.filter((name) => !name.includes("=")).join(" ")}`;
  if (lacking.length > 0) return limited("cgroups", found, `no limits of ${lacking.join(", ")}`);
  return ok("cgroups", found);
}

function memory(): Finding[] {
  const { v1 } = findHierarchies();
  const mount = v1.get("memory");
  if (mount === undefined || existsSync(`${mount.path}/memory.memsw.limit_in_bytes`)) return [];
  return [limited("swap", "not counted (swapaccount=1 on the kernel's command line)", "--memory-swap has no effect")];
}

function seccomp(): Finding {
  const actions = read("/proc/sys/kernel/seccomp/actions_avail");
  if (actions === undefined) return missing("seccomp", "not in this kernel", "containers start with --security-opt seccomp=unconfined only");
  return ok("seccomp", actions);
}

function userNamespaces(): Finding {
  const count = Number(read("/proc/sys/user/max_user_namespaces") ?? 0);
  const follows = "no --userns, and nobody but root runs containers";
  if (!existsSync("/proc/self/ns/user") || count === 0) return limited("user namespaces", "none", follows);
  if (read("/proc/sys/kernel/unprivileged_userns_clone") === "0" || read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") === "1")
    return limited("user namespaces", "for root only", "nobody but root runs containers (a sysctl says so)");
  return ok("user namespaces", `up to ${count}`);
}

function apparmor(): Finding {
  return hasAppArmor() ? ok("AppArmor", "enabled") : limited("AppArmor", "none", "--security-opt apparmor=PROFILE is refused");
}

// Tried for real, where nobody sees it.
function network(): Finding[] {
  const ipv6 = hasIPv6() ? ok("IPv6", "enabled") : limited("IPv6", "none", "networks have IPv4 only");
  const forwarding = read("/proc/sys/net/ipv4/ip_forward") === "1";
  const forward = ok("forwarding", forwarding ? "on" : "off; the first container with a network turns it on, and says so");
  try {
    unshare(CLONE_NEWNET);
  } catch (error) {
    return [missing("network namespaces", reasonOf(error), "containers start with --network host only")];
  }
  using routes = new RouteSocket();
  const can = (topic: string, follows: string, ...messages: Message[]): Finding => {
    try {
      routes.request(...messages);
      return ok(topic, "works");
    } catch (error) {
      return limited(topic, reasonOf(error), follows);
    }
  };
  const address = (last: number) => Buffer.from([2, 0x42, 0, 0, 0, last]);
  const none = "no networks but none and host";
  const bridge = can("bridges", none, route.addBridge("berth0", 1500, address(1)));
  const index = routes.link("berth0")?.index ?? 0;
  const veth = can("veth", none, route.addVeth("veth0", index, 1500, { name: "veth1", pid: process.pid, address: address(2) }));
  // The other end is in the bridge, and so nobody's to build on.
  const end = routes.link("veth1")?.index ?? 0;
  const beside = (driver: "macvlan" | "ipvlan", mode: number, mac: Buffer | undefined) => {
    const found = can(driver, "no networks of this driver", route.addBeside(driver, mode, end, { name: "beside0", pid: process.pid, address: mac }));
    const link = routes.link("beside0");
    if (link) routes.request(route.deleteLink(link.index)); // one driver at a time
    return found;
  };
  return [
    bridge,
    veth,
    nftables(),
    ...(end > 0
      ? [
          beside("macvlan", LINK_MODES.macvlan.bridge ?? 0, address(3)),
          beside("ipvlan", LINK_MODES.ipvlan.l2 ?? 0, undefined),
          can("bandwidth", "no --bandwidth", setTokenBucket(end, false, 1e6, 5000, 50_000)),
          can("netem", "no --net-delay and --net-loss", setEmulation(end, 1000, 0)),
        ]
      : []),
    ipv6,
    forward,
  ];
}

function nftables(): Finding {
  const socket = NftSocket.open();
  socket?.[Symbol.dispose]();
  if (socket) return ok("nf_tables", "works");
  return limited("nf_tables", "not in this kernel", "containers have no way out; published ports are passed on by their monitors");
}
