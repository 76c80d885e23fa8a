/** `network ls`: records, and what needs none. */
import { listNetworks, type NetworkConfig, type NetworkRecord } from "../store/networks.ts";
import type { Engine } from "./engine.ts";

/** Networks that are no records: the host's own, and none. */
export const BUILT_IN = ["host", "none"];

/** All networks, by name. */
export function allNetworks({ db }: Engine): (Pick<NetworkRecord, "id" | "name" | "createdAt"> & { driver: string; config?: NetworkConfig })[] {
  const builtIn = BUILT_IN.map((name) => ({
    id: new Bun.CryptoHasher("sha256").update(name).digest("hex"),
    name,
    createdAt: 0,
    driver: name === "none" ? "null" : name,
  }));
  const records = listNetworks(db).map((network) => ({ ...network, driver: network.config.driver }));
  return [...records, ...builtIn].sort((a, b) => (a.name < b.name ? -1 : 1));
}
