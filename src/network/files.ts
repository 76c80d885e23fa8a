/** The three files by which a container knows its name, its neighbours and its name servers. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface NetworkFiles {
  hostname: string;
  domainname: string;
  /** Whether the container lives in the host's network and sees its neighbours. */
  hostNetwork: boolean;
}

const LOCALHOST =
  "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\nff00::\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n";

/** Writes `hosts`, `hostname` and `resolv.conf` into a container's folder, where they are mounted from. */
export function writeNetworkFiles(folder: string, { hostname, domainname, hostNetwork }: NetworkFiles): void {
  const name = domainname ? `${hostname}.${domainname} ${hostname}` : hostname;
  writeFileSync(join(folder, "hostname"), `${hostname}\n`);
  writeFileSync(join(folder, "hosts"), hostNetwork ? readOr("/etc/hosts", LOCALHOST) : `${LOCALHOST}127.0.1.1\t${name}\n`);
  writeFileSync(join(folder, "resolv.conf"), hostNetwork ? readOr("/etc/resolv.conf", "") : resolvConf(readOr("/etc/resolv.conf", "")));
}

function readOr(path: string, otherwise: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return otherwise;
  }
}

/** The host's own, without name servers on addresses that are somebody else's inside a container. */
export function resolvConf(host: string): string {
  const lines = host.split("\n").filter((line) => !/^\s*nameserver\s+(127\.|::1\b)/.test(line));
  return `${lines.join("\n").trimEnd()}\n`.replace(/^\n$/, "");
}
