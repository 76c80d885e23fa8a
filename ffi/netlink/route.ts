/** Links, addresses and routes of the current network namespace (rtnetlink(7)). Addresses are 4 or 16 bytes, as on the wire. */
import { attribute, type Message, NETLINK_ROUTE, NetlinkSocket, NLM_F_CREATE, NLM_F_EXCL, nested, parseAttributes } from "./socket.ts";

/** linux/rtnetlink.h */
const RTM_NEWLINK = 16;
const RTM_DELLINK = 17;
const RTM_GETLINK = 18;
const RTM_NEWADDR = 20;
const RTM_GETADDR = 22;
const RTM_NEWROUTE = 24;
const RTM_GETROUTE = 26;
const RT_TABLE_MAIN = 254;
const RTPROT_BOOT = 3;
const RTN_UNICAST = 1;
const RTA_DST = 1;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_TABLE = 15;
/** linux/if_link.h */
const IFLA_ADDRESS = 1;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFLA_LINK = 5;
const IFLA_MASTER = 10;
const IFLA_LINKINFO = 18;
const IFLA_NET_NS_PID = 19;
const IFLA_AF_SPEC = 26;
const IFLA_NUM_TX_QUEUES = 31;
const IFLA_NUM_RX_QUEUES = 32;
const IFLA_INET6_ADDR_GEN_MODE = 8;
const IN6_ADDR_GEN_MODE_NONE = 1;
const IFLA_INFO_KIND = 1;
const IFLA_INFO_DATA = 2;
const IFLA_INFO_SLAVE_KIND = 4;
const IFLA_INFO_SLAVE_DATA = 5;
const IFLA_BRPORT_MODE = 4;
const IFLA_BR_MCAST_SNOOPING = 23;
const VETH_INFO_PEER = 1;
const IFLA_VLAN_ID = 1;
/** linux/if_addr.h */
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFA_BROADCAST = 4;
const IFA_F_NODAD = 0x02;
/** linux/if.h */
const IFF_UP = 1;
const AF_INET = 2;
const AF_INET6 = 10;

export interface Link {
  index: number;
  name: string;
  isUp: boolean;
  mtu: number;
  /** Index of the other end of a pair, in that one's network namespace; 0 for none. */
  peer: number;
  /** Index of the bridge it is a port of; 0 for none. */
  master: number;
  address: Buffer;
}

export interface LinkAddress {
  index: number;
  address: Buffer;
  prefix: number;
}

export interface Route {
  isIPv6: boolean;
  /** Empty for a default route. */
  destination: Buffer;
  prefix: number;
  gateway: Buffer | undefined;
  /** Index of the link; 0 where there is none. */
  link: number;
}

const familyOf = (address: Buffer) => (address.length === 4 ? AF_INET : AF_INET6);

// struct ifinfomsg: family, padding, type, index, flags, which flags change.
function ifinfo(index: number, flags = 0): Buffer {
  const b = Buffer.alloc(16);
  b.writeInt32LE(index, 4);
  b.writeUInt32LE(flags, 8);
  b.writeUInt32LE(flags, 12);
  return b;
}

// As many as a veth uses unless it is told otherwise: without a word it gets one for each processor, and to put the others away
// it waits for all processors (veth_init_queues in drivers/net/veth.c).
const oneQueue = [attribute(IFLA_NUM_TX_QUEUES, 1), attribute(IFLA_NUM_RX_QUEUES, 1)];

/** Requests, to be sent one by one or several together. */
export const route = {
  /**
   * A bridge, down. EEXIST where the name is taken. It passes multicast on to all ports, as one does on which nobody asks who
   * listens; to listen for that, the kernel starts a timer of each port whenever one comes or goes (br_port_state_selection in
   * net/bridge/br_stp.c).
   */
  addBridge: (name: string, mtu: number, address: Buffer): Message => ({
    type: RTM_NEWLINK,
    flags: NLM_F_CREATE | NLM_F_EXCL,
    payload: Buffer.concat([
      ifinfo(0),
      attribute(IFLA_IFNAME, name),
      attribute(IFLA_MTU, mtu),
      attribute(IFLA_ADDRESS, address),
      nested(IFLA_LINKINFO, [attribute(IFLA_INFO_KIND, "bridge"), nested(IFLA_INFO_DATA, [attribute(IFLA_BR_MCAST_SNOOPING, Buffer.of(0))])]),
    ]),
  }),
  /** A link that leads nowhere, down. */
  addDummy: (name: string): Message => ({
    type: RTM_NEWLINK,
    flags: NLM_F_CREATE | NLM_F_EXCL,
    payload: Buffer.concat([ifinfo(0), attribute(IFLA_IFNAME, name), nested(IFLA_LINKINFO, [attribute(IFLA_INFO_KIND, "dummy")])]),
  }),
  /** A link for the frames of one VLAN on another link, down. */
  addVlan: (name: string, parent: number, id: number): Message => ({
    type: RTM_NEWLINK,
    flags: NLM_F_CREATE | NLM_F_EXCL,
    payload: Buffer.concat([
      ifinfo(0),
      attribute(IFLA_IFNAME, name),
      attribute(IFLA_LINK, parent),
      nested(IFLA_LINKINFO, [attribute(IFLA_INFO_KIND, "vlan"), nested(IFLA_INFO_DATA, [attribute(IFLA_VLAN_ID, Buffer.of(id & 0xff, id >> 8))])]),
    ]),
  }),
  /** A pair, down: one end here, a port of a bridge; the other in a process' network namespace. */
  addVeth: (name: string, bridge: number, mtu: number, peer: { name: string; pid: number; address: Buffer }): Message => ({
    type: RTM_NEWLINK,
    flags: NLM_F_CREATE | NLM_F_EXCL,
    payload: Buffer.concat([
      ifinfo(0),
      attribute(IFLA_IFNAME, name),
      attribute(IFLA_MTU, mtu),
      attribute(IFLA_MASTER, bridge),
      ...oneQueue,
      nested(IFLA_LINKINFO, [
        attribute(IFLA_INFO_KIND, "veth"),
        nested(IFLA_INFO_DATA, [
          nested(VETH_INFO_PEER, [
            ifinfo(0),
            attribute(IFLA_IFNAME, peer.name),
            attribute(IFLA_MTU, mtu),
            attribute(IFLA_ADDRESS, peer.address),
            ...oneQueue,
            attribute(IFLA_NET_NS_PID, peer.pid),
          ]),
        ]),
      ]),
    ]),
  }),
  /** A link beside one of the host's, in a process' network namespace, down; with an address of its own where one is given. */
  addBeside: (
    kind: "macvlan" | "ipvlan",
    mode: number,
    parent: number,
    link: { name: string; pid: number; address: Buffer | undefined },
  ): Message => ({
    type: RTM_NEWLINK,
    flags: NLM_F_CREATE | NLM_F_EXCL,
    payload: Buffer.concat([
      ifinfo(0),
      attribute(IFLA_IFNAME, link.name),
      attribute(IFLA_LINK, parent),
      attribute(IFLA_NET_NS_PID, link.pid),
      ...(link.address ? [attribute(IFLA_ADDRESS, link.address)] : []),
      nested(IFLA_LINKINFO, [
        attribute(IFLA_INFO_KIND, kind),
        // IFLA_MACVLAN_MODE, 4 bytes; IFLA_IPVLAN_MODE, 2 bytes
        nested(IFLA_INFO_DATA, [attribute(1, kind === "macvlan" ? mode : Buffer.of(mode, 0))]),
      ]),
    ]),
  }),
  /**
   * Has a port of a bridge, which is down, give back what came from it, and get no address of IPv6's by itself as it comes up.
   * For a link that is up the kernel would go through all its IPv6 routes (rt6_sync_down_dev in net/ipv6/route.c).
   *
   * @param hasIPv6 whether the kernel has IPv6: else EAFNOSUPPORT
   */
  settlePort: (name: string, hasIPv6: boolean): Message => ({
    type: RTM_NEWLINK,
    flags: 0,
    payload: Buffer.concat([
      ifinfo(0),
      attribute(IFLA_IFNAME, name),
      nested(IFLA_LINKINFO, [attribute(IFLA_INFO_SLAVE_KIND, "bridge"), nested(IFLA_INFO_SLAVE_DATA, [attribute(IFLA_BRPORT_MODE, Buffer.of(1))])]),
      ...(hasIPv6 ? [nested(IFLA_AF_SPEC, [nested(AF_INET6, [attribute(IFLA_INET6_ADDR_GEN_MODE, Buffer.of(IN6_ADDR_GEN_MODE_NONE))])])] : []),
    ]),
  }),
  /** By its index or its name. */
  setUp: (link: number | string): Message => ({
    type: RTM_NEWLINK,
    flags: 0,
    payload: typeof link === "number" ? ifinfo(link, IFF_UP) : Buffer.concat([ifinfo(0, IFF_UP), attribute(IFLA_IFNAME, link)]),
  }),
  deleteLink: (index: number): Message => ({ type: RTM_DELLINK, flags: 0, payload: ifinfo(index) }),
  /** With the broadcast address of its subnet, for IPv4. */
  addAddress: (index: number, address: Buffer, prefix: number): Message => {
    const header = Buffer.alloc(8); // struct ifaddrmsg: family, prefix, flags, scope, index
    header[0] = familyOf(address);
    header[1] = prefix;
    header[2] = address.length === 16 ? IFA_F_NODAD : 0;
    header.writeUInt32LE(index, 4);
    const parts = [header, attribute(IFA_LOCAL, address), attribute(IFA_ADDRESS, address)];
    if (address.length === 4 && prefix < 31) {
      const broadcast = Buffer.alloc(4);
      broadcast.writeUInt32BE((address.readUInt32BE(0) | (0xffffffff >>> prefix)) >>> 0);
      parts.push(attribute(IFA_BROADCAST, broadcast));
    }
    return { type: RTM_NEWADDR, flags: NLM_F_CREATE | NLM_F_EXCL, payload: Buffer.concat(parts) };
  },
  addDefaultRoute: (index: number, gateway: Buffer): Message => {
    const header = Buffer.alloc(12); // struct rtmsg: family, lengths, tos, table, protocol, scope, type, flags
    header[0] = familyOf(gateway);
    header[4] = RT_TABLE_MAIN;
    header[5] = RTPROT_BOOT;
    header[7] = RTN_UNICAST;
    const payload = Buffer.concat([header, attribute(RTA_GATEWAY, gateway), attribute(RTA_OIF, index)]);
    return { type: RTM_NEWROUTE, flags: NLM_F_CREATE | NLM_F_EXCL, payload };
  },
};

function parseLink(payload: Buffer): Link {
  const attributes = parseAttributes(payload.subarray(16));
  const name = attributes.get(IFLA_IFNAME);
  return {
    index: payload.readInt32LE(4),
    name: name?.toString("utf8", 0, name.length - 1) ?? "",
    isUp: (payload.readUInt32LE(8) & IFF_UP) !== 0,
    mtu: attributes.get(IFLA_MTU)?.readUInt32LE() ?? 0,
    peer: attributes.get(IFLA_LINK)?.readUInt32LE() ?? 0,
    master: attributes.get(IFLA_MASTER)?.readUInt32LE() ?? 0,
    address: Buffer.from(attributes.get(IFLA_ADDRESS) ?? []),
  };
}

/** A connection to the kernel's routing of the namespace it is made in. */
export class RouteSocket extends NetlinkSocket {
  constructor() {
    super(NETLINK_ROUTE);
  }

  link(name: string): Link | undefined {
    const found = this.get(RTM_GETLINK, Buffer.concat([ifinfo(0), attribute(IFLA_IFNAME, name)]));
    return found && parseLink(found);
  }

  links(): Link[] {
    return this.dump(RTM_GETLINK, ifinfo(0)).map(parseLink);
  }

  addresses(): LinkAddress[] {
    return this.dump(RTM_GETADDR, Buffer.alloc(8)).map((payload) => {
      const attributes = parseAttributes(payload.subarray(8));
      const address = attributes.get(IFA_LOCAL) ?? attributes.get(IFA_ADDRESS) ?? Buffer.alloc(0);
      return { index: payload.readUInt32LE(4), address: Buffer.from(address), prefix: payload[1] as number };
    });
  }

  /** Of the main table. */
  routes(): Route[] {
    return this.dump(RTM_GETROUTE, Buffer.alloc(12)).flatMap((payload) => {
      const attributes = parseAttributes(payload.subarray(12));
      const table = attributes.get(RTA_TABLE)?.readUInt32LE() ?? (payload[4] as number);
      if (table !== RT_TABLE_MAIN) return [];
      const gateway = attributes.get(RTA_GATEWAY);
      return [
        {
          isIPv6: payload[0] === AF_INET6,
          destination: Buffer.from(attributes.get(RTA_DST) ?? []),
          prefix: payload[1] as number,
          gateway: gateway && Buffer.from(gateway),
          link: attributes.get(RTA_OIF)?.readUInt32LE() ?? 0,
        },
      ];
    });
  }
}
