/** A container's networks, as its monitor makes and tends them. Loaded for containers that have some. */
import { OwnedFd } from "../../ffi/fd.ts";
import { type Connected, connectContainer, holdAgain, linkedAddresses } from "../network/connect.ts";
import { rewriteNetworkFiles, writeNetworkFiles } from "../network/files.ts";
import type { Relay } from "../network/relay.ts";
import type { Resolver } from "../network/resolver.ts";
import { getContainer } from "../store/containers.ts";
import type { KeptStore } from "../store/kept-store.ts";
import type { Layout } from "../store/layout.ts";
import { DEFAULT_NETWORK, type Endpoint, endpointsOf, type PublishedPort } from "../store/networks.ts";
import type { StartRequest } from "./protocol.ts";

// What few containers need; in the middle of a start nothing can be awaited.
const loadBandwidth = () => require("../network/bandwidth.ts") as typeof import("../network/bandwidth.ts");
const loadRelay = () => require("../network/relay.ts") as typeof import("../network/relay.ts");
const loadResolver = () => require("../network/resolver.ts") as typeof import("../network/resolver.ts");

/** Of one whose process becomes another program. */
export interface HeldNetwork {
  state: {
    /** What was written into its files. */
    files: [name: string, text: string][];
    relays: PublishedPort[];
    hasResolver: boolean;
  };
  /** Those of its resolver first, then those of its relays. */
  listening: OwnedFd[];
  bound: OwnedFd[];
}

export class ContainerNetwork {
  readonly #store: KeptStore;
  readonly #layout: Layout;
  readonly #request: StartRequest;
  #files: Map<string, string>;
  #resolver: Resolver | undefined;
  #relays: Relay[] = [];
  /** Ports of the host that are held by being bound. */
  #bound: OwnedFd[] = [];

  /** @param before what another program of this process had of the network */
  constructor(store: KeptStore, layout: Layout, request: StartRequest, before?: HeldNetwork) {
    this.#store = store;
    this.#layout = layout;
    this.#request = request;
    this.#files = new Map(before?.state.files);
    if (before) this.#goOn(before);
  }

  #goOn({ state, listening, bound }: HeldNetwork): void {
    const sockets = [...listening];
    if (state.hasResolver) {
      const [udp, tcp] = sockets.splice(0, 2) as [OwnedFd, OwnedFd];
      this.#resolver = new (loadResolver().Resolver)(this.#resolverOptions, { udp, tcp });
    }
    if (sockets.length > 0) this.#relays = state.relays.map((port, i) => loadRelay().goOnRelaying(port, sockets[i] as OwnedFd));
    this.#bound = bound;
  }

  /** What is to be held where this process becomes another program, and goes on with it. */
  get held(): HeldNetwork {
    const { udp, tcp } = this.#resolver?.sockets ?? {};
    const listening = [udp, tcp, ...this.#relays.map(({ socket }) => socket)].filter((socket) => socket !== undefined);
    const relays = this.#relays.map(({ port }) => port);
    return { state: { files: [...this.#files], relays, hasResolver: this.#resolver !== undefined }, listening, bound: this.#bound };
  }

  /** Lets go of the host's ports: somebody else may want them as soon as they are told that the container has ended. */
  releasePorts(): void {
    for (const port of [...this.#relays, ...this.#bound]) port.close();
  }

  /** Whether nobody is served by this process. */
  get isIdle(): boolean {
    return this.#resolver?.isIdle !== false && this.#relays.every(({ isIdle }) => isIdle);
  }

  /**
   * While the container's init waits: its mounts include the files that tell its addresses.
   *
   * @param pid a process in the container's network namespace
   * @returns what was changed on the host for it, in words
   * @throws {NetworkError}
   */
  connect(pid: number): string[] {
    const { id, networking } = this.#request;
    const { endpoints, warnings, ports } = connectContainer(this.#store.database, this.#layout.data, id, pid, networking.ports);
    this.#keep(ports);
    this.#resolve(pid, endpoints);
    if (networking.bandwidth) loadBandwidth().setBandwidth(pid, networking.bandwidth);
    this.#files = writeNetworkFiles(this.#layout.container(id), this.#contents(endpoints));
    return warnings;
  }

  #keep(ports: Connected["ports"]): void {
    this.#relays = ports.filter((port) => "isIdle" in port);
    this.#bound = ports.filter((port) => port instanceof OwnedFd);
  }

  /** In the place of a process that is no more. */
  takeOver(pid: number): void {
    const { id } = this.#request;
    if (!this.#request.userNetwork) this.#keep(holdAgain(this.#store.database, this.#layout.data, id));
    this.refresh(pid);
  }

  /** After the container joined or left a network. */
  refresh(pid: number): void {
    const endpoints = endpointsOf(this.#store.database, this.#request.id).filter(({ address }) => address !== undefined);
    this.#resolve(pid, endpoints);
    const links = getContainer(this.#store.database, this.#request.id)?.config.networking?.links;
    rewriteNetworkFiles(this.#layout.container(this.#request.id), this.#contents(endpoints, links), this.#files);
  }

  // On networks of users' own making containers find each other by name.
  #resolve(pid: number, endpoints: Endpoint[]): void {
    if (this.#resolver || endpoints.every(({ network }) => network.name === DEFAULT_NETWORK)) return;
    this.#resolver = loadResolver().startResolver({ ...this.#resolverOptions, pid });
  }

  get #resolverOptions() {
    return { store: this.#store, containerId: this.#request.id, servers: this.#request.networking.dns };
  }

  #contents(endpoints: Endpoint[], links = this.#request.networking.links) {
    return { ...this.#request, endpoints, linked: linkedAddresses(this.#store.database, endpoints, links ?? []) };
  }
}
