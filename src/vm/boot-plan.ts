/** What a machine is to do: /etc/berth/boot.json, and above it the kernel's command line. */
import { existsSync, readFileSync } from "../../ffi/files.ts";
import { parseAddress } from "../network/address.ts";
import type { Lease } from "./dhcp.ts";

export const PLAN = "/etc/berth/boot.json";

/** Asked for, none, or as it is told; of a link, where that is named. */
export type NetworkPlan = "dhcp" | "off" | (Lease & { link?: string });

export interface BootPlan {
  /** Arguments of `berth run`, a list each. */
  run: string[][];
  /** What comes when the last of them has ended. */
  after: "poweroff" | "reboot" | "stay";
  /** Besides the usual ones. */
  modules: string[];
  network: NetworkPlan;
  /** Label of the ext4 that keeps what the engine has, from one boot to the next. */
  data: string;
  /** Label of an ext4 with archives and layouts of images, or a device that holds one archive and nothing else. */
  images: string;
}

/** Where nothing else is asked for. */
export const USUAL_PLAN: BootPlan = { run: [], after: "poweroff", modules: [], network: "dhcp", data: "berth-data", images: "berth-images" };

/** Throws where one of them says nonsense. */
export function readPlan(): BootPlan {
  const written: Partial<BootPlan> = existsSync(PLAN) ? JSON.parse(readFileSync(PLAN, "utf8")) : {};
  return withCommandLine({ ...USUAL_PLAN, ...written }, readFileSync("/proc/cmdline", "utf8"));
}

/** `berth.run="ARGS"` (once for each), `berth.after=…`, `berth.modules=A,B`, `berth.data=LABEL`, `berth.images=…`, and the kernel's own `ip=`. */
export function withCommandLine(plan: BootPlan, line: string): BootPlan {
  // The kernel keeps quotes where they stand: berth.run="…", or "berth.run=…".
  const words = [...line.matchAll(/(?:[^\s"]|"[^"]*")+/g)].map(([word]) => word.replaceAll('"', ""));
  const values = (key: string) => words.flatMap((word) => (word.startsWith(`${key}=`) ? [word.slice(key.length + 1)] : []));
  const run = values("berth.run").map((text) => text.split(/\s+/).filter(Boolean));
  const after = values("berth.after").at(-1) ?? plan.after;
  if (after !== "poweroff" && after !== "reboot" && after !== "stay")
    throw new Error(`invalid berth.after=${after}: expected poweroff, reboot or stay`);
  const ip = values("ip").at(-1);
  return {
    run: run.length > 0 ? run : plan.run,
    after,
    modules: [...plan.modules, ...values("berth.modules").flatMap((text) => text.split(","))],
    network: ip === undefined ? plan.network : parseIp(ip),
    data: values("berth.data").at(-1) ?? plan.data,
    images: values("berth.images").at(-1) ?? plan.images,
  };
}

/** The kernel's `ip=` (nfsroot.rst): `dhcp`, `off`, or ADDRESS::GATEWAY:MASK:HOST:LINK:off:DNS:DNS. */
export function parseIp(text: string): NetworkPlan {
  if (text === "off" || text === "none") return "off";
  if (["", "on", "any", "dhcp"].includes(text)) return "dhcp";
  const [client = "", , gateway = "", mask = "", , link = "", how = "", ...servers] = text.split(":");
  if (["dhcp", "on", "any"].includes(how)) return "dhcp";
  const address = parseAddress(client);
  const bits = parseAddress(mask || "255.255.255.0");
  if (address?.length !== 4 || bits?.length !== 4) throw new Error(`invalid ip=${text}: expected dhcp, off, or ADDRESS::GATEWAY:MASK::LINK:off`);
  const ones = [...bits].map((byte) => byte.toString(2).padStart(8, "0")).join("");
  return {
    address,
    prefix: ones.includes("0") ? ones.indexOf("0") : 32,
    gateway: gateway === "" ? undefined : parseAddress(gateway),
    nameServers: servers.flatMap((server) => parseAddress(server) ?? []),
    ...(link && { link }),
  };
}
