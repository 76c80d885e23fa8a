import { parseReference } from "../../image/reference.ts";
import { Registry } from "../../image/registry/client.ts";
import { defineCommand } from "../command.ts";
import { connectionOptions, REGISTRY_FLAGS } from "../registry-flags.ts";
import { printBlocking } from "../streams.ts";

export default defineCommand({
  usage: "[OPTIONS] NAME[:TAG|@DIGEST]",
  flags: REGISTRY_FLAGS,
  args: { min: 1, max: 1 },
  async run(_context, flags, [text = ""]) {
    const { domain, path, tag, digest } = parseReference(text);
    const { bytes } = await new Registry(domain, path, connectionOptions(flags)).manifest(digest ?? tag);
    printBlocking(`${JSON.stringify(JSON.parse(bytes.toString()), null, "\t")}\n`);
  },
});
