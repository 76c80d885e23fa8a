/** A container's networks, as its monitor makes and tends them. Loaded for containers that have some. */
import { connectContainer, linkedAddresses } from "../network/connect.ts";
import { rewriteNetworkFiles, writeNetworkFiles } from "../network/files.ts";
import type { Inside } from "../runtime/spawn.ts";
import type { KeptStore } from "../store/kept-store.ts";
import type { Layout } from "../store/layout.ts";
import { DEFAULT_NETWORK, type Endpoint, endpointsOf } from "../store/networks.ts";
import type { StartRequest } from "./protocol.ts";

// What few containers need; in the middle of a start nothing can be awaited.
const loadBandwidth = () => require("../network/bandwidth.ts") as typeof import("../network/bandwidth.ts");
const loadResolver = () => require("../network/resolver.ts") as typeof import("../network/resolver.ts");

export class ContainerNetwork {
  readonly #store: KeptStore;
  readonly #layout: Layout;
  readonly #request: StartRequest;
  #files: Map<string, string>;
  #hasResolver = false;

  /** @param files what was written into its files */
  constructor(store: KeptStore, layout: Layout, request: StartRequest, files = new Map<string, string>()) {
    this.#store = store;
    this.#layout = layout;
    this.#request = request;
    this.#files = files;
  }

  /** What it wrote into its files. */
  get files(): ReadonlyMap<string, string> {
    return this.#files;
  }

  /** Whether this process answers for its names. */
  get hasResolver(): boolean {
    return this.#hasResolver;
  }

  /**
   * While the container's init waits: its mounts include the files that tell its addresses.
   *
   * @param pid a process in the container's network namespace
   * @param inside see {@link connectContainer}
   * @returns what was changed on the host for it, in words
   * @throws {NetworkError}
   */
  connect(pid: number, inside: Inside | undefined): string[] {
    const { id, networking } = this.#request;
    const { endpoints, warnings } = connectContainer(this.#store.database, this.#layout.data, id, { pid, inside }, networking.ports);
    this.#resolve(pid, endpoints);
    if (networking.bandwidth) loadBandwidth().setBandwidth(pid, networking.bandwidth);
    this.#files = writeNetworkFiles(this.#layout.container(id), this.#contents(endpoints));
    return warnings;
  }

  /** After the container joined or left a network. */
  refresh(pid: number): void {
    const endpoints = endpointsOf(this.#store.database, this.#request.id).filter(({ address }) => address !== undefined);
    this.#resolve(pid, endpoints);
    rewriteNetworkFiles(this.#layout.container(this.#request.id), this.#contents(endpoints), this.#files);
  }

  // On networks of users' own making containers find each other by name.
  #resolve(pid: number, endpoints: Endpoint[]): void {
    if (this.#hasResolver || endpoints.every(({ network }) => network.name === DEFAULT_NETWORK)) return;
    loadResolver().startResolver({ store: this.#store, containerId: this.#request.id, pid, servers: this.#request.networking.dns });
    this.#hasResolver = true;
  }

  #contents(endpoints: Endpoint[]) {
    return { ...this.#request, endpoints, linked: linkedAddresses(this.#store.database, endpoints, this.#request.networking.links ?? []) };
  }
}
