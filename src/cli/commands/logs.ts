import { writeAll } from "../../../ffi/fd.ts";
import type { LogEntry } from "../../engine/log-entries.ts";
import { readLog } from "../../engine/read-log.ts";
import { resolveContainer } from "../../engine/resolve-container.ts";
import { defineCommand } from "../command.ts";
import { ValueError } from "../errors.ts";
import { printBlocking } from "../streams.ts";
import { parseTime, readValue } from "../values.ts";

const FLAGS = {
  details: { type: "boolean", help: "Show extra details provided to logs" },
  follow: { short: "f", type: "boolean", help: "Follow log output" },
  since: { type: "string", help: 'Show logs since timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)' },
  tail: { short: "n", type: "string", help: "Number of lines to show from the end of the logs (default all)" },
  timestamps: { short: "t", type: "boolean", help: "Show timestamps" },
  until: { type: "string", help: 'Show logs before a timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)' },
} as const;

export default defineCommand({
  usage: "[OPTIONS] CONTAINER",
  flags: FLAGS,
  args: { min: 1, max: 1 },
  async run({ engine }, flags, [name = ""]) {
    const now = Date.now();
    const time = (flag: "since" | "until") => {
      const text = flags[flag];
      return text === undefined ? undefined : readValue(FLAGS, flag, text, (t) => parseTime(t, now));
    };
    const options = {
      follow: flags.follow,
      tail: readTail(flags.tail),
      since: time("since"),
      until: time("until"),
      joined: !flags.timestamps && !flags.details,
    };
    const record = resolveContainer(engine, name);
    await readLog(engine, record, options, (entries) => {
      const write = { stdout: printBlocking, stderr: (text: string) => writeAll(2, Buffer.from(text)) };
      // Runs of one stream go out together, in the order of the log.
      let pending = "";
      let stream: "stdout" | "stderr" = "stdout";
      for (const entry of entries) {
        if (entry.stream !== stream) {
          if (pending !== "") write[stream](pending);
          pending = "";
          stream = entry.stream;
        }
        pending += `${flags.timestamps ? `${entry.time} ` : ""}${flags.details ? `${detailsOf(entry)} ` : ""}${entry.log}`;
      }
      if (pending !== "") write[stream](pending);
    });
  },
});

const detailsOf = ({ attrs = {} }: LogEntry) =>
  Object.entries(attrs)
    .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`)
    .join(",");

function readTail(text: string | undefined): number | undefined {
  if (text === undefined || text === "all") return undefined;
  return readValue(FLAGS, "tail", text, (t) => {
    if (!/^-?\d+$/.test(t)) throw new ValueError("expected a number of lines, or all");
    return Number(t) < 0 ? undefined : Number(t);
  });
}
