/** The engine's nf_tables tables, kept in step with the store; see ruleset.ts for what is in them. */
import type { Database } from "bun:sqlite";
import { HOOK_FORWARD, NFPROTO_IPV4, NFPROTO_IPV6, Nftable, NftSocket } from "../../ffi/netlink/nftables.ts";
import { type Message, NetlinkError } from "../../ffi/netlink/socket.ts";
import { DEFAULT_DATA } from "../store/layout.ts";
import { allPorts, listNetworks, type NetworkRecord, type PublishedPort } from "../store/networks.ts";
import { NetworkError } from "./errors.ts";

// Most containers publish nothing, and find all in place.
const loadRules = () => require("./ruleset.ts") as typeof import("./ruleset.ts");
const loadForeign = () => require("./foreign-firewalls.ts") as typeof import("./foreign-firewalls.ts");

/** The name of an engine's tables, after its folder where that is not the usual one. */
function tableName(data: string): string {
  return data === DEFAULT_DATA ? "berth" : `berth-${new Bun.CryptoHasher("sha256").update(data).digest("hex").slice(0, 12)}`;
}

interface Table {
  family: "IPV4" | "IPV6";
  nft: Nftable;
}

/** Changes what the kernel has; under the store's write lock. Its methods throw {@link NetworkError}. */
export class Firewall implements Disposable {
  /** Undefined where the kernel has no nf_tables: then nothing here does anything. */
  readonly #socket: NftSocket | undefined;
  readonly #name: string;
  readonly #ipv4: Table;
  readonly #ipv6: Table;
  readonly #db: Database;

  constructor(db: Database, data: string) {
    this.#db = db;
    this.#name = tableName(data);
    this.#ipv4 = { family: "IPV4", nft: new Nftable(NFPROTO_IPV4, this.#name) };
    this.#ipv6 = { family: "IPV6", nft: new Nftable(NFPROTO_IPV6, this.#name) };
    this.#socket = NftSocket.open();
  }

  /** Whether the kernel has nf_tables. */
  get isThere(): boolean {
    return this.#socket !== undefined;
  }

  /** Adds ports, and the tables with all that is in them where they are not there. */
  publish(ports: PublishedPort[]): void {
    if (!this.#socket) return;
    const networks = listNetworks(this.#db);
    const tables = this.#wanted(networks);
    if (!tables.every(({ nft }) => this.#has(nft))) {
      this.rebuild();
      return;
    }
    try {
      if (ports.length > 0) {
        const rules = loadRules();
        this.#do(tables.flatMap(({ family, nft }) => rules.addPorts(nft, rules[family], ports, networks)));
      }
      this.#passOthers(networks);
    } catch (error) {
      if (!(error instanceof NetworkError)) throw error;
      this.rebuild(); // somebody changed it behind our back
    }
  }

  /** Takes ports away; where the kernel has something else than the store, all is made anew. */
  withdraw(ports: PublishedPort[]): void {
    if (ports.length === 0 || !this.#socket) return;
    const networks = listNetworks(this.#db);
    const tables = this.#wanted(networks).filter(({ nft }) => this.#has(nft));
    try {
      const rules = loadRules();
      this.#do(tables.flatMap(({ family, nft }) => rules.deletePorts(nft, rules[family], ports, networks)));
    } catch (error) {
      if (!(error instanceof NetworkError)) throw error;
      this.rebuild();
    }
  }

  /** Makes the tables anew from the store, in one transaction: there is no moment without them. */
  rebuild(): void {
    const networks = listNetworks(this.#db);
    const ports = allPorts(this.#db);
    const rules = loadRules();
    const messages = this.#wanted(networks).flatMap(({ family: name, nft }): Message[] => {
      const family = rules[name];
      const elements = [
        ...networks.flatMap((network) => rules.networkElements(nft, family, network)),
        ...rules.addPorts(nft, family, ports, networks),
      ];
      return [nft.add(), nft.delete(), nft.add(), ...rules.frame(nft, family), ...elements];
    });
    if (!hasIPv6(networks) && this.#has(this.#ipv6.nft)) messages.push(this.#ipv6.nft.delete());
    this.#do(messages);
    this.#passOthers(networks);
  }

  /** Takes the tables away. */
  remove(): void {
    this.#do([this.#ipv4, this.#ipv6].flatMap(({ nft }) => (this.#has(nft) ? [nft.delete()] : [])));
    this.#passOthers([]);
  }

  [Symbol.dispose](): void {
    this.#socket?.close();
  }

  #wanted(networks: NetworkRecord[]): Table[] {
    return hasIPv6(networks) ? [this.#ipv4, this.#ipv6] : [this.#ipv4];
  }

  #has(table: Nftable): boolean {
    return this.#speak((socket) => socket.has(table)) ?? false;
  }

  #do(messages: Message[]): void {
    this.#speak((socket) => socket.transaction(messages));
  }

  // Where another firewall of the host drops what it does not know, our bridges are made known to it.
  #passOthers(networks: NetworkRecord[]): void {
    this.#speak((socket) => {
      const closed = socket.baseChains().filter(({ hook, type, drops }) => hook === HOOK_FORWARD && type === "filter" && drops);
      if (closed.length > 0) loadForeign().passForeignFirewalls(socket, closed, this.#name, networks);
    });
  }

  #speak<T>(action: (socket: NftSocket) => T): T | undefined {
    try {
      return this.#socket && action(this.#socket);
    } catch (error) {
      throw error instanceof NetlinkError ? new NetworkError(`cannot change nf_tables: ${error.message}`, { cause: error }) : error;
    }
  }
}

const hasIPv6 = (networks: NetworkRecord[]) => networks.some(({ config }) => config.ipv6 !== undefined);
