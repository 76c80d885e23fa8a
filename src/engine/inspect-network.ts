/** What `inspect` tells of a network, in docker's shape. */
import { getContainer } from "../store/containers.ts";
import { type Endpoint, endpointsIn, type NetworkRecord } from "../store/networks.ts";
import type { Engine } from "./engine.ts";

export function inspectNetwork({ db }: Engine, { id, name, config, createdAt }: NetworkRecord): Record<string, unknown> {
  const prefix = config.subnet.slice(config.subnet.indexOf("/"));
  const running = endpointsIn(db, id).filter(({ address }) => address !== undefined);
  return {
    Name: name,
    Id: id,
    Created: new Date(createdAt).toISOString(),
    Scope: "local",
    Driver: config.driver,
    EnableIPv4: true,
    EnableIPv6: false,
    IPAM: {
      Driver: "default",
      Options: null,
      Config: [{ Subnet: config.subnet, ...(config.ipRange && { IPRange: config.ipRange }), Gateway: config.gateway }],
    },
    Internal: config.internal,
    Attachable: false,
    Ingress: false,
    ConfigFrom: { Network: "" },
    ConfigOnly: false,
    Containers: Object.fromEntries(
      running.map(({ containerId, address, mac }) => [
        containerId,
        { Name: getContainer(db, containerId)?.name ?? "", EndpointID: "", MacAddress: mac, IPv4Address: `${address}${prefix}`, IPv6Address: "" },
      ]),
    ),
    Options: { ...(config.driver === "bridge" && { "com.docker.network.bridge.name": config.bridge }), ...config.options },
    Labels: config.labels,
  };
}

/** One of a container's `.NetworkSettings.Networks`. */
export function inspectEndpoint({ network, config, address, mac }: Endpoint): Record<string, unknown> {
  return {
    IPAMConfig: config.ip === undefined ? null : { IPv4Address: config.ip },
    Links: null,
    Aliases: config.aliases.length > 0 ? config.aliases : null,
    MacAddress: mac ?? "",
    DriverOpts: null,
    GwPriority: 0,
    NetworkID: network.id,
    EndpointID: "",
    Gateway: address === undefined ? "" : network.config.gateway,
    IPAddress: address ?? "",
    IPPrefixLen: address === undefined ? 0 : Number(network.config.subnet.split("/")[1]),
    IPv6Gateway: "",
    GlobalIPv6Address: "",
    GlobalIPv6PrefixLen: 0,
    DNSNames: null,
  };
}
