import { isTerminal } from "../../../ffi/tty.ts";
import { requirePlatform, resolveImage } from "../../engine/resolve-image.ts";
import { type ArchiveFormat, saveImages } from "../../engine/save-images.ts";
import { defineCommand } from "../command.ts";
import { CommandFailure, UsageError } from "../errors.ts";
import { writeOutput } from "../output-file.ts";

const FORMATS: ArchiveFormat[] = ["docker-archive", "oci-archive", "oci-dir"];

export default defineCommand({
  usage: "[OPTIONS] IMAGE [IMAGE...]",
  flags: {
    output: { short: "o", type: "string", value: "FILE", help: "Write to a file, instead of STDOUT" },
    platform: { type: "string", help: "Only if the image is for this platform (OS/ARCH[/VARIANT])" },
    format: { type: "string", help: "docker-archive (default; an OCI layout too), oci-archive, or oci-dir" },
  },
  args: { min: 1 },
  examples: ["berth save -o bb.tar bb", "berth save bb | docker load"],
  async run({ engine }, flags, args) {
    for (const name of args) requirePlatform(resolveImage(engine, name).image, name, flags.platform);
    const format = (flags.format ?? "docker-archive") as ArchiveFormat;
    if (!FORMATS.includes(format)) throw new UsageError(`invalid argument "${flags.format}" for "--format" flag: expected ${FORMATS.join(", ")}`);
    if (format === "oci-dir") {
      if (flags.output === undefined) throw new UsageError("--format oci-dir needs --output DIR");
      await saveImages(engine, args, format, { folder: flags.output });
      return;
    }
    if (flags.output === undefined && isTerminal(1))
      throw new CommandFailure("cowardly refusing to save to a terminal. Use the -o flag or redirect", 1);
    await writeOutput(flags.output, (write) => saveImages(engine, args, format, { write }));
  },
});
