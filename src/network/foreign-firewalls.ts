/**
 * Other firewalls of this host whose chain for forwarded packets drops what no rule of
 * theirs lets pass, as docker's and ufw's do: a drop there is final, whatever our own table
 * says. At the end of such a chain each of our bridges gets its rules, so that their own
 * come first.
 */
import { expr, interfaceName, REG_1 } from "../../ffi/netlink/nft-expressions.ts";
import { type BaseChain, NFPROTO_IPV6, Nftable, type NftSocket } from "../../ffi/netlink/nftables.ts";
import type { NetworkRecord } from "../store/networks.ts";

const MARK = "berth ";

/** Lets the networks' bridges pass chains that drop, and takes away rules of ours for others of this engine. */
export function passForeignFirewalls(socket: NftSocket, chains: BaseChain[], engine: string, networks: NetworkRecord[]): void {
  const own = networks.filter(({ config }) => config.driver === "bridge");
  for (const chain of chains) {
    const affected = chain.family === NFPROTO_IPV6 ? own.filter(({ config }) => config.ipv6) : own;
    const bridges = affected.map(({ config }) => config.bridge);
    pass(socket, chain, `${MARK}${engine} `, bridges);
  }
}

function pass(socket: NftSocket, chain: BaseChain, mark: string, bridges: string[]): void {
  const table = new Nftable(chain.family, chain.table);
  const own = socket.rules(chain).filter((rule) => rule.mark.startsWith(mark));
  const there = new Set(own.map((rule) => rule.mark.slice(mark.length)));
  const missing = bridges.filter((bridge) => !there.has(bridge));
  const stale = own.filter((rule) => !bridges.includes(rule.mark.slice(mark.length)));
  const rule = (key: "iifname" | "oifname", bridge: string) =>
    table.markedRule(chain.name, mark + bridge, expr.meta(key, REG_1), expr.equals(REG_1, interfaceName(bridge)), expr.verdict("accept"));
  socket.transaction([
    ...stale.map(({ handle }) => table.deleteRule(chain.name, handle)),
    ...missing.flatMap((bridge) => [rule("iifname", bridge), rule("oifname", bridge)]),
  ]);
}
