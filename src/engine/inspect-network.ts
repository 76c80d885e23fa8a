/** What `inspect` tells of a network, in docker's shape. */
import { type ContainerRecord, containersWhere, getContainer } from "../store/containers.ts";
import { DEFAULT_NETWORK, type Endpoint, endpointsIn, type NetworkRecord, type Pool } from "../store/networks.ts";
import type { Engine } from "./engine.ts";
import { goMap } from "./go-map.ts";
import { BUILT_IN, builtInId } from "./list-networks.ts";

const prefixOf = ({ subnet }: Pool) => Number(subnet.split("/")[1]);

export function inspectNetwork({ db }: Engine, { id, name, config, createdAt }: NetworkRecord): Record<string, unknown> {
  const pools = [config, ...(config.ipv6 ? [config.ipv6] : [])];
  const running = endpointsIn(db, id).filter(({ address }) => address !== undefined);
  return {
    Name: name,
    Id: id,
    Created: new Date(createdAt).toISOString(),
    Scope: "local",
    Driver: config.driver,
    EnableIPv4: true,
    EnableIPv6: config.ipv6 !== undefined,
    IPAM: {
      Driver: "default",
      Options: config.ipamOptions ? goMap(config.ipamOptions) : null,
      Config: pools.map(({ subnet, ipRange, gateway, auxAddresses }) => ({
        Subnet: subnet,
        ...(ipRange && { IPRange: ipRange }),
        Gateway: gateway,
        ...(auxAddresses && { AuxiliaryAddresses: goMap(auxAddresses) }),
      })),
    },
    Internal: config.internal,
    Attachable: config.attachable ?? false,
    Ingress: false,
    ConfigFrom: { Network: "" },
    ConfigOnly: false,
    Containers: Object.fromEntries(
      running.map((endpoint) => [
        endpoint.containerId,
        {
          Name: getContainer(db, endpoint.containerId)?.name ?? "",
          EndpointID: endpointId(endpoint),
          MacAddress: endpoint.mac,
          IPv4Address: `${endpoint.address}/${prefixOf(config)}`,
          IPv6Address: config.ipv6 ? `${endpoint.address6}/${prefixOf(config.ipv6)}` : "",
        },
      ]),
    ),
    Options: goMap({ ...(config.driver === "bridge" && { "com.docker.network.bridge.name": config.bridge }), ...config.options }),
    Labels: goMap(config.labels),
  };
}

/** `host` and `none`, which are no records. */
export function inspectBuiltIn({ db }: Engine, { id, name, driver }: { id: string; name: string; driver: string }): Record<string, unknown> {
  const users = containersWhere(db, "status IN ('running', 'paused')").filter(({ config }) => config.network === name);
  const containers = users.map((user) => [
    user.id,
    { Name: user.name, EndpointID: digest(user.id + id), MacAddress: "", IPv4Address: "", IPv6Address: "" },
  ]);
  return {
    Name: name,
    Id: id,
    Created: new Date(0).toISOString(),
    Scope: "local",
    Driver: driver,
    EnableIPv4: true,
    EnableIPv6: false,
    IPAM: { Driver: "default", Options: null, Config: null },
    Internal: false,
    Attachable: false,
    Ingress: false,
    ConfigFrom: { Network: "" },
    ConfigOnly: false,
    Containers: goMap(Object.fromEntries(containers)),
    Options: {},
    Labels: {},
  };
}

// Docker has one for each; here a container and a network make it.
const endpointId = ({ containerId, network }: Endpoint) => digest(containerId + network.id);
const digest = (text: string) => new Bun.CryptoHasher("sha256").update(text).digest("hex");

/** `.NetworkSettings.Networks` of a container on `host` or `none`; undefined for others. */
export function inspectBuiltInEndpoint({ id, config, process }: ContainerRecord): Record<string, unknown> | undefined {
  const { network: name } = config;
  if (!BUILT_IN.includes(name)) return undefined;
  const networkId = process ? builtInId(name) : "";
  return { [name]: { ...UNCONNECTED, NetworkID: networkId, EndpointID: process ? digest(id + networkId) : "" } };
}

const UNCONNECTED = {
  IPAMConfig: null,
  Links: null,
  Aliases: null,
  MacAddress: "",
  DriverOpts: null,
  GwPriority: 0,
  NetworkID: "",
  EndpointID: "",
  Gateway: "",
  IPAddress: "",
  IPPrefixLen: 0,
  IPv6Gateway: "",
  GlobalIPv6Address: "",
  GlobalIPv6PrefixLen: 0,
  DNSNames: null,
};

/** One of a container's `.NetworkSettings.Networks`. */
export function inspectEndpoint(endpoint: Endpoint, { id, name, config: { hostname } }: Pick<ContainerRecord, "id" | "name" | "config">) {
  const { network, config, address, address6, mac } = endpoint;
  const pool = address === undefined ? undefined : network.config;
  const { ip, ip6, aliases, linkLocalIps, gatewayPriority, driverOptions } = config;
  const names = network.name === DEFAULT_NETWORK ? null : [...new Set([name, ...aliases, id.slice(0, 12), hostname])];
  return {
    ...UNCONNECTED,
    IPAMConfig:
      (ip ?? ip6 ?? linkLocalIps)
        ? { ...(ip && { IPv4Address: ip }), ...(ip6 && { IPv6Address: ip6 }), ...(linkLocalIps && { LinkLocalIPs: linkLocalIps }) }
        : null,
    Aliases: aliases.length > 0 ? aliases : null,
    MacAddress: mac ?? "",
    DriverOpts: driverOptions ? goMap(driverOptions) : null,
    GwPriority: gatewayPriority ?? 0,
    NetworkID: network.id,
    EndpointID: pool ? endpointId(endpoint) : "",
    Gateway: pool?.gateway ?? "",
    IPAddress: address ?? "",
    IPPrefixLen: pool ? prefixOf(pool) : 0,
    IPv6Gateway: pool?.ipv6?.gateway ?? "",
    GlobalIPv6Address: address6 ?? "",
    GlobalIPv6PrefixLen: pool?.ipv6 ? prefixOf(pool.ipv6) : 0,
    DNSNames: names,
  };
}
