import { followEvents } from "../../engine/follow-events.ts";
import type { StoredEvent } from "../../store/events.ts";
import { defineCommand } from "../command.ts";
import { compileTemplate } from "../format/evaluate.ts";
import { printBlocking } from "../streams.ts";
import { parseTime, readValue } from "../values.ts";

const FLAGS = {
  filter: { short: "f", type: "list", value: "filter", help: "Filter output based on conditions provided" },
  format: { type: "string", help: "Format output using a Go template, or 'json'" },
  since: { type: "string", help: "Show all events created since timestamp" },
  until: { type: "string", help: "Stream events until this timestamp" },
} as const;

export default defineCommand({
  usage: "[OPTIONS]",
  flags: FLAGS,
  args: { min: 0, max: 0 },
  examples: ["berth events --since 10m --until 0s", "berth events -f event=die --format '{{.Actor.Attributes.name}} {{.Actor.Attributes.exitCode}}'"],
  async run({ engine }, flags) {
    const now = Date.now();
    const time = (flag: "since" | "until") => {
      const text = flags[flag];
      return text === undefined ? undefined : readValue(FLAGS, flag, text, (t) => parseTime(t, now));
    };
    const format = flags.format === "json" ? "{{json .}}" : flags.format;
    const shape = format ? compileTemplate(format.replaceAll("\\t", "\t").replaceAll("\\n", "\n")) : undefined;
    followEvents(engine, { since: time("since"), until: time("until"), filters: flags.filter }, (event) => {
      printBlocking(`${shape ? shape(toMessage(event)) : toLine(event)}\n`);
    });
  },
});

/** In the shape of docker's API; what only templates call it by is not in its JSON. */
function toMessage({ type, action, actor, attributes, time }: StoredEvent): object {
  const old = type === "container" || type === "image" ? { status: action, id: actor, ...(attributes.image && { from: attributes.image }) } : {};
  const seconds = Math.floor(time / 1e6);
  const message = {
    ...old,
    Type: type,
    Action: action,
    Actor: { ID: actor, Attributes: attributes },
    scope: "local",
    time: seconds,
    timeNano: time * 1000,
  };
  const fields = { ID: actor, Status: action, From: attributes.image ?? "", Scope: "local", Time: seconds, TimeNano: time * 1000 };
  for (const [name, value] of Object.entries(fields)) Object.defineProperty(message, name, { value });
  return message;
}

function toLine({ type, action, actor, attributes, time }: StoredEvent): string {
  const about = Object.entries(attributes)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}=${value}`);
  return `${rfc3339Nano(time)} ${type} ${action} ${actor}${about.length > 0 ? ` (${about.join(", ")})` : ""}`;
}

/** Microseconds since 1970 as docker's `RFC3339NanoFixed`, local time. */
function rfc3339Nano(time: number): string {
  const date = new Date(time / 1000);
  const offset = -date.getTimezoneOffset();
  const local = new Date(date.getTime() + offset * 60_000).toISOString().slice(0, 19);
  const two = (n: number) => String(Math.floor(Math.abs(n))).padStart(2, "0");
  const zone = offset === 0 ? "Z" : `${offset < 0 ? "-" : "+"}${two(offset / 60)}:${two(offset % 60)}`;
  return `${local}.${String(time % 1e6).padStart(6, "0")}000${zone}`;
}
