import { examine } from "../../engine/doctor.ts";
import { defineCommand } from "../command.ts";
import { toJson } from "../format/json.ts";
import { printFormatted } from "../format/output.ts";
import { paint } from "../paint.ts";
import { printBlocking } from "../streams.ts";

const MARKS = { ok: paint("green", "ok"), limited: paint("yellow", "limited"), missing: paint("red", "missing") };
const MARK_WIDTH = 9;

export default defineCommand({
  usage: "[OPTIONS]",
  flags: { format: { short: "f", type: "string", help: "Format each finding using a Go template, or 'json'" } },
  args: { min: 0, max: 0 },
  examples: ["berth doctor", "berth doctor --format json | jq -r 'select(.State != \"ok\") | .Topic'"],
  async run({ engine }, { format }) {
    const findings = examine(engine);
    for (const { topic, state, found, follows } of findings) {
      const row = { Topic: topic, State: state, Found: found, Follows: follows };
      if (format === "json") printBlocking(`${toJson(row)}\n`);
      else if (format !== undefined) printFormatted(format, row);
      else {
        const mark = MARKS[state] + " ".repeat(MARK_WIDTH - state.length);
        printBlocking(`${mark}${topic.padEnd(18)} ${found}${follows && `\n${" ".repeat(MARK_WIDTH + 19)}${follows}`}\n`);
      }
    }
    return findings.some(({ state }) => state === "missing") ? 1 : 0;
  },
});
