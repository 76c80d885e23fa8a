/** `network ls`: records, and what needs none. */

import { ROOTLESS_UID } from "../store/layout.ts";
import { listNetworks, type NetworkConfig, type NetworkRecord } from "../store/networks.ts";
import type { Engine } from "./engine.ts";

const loadNetworks = () => require("./networks.ts") as typeof import("./networks.ts");

/** Networks that are no records: the host's own, and none. */
export const BUILT_IN = ["host", "none"];

export const builtInId = (name: string): string => new Bun.CryptoHasher("sha256").update(name).digest("hex");

/** All networks, by name. */
export function allNetworks(engine: Engine): (Pick<NetworkRecord, "id" | "name" | "createdAt"> & { driver: string; config?: NetworkConfig })[] {
  const builtIn = BUILT_IN.map((name) => ({
    id: builtInId(name),
    name,
    createdAt: 0,
    driver: name === "none" ? "null" : name,
  }));
  // As everywhere else it is made when it is first wanted.
  if (process.env[ROOTLESS_UID] === undefined) loadNetworks().makeDefaultFirst(engine);
  const records = listNetworks(engine.db).map((network) => ({ ...network, driver: network.config.driver }));
  return [...records, ...builtIn].sort((a, b) => (a.name < b.name ? -1 : 1));
}
