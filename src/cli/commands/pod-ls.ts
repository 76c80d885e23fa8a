import { type FilterTest, testOfFilters } from "../../engine/filters.ts";
import { hasLabel } from "../../engine/list-containers.ts";
import { type PodState, podStates } from "../../engine/pods.ts";
import { defineCommand } from "../command.ts";
import { CommandFailure } from "../errors.ts";
import { humanDuration } from "../format/human.ts";
import { printListing } from "../format/output.ts";

const HEADERS = {
  ID: "POD ID",
  Id: "POD ID",
  Name: "NAME",
  Status: "STATUS",
  Created: "CREATED",
  InfraID: "INFRA ID",
  InfraId: "INFRA ID",
  NumberOfContainers: "# OF CONTAINERS",
  Labels: "LABELS",
  ContainerNames: "NAMES",
  ContainerIds: "IDS",
};

export default defineCommand({
  usage: "[OPTIONS]",
  flags: {
    filter: { short: "f", type: "list", value: "filter", help: "Provide filter values (id, label, name, status)" },
    format: { type: "string", help: "Format output using a Go template, 'table TEMPLATE', or 'json'" },
    "no-trunc": { type: "boolean", help: "Do not truncate output" },
    quiet: { short: "q", type: "boolean", help: "Only display pod IDs" },
  },
  args: { min: 0, max: 0 },
  async run({ engine }, flags) {
    const isWanted = testOfFilters(flags.filter, testOf);
    const short = (id: string) => (flags["no-trunc"] ? id : id.slice(0, 12));
    const rows = podStates(engine)
      .filter(isWanted)
      .map(({ pod, status, containers }) => ({
        ID: short(pod.id),
        Id: short(pod.id),
        Name: pod.name,
        Status: status,
        Created: `${humanDuration(Date.now() - pod.createdAt)} ago`,
        InfraID: short(pod.infraId ?? ""),
        InfraId: short(pod.infraId ?? ""),
        NumberOfContainers: String(containers.length),
        Labels: pod.labels,
        ContainerNames: containers.map(({ name }) => name).join(","),
        ContainerIds: containers.map(({ id }) => short(id)).join(","),
      }));
    const table = "{{.ID}}\t{{.Name}}\t{{.Status}}\t{{.Created}}\t{{.InfraID}}\t{{.NumberOfContainers}}";
    printListing({ headers: HEADERS, rows, table }, flags.quiet ? (flags.format ?? "{{.ID}}") : flags.format);
  },
});

function testOf(key: string, value: string): FilterTest<PodState> {
  switch (key) {
    case "id":
      return ({ pod }) => pod.id.startsWith(value);
    case "name":
      return ({ pod }) => pod.name.includes(value);
    case "label":
      return ({ pod }) => hasLabel(pod.labels, value);
    case "status":
      return ({ status }) => status.toLowerCase() === value.toLowerCase();
    default:
      throw new CommandFailure(`invalid filter '${key}=${value}': expected id=, label=, name= or status=`, 125);
  }
}
