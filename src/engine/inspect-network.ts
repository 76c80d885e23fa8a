/** What `inspect` tells of a network, in docker's shape. */
import { type ContainerRecord, getContainer } from "../store/containers.ts";
import { DEFAULT_NETWORK, type Endpoint, endpointsIn, type NetworkRecord, type Pool } from "../store/networks.ts";
import type { Engine } from "./engine.ts";
import { goMap } from "./go-map.ts";

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
export function inspectBuiltIn({ id, name, driver }: { id: string; name: string; driver: string }): Record<string, unknown> {
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
    Containers: {},
    Options: {},
    Labels: {},
  };
}

// Docker has one for each; here a container and a network make it.
const endpointId = ({ containerId, network }: Endpoint) => new Bun.CryptoHasher("sha256").update(containerId + network.id).digest("hex");

/** One of a container's `.NetworkSettings.Networks`. */
export function inspectEndpoint(endpoint: Endpoint, { id, name, config: { hostname } }: Pick<ContainerRecord, "id" | "name" | "config">) {
  const { network, config, address, address6, mac } = endpoint;
  const pool = address === undefined ? undefined : network.config;
  const { ip, ip6, aliases, linkLocalIps, gatewayPriority, driverOptions } = config;
  const names = network.name === DEFAULT_NETWORK ? null : [...new Set([name, ...aliases, id.slice(0, 12), hostname])];
  return {
    IPAMConfig:
      (ip ?? ip6 ?? linkLocalIps)
        ? { ...(ip && { IPv4Address: ip }), ...(ip6 && { IPv6Address: ip6 }), ...(linkLocalIps && { LinkLocalIPs: linkLocalIps }) }
        : null,
    Links: null,
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
