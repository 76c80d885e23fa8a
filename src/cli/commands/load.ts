import { statSync } from "../../../ffi/files.ts";
import { reasonOf } from "../../../ffi/libc.ts";
import { loadImages } from "../../engine/load-images.ts";
import { readRange } from "../../image/file-range.ts";
import { parsePlatform } from "../../image/media-types.ts";
import { familiarName } from "../../image/reference.ts";
import { defineCommand } from "../command.ts";
import { CommandFailure } from "../errors.ts";
import { Progress } from "../format/progress.ts";
import { openInput } from "../streams.ts";

export default defineCommand({
  usage: "[OPTIONS]",
  flags: {
    input: { short: "i", type: "string", value: "FILE", help: "Read from a file or an OCI layout's folder, instead of STDIN" },
    platform: { type: "string", help: "Of archives with several: which one to load (OS/ARCH[/VARIANT])" },
    quiet: { short: "q", type: "boolean", help: "Suppress the load output" },
  },
  args: { min: 0, max: 0 },
  examples: ["berth load -i image.tar", "docker save bb | berth load"],
  async run({ engine }, flags) {
    if (flags.input !== undefined) {
      try {
        statSync(flags.input);
      } catch (error) {
        throw new CommandFailure(`open ${flags.input}: ${reasonOf(error)}`, 1);
      }
    }
    // Docker's bars go there too.
    const progress = flags.quiet ? undefined : new Progress(2);
    try {
      await loadImages(engine, flags.input ?? standardInput(), {
        ...(flags.platform !== undefined && { platform: parsePlatform(flags.platform) }),
        progress: (layer, current, total) => progress?.update(layer, "Loading layer", current, total),
        loaded: ({ id, names }) => {
          progress?.finish();
          for (const name of names) {
            const { repository, tag } = familiarName(name);
            console.log(`Loaded image: ${repository}:${tag}`);
          }
          if (names.length === 0) console.log(`Loaded image ID: ${id}`);
        },
      });
    } finally {
      progress?.finish();
    }
  },
});

// A file that was redirected is read at its places, as one that was named.
function standardInput() {
  const input = openInput("-");
  if (!("fd" in input)) return input;
  return input.offset === 0 ? "/proc/self/fd/0" : readRange(input);
}
