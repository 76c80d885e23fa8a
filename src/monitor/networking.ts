/** What a container has of the network, of whatever kind, for as long as its monitor lives. */
import type { OwnedFd } from "../../ffi/fd.ts";
import { join } from "../../ffi/path.ts";
import { SLIRP_RESOLVER, writeNetworkFiles } from "../network/files.ts";
import type { KeptStore } from "../store/kept-store.ts";
import type { Layout } from "../store/layout.ts";
import { endpointsOf } from "../store/networks.ts";
import type { ContainerNetwork, HeldNetwork } from "./container-network.ts";
import { loadNetwork } from "./prepare-ahead.ts";
import type { StartRequest } from "./protocol.ts";

// Seldom needed.
const loadUserNetwork = () => require("../network/user-network.ts") as typeof import("../network/user-network.ts");

/** What one that rests keeps of it. */
export interface HeldNetworking {
  network: HeldNetwork | undefined;
  /** See `startUserNetwork`. */
  userNetwork: OwnedFd | undefined;
}

export class Networking {
  readonly #store: KeptStore;
  readonly #layout: Layout;
  readonly #request: StartRequest;
  /** Made where there are networks of its own. */
  #network: ContainerNetwork | undefined;
  #before: HeldNetwork | undefined;
  #userNetwork: OwnedFd | undefined;

  constructor(store: KeptStore, layout: Layout, request: StartRequest) {
    this.#store = store;
    this.#layout = layout;
    this.#request = request;
  }

  /** After a rest. */
  async goOn({ network, userNetwork }: HeldNetworking): Promise<void> {
    this.#before = network;
    this.#userNetwork = userNetwork;
    // Somebody may be waiting at a socket.
    if (network && network.listening.length > 0) await this.#make();
    if (this.#request.userNetwork && userNetwork) loadUserNetwork().holdUserNetwork(this.#request.userNetwork, userNetwork);
  }

  get held(): HeldNetworking {
    return { network: this.#network?.held ?? this.#before, userNetwork: this.#userNetwork };
  }

  /** Whether nobody is served by this process. */
  get isIdle(): boolean {
    return this.#network?.isIdle !== false;
  }

  /** Before {@link connect}, in whose midst nothing can be awaited. */
  async prepare(): Promise<void> {
    if (endpointsOf(this.#store.database, this.#request.id).length > 0) await this.#make();
  }

  /** As {@link ContainerNetwork.connect}. */
  connect(pid: number): string[] {
    const warnings = this.#network?.connect(pid);
    if (!warnings) this.#writeFiles();
    const { id, networking, userNetwork } = this.#request;
    if (userNetwork) {
      const file = join(this.#layout.run, `${id.slice(0, 12)}.net`);
      const options = { db: this.#store.database, containerId: id, pid, ports: networking.ports, file };
      this.#userNetwork = loadUserNetwork().startUserNetwork(userNetwork, options);
    }
    return warnings ?? [];
  }

  #writeFiles(): void {
    const { id, networking, userNetwork } = this.#request;
    const dns = userNetwork?.kind === "slirp4netns" && networking.dns.length === 0 ? [SLIRP_RESOLVER] : networking.dns;
    const files = { ...this.#request, networking: { ...networking, dns }, endpoints: [], linked: [] };
    writeNetworkFiles(this.#layout.container(id), files);
  }

  /** After the container joined or left a network. */
  async refresh(pid: number): Promise<void> {
    await this.#look((network) => network.refresh(pid));
  }

  /** In the place of a process that is no more. */
  async takeOver(pid: number): Promise<void> {
    await this.#look((network) => network.takeOver(pid));
  }

  /** Who is told of the end may want them. */
  releasePorts(): void {
    this.#network?.releasePorts();
    for (const port of this.#before?.bound ?? []) port.close();
  }

  async #look(action: (network: ContainerNetwork) => void): Promise<void> {
    try {
      action(this.#network ?? (await this.#make()));
    } catch {
      // the container is just ending, or has all ports of its name server itself: it goes on without
    }
  }

  // A container without networks of its own needs none of that.
  async #make(): Promise<ContainerNetwork> {
    const { ContainerNetwork } = await loadNetwork();
    this.#network ??= new ContainerNetwork(this.#store, this.#layout, this.#request, this.#before);
    return this.#network;
  }
}
