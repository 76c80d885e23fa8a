import type { Engine } from "../../engine/engine.ts";
import { createPod } from "../../engine/pods.ts";
import { type PodRecord, SHARED_NAMESPACES, type SharedNamespace } from "../../store/pods.ts";
import { flagValues, parseArguments } from "../arguments.ts";
import { defineCommand } from "../command.ts";
import { CONTAINER_FLAGS, type ContainerFlagValues, containerOptions } from "../container-flags.ts";
import { ValueError } from "../errors.ts";
import { parsePair, readValue } from "../values.ts";
import { warn } from "../warn.ts";

// Of the infra container: what belongs to the namespaces that it holds.
const INFRA = [
  "add-host",
  "dns",
  "dns-option",
  "dns-search",
  "hostname",
  "ip",
  "ip6",
  "mac-address",
  "network",
  "network-alias",
  "publish",
  "sysctl",
  "userns",
] as const;
const pick = Object.fromEntries(INFRA.map((name) => [name, CONTAINER_FLAGS[name]])) as Pick<typeof CONTAINER_FLAGS, (typeof INFRA)[number]>;

const FLAGS = {
  ...pick,
  label: { short: "l", type: "list", help: "Set meta data on the pod" },
  name: { short: "n", type: "string", help: "Assign a name to the pod" },
  share: { type: "string", help: "Namespaces that its containers share (default ipc,net,uts)" },
} as const;

export default defineCommand({
  usage: "[OPTIONS] [NAME]",
  flags: FLAGS,
  args: { min: 0, max: 1 },
  examples: ["berth pod create --name web -p 8080:80", "berth run -d --pod web nginx"],
  async run({ engine }, flags, [name]) {
    const labels = Object.fromEntries(flags.label.map((text) => readValue(FLAGS, "label", text, (t) => parsePair(t, "a label"))));
    const share = readValue(FLAGS, "share", flags.share ?? "ipc,net,uts", parseShare);
    const asked = Object.fromEntries(INFRA.map((flag) => [flag, flags[flag]]));
    console.log(make(engine, { name: flags.name ?? name, labels, share }, asked).id);
  },
});

/** A pod as `pod create NAME` makes it. */
export function makePod(engine: Engine, name: string, labels: [string, string][]): PodRecord {
  return make(engine, { name, labels: Object.fromEntries(labels), share: ["ipc", "net", "uts"] }, {});
}

type Pod = { name: string | undefined; labels: Record<string, string>; share: SharedNamespace[] };

function make(engine: Engine, pod: Pod, asked: object): PodRecord {
  const usual = flagValues(CONTAINER_FLAGS, parseArguments(CONTAINER_FLAGS, [], false).flags);
  const values = { ...usual, ...asked, rootfs: "/" } as ContainerFlagValues;
  return createPod(engine, { ...pod, infra: containerOptions(values, ["/pause"]) }, warn);
}

function parseShare(text: string): SharedNamespace[] {
  if (text === "" || text === "none") return [];
  return text.split(",").map((name) => {
    const found = SHARED_NAMESPACES.find((known) => known === name);
    if (!found) throw new ValueError(`expected some of ${SHARED_NAMESPACES.join(", ")}, with commas between them`);
    return found;
  });
}
