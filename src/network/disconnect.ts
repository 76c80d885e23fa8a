/** Takes back what a container had of the network. */
import type { Database } from "bun:sqlite";
import { writeTransaction } from "../store/database.ts";
import { deleteEndpoint, deletePort, type Endpoint, type PublishedPort, portsOf, releaseNetworking } from "../store/networks.ts";
import { NetworkError } from "./errors.ts";

// Every command reconciles, few meet ports of the dead: what speaks to the kernel is loaded for those only, and in a transaction nothing can be awaited.
const loadFirewall = () => require("./firewall.ts") as typeof import("./firewall.ts");

/** Gives back the addresses and ports of a container whose process is gone. To be called before its record says so, in the same transaction. */
export function disconnectContainer(db: Database, data: string, id: string): void {
  writeTransaction(db, () => {
    const ports = portsOf(db, id);
    releaseNetworking(db, id);
    withdraw(db, data, ports);
  });
}

// The store's word counts: an end must be recorded also where the kernel refuses. What stays in its table goes when that is next changed.
function withdraw(db: Database, data: string, ports: PublishedPort[]): void {
  if (ports.length === 0) return;
  try {
    // Not closed: that waits for what was deleted to be out of use (nft_rcv_nl_event), some milliseconds before anybody is told of the end.
    // Who comes here, a monitor or a command, is about to end itself.
    new (loadFirewall().Firewall)(db, data).withdraw(ports);
  } catch (error) {
    if (!(error instanceof NetworkError)) throw error;
  }
}

/** Takes a container off one of its networks, in the store: its address there, and the ports that led to it. */
export function disconnectEndpoint(db: Database, data: string, { containerId, network, address, address6 }: Endpoint): void {
  writeTransaction(db, () => {
    const ports = portsOf(db, containerId).filter(({ containerIp }) => containerIp === address || containerIp === address6);
    for (const port of ports) deletePort(db, port);
    deleteEndpoint(db, containerId, network.id);
    withdraw(db, data, ports);
  });
}
