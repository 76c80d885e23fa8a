import type { Engine } from "../../engine/engine.ts";
import { booleanOf, type FilterTest, testOfFilters } from "../../engine/filters.ts";
import { hasLabel } from "../../engine/list-containers.ts";
import { allNetworks, BUILT_IN } from "../../engine/list-networks.ts";
import { DEFAULT_NETWORK, endpointsIn, type NetworkRecord } from "../../store/networks.ts";
import { clientSetting } from "../client-config.ts";
import { defineCommand } from "../command.ts";
import { CommandFailure } from "../errors.ts";
import { goTime } from "../format/human.ts";
import { printListing, withLabels } from "../format/output.ts";

const HEADERS = {
  ID: "NETWORK ID",
  Name: "NAME",
  Driver: "DRIVER",
  Scope: "SCOPE",
  IPv4: "IPV4",
  IPv6: "IPV6",
  Internal: "INTERNAL",
  Labels: "LABELS",
  CreatedAt: "CREATED AT",
};
const PREDEFINED = [DEFAULT_NETWORK, ...BUILT_IN];
type Listed = Pick<NetworkRecord, "id" | "name" | "createdAt"> & { driver: string; config?: NetworkRecord["config"] };

export default defineCommand({
  usage: "[OPTIONS]",
  flags: {
    filter: { short: "f", type: "list", value: "filter", help: "Provide filter values (dangling, driver, id, label, name, scope, type)" },
    format: { type: "string", help: "Format output using a Go template, 'table TEMPLATE', or 'json'" },
    "no-trunc": { type: "boolean", help: "Do not truncate the output" },
    quiet: { short: "q", type: "boolean", help: "Only display network IDs" },
  },
  args: { min: 0, max: 0 },
  async run({ engine }, flags) {
    const isWanted = testOfFilters(flags.filter, (key, value) => testOf(engine, key, value));
    const rows = allNetworks(engine)
      .filter(isWanted)
      .map(({ id, name, driver, config, createdAt }) =>
        withLabels(
          {
            ID: flags["no-trunc"] ? id : id.slice(0, 12),
            Name: name,
            Driver: driver,
            Scope: "local",
            IPv4: "true",
            IPv6: String(config?.ipv6 !== undefined),
            Internal: String(config?.internal ?? false),
            Labels: Object.entries(config?.labels ?? {})
              .map(([key, value]) => `${key}=${value}`)
              .join(","),
            get CreatedAt() {
              return goTime(createdAt);
            },
          },
          config?.labels ?? {},
        ),
      );
    const table = "{{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}";
    printListing({ headers: HEADERS, rows, table }, flags.quiet ? (flags.format ?? "{{.ID}}") : (flags.format ?? clientSetting("networksFormat")));
  },
});

function testOf({ db }: Engine, key: string, value: string): FilterTest<Listed> {
  switch (key) {
    case "dangling": {
      const unused = booleanOf(key, value);
      return ({ id, name }) => (!PREDEFINED.includes(name) && endpointsIn(db, id).length === 0) === unused;
    }
    case "driver":
      return ({ driver }) => driver === value;
    case "id":
      return ({ id }) => id.startsWith(value);
    case "name":
      return ({ name }) => name.includes(value);
    case "scope":
      return () => value === "local";
    case "type":
      return ({ name }) => PREDEFINED.includes(name) === (value === "builtin");
    case "label":
      return ({ config }) => hasLabel(config?.labels ?? {}, value);
    default:
      throw new CommandFailure(`invalid filter '${key}=${value}': expected dangling, driver, id, label, name, scope or type`, 1);
  }
}
