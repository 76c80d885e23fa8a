import { reasonOf } from "../../../ffi/libc.ts";
import { importImage } from "../../engine/import-image.ts";
import { parsePlatform } from "../../image/media-types.ts";
import { defineCommand } from "../command.ts";
import { CommandFailure } from "../errors.ts";
import { openInput } from "../streams.ts";

export default defineCommand({
  usage: "[OPTIONS] FILE|URL|- [REPOSITORY[:TAG]]",
  flags: {
    change: { short: "c", type: "list", help: "Apply Dockerfile instruction to the created image" },
    message: { short: "m", type: "string", help: "Set commit message for imported image" },
    platform: { type: "string", help: "Set the platform (OS/ARCH)" },
  },
  args: { min: 1, max: 2 },
  examples: ["berth import rootfs.tar bb", "tar -C rootfs -c . | berth import -c 'CMD [\"sh\"]' - bb:test"],
  async run({ engine }, flags, [file = "", name]) {
    let source: ReturnType<typeof openInput>;
    try {
      source = /^https?:\/\//.test(file) ? await openUrl(file) : openInput(file);
    } catch (error) {
      throw new CommandFailure(`open ${file}: ${reasonOf(error)}`, 1);
    }
    const message = flags.message ?? "Imported from -";
    console.log(
      await importImage(engine, source, {
        name,
        changes: flags.change,
        message,
        platform: flags.platform === undefined ? undefined : parsePlatform(flags.platform),
      }),
    );
  },
});

async function openUrl(url: string): Promise<ReturnType<typeof openInput>> {
  const response = await fetch(url);
  if (!response.ok || !response.body) throw new Error(`HTTP ${response.status}`);
  return response.body as ReturnType<typeof openInput>;
}
