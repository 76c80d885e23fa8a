import { isTerminal } from "../../../ffi/tty.ts";
import { copyIn, copyInAsTar, copyOut, copyOutAsTar } from "../../engine/copy-files.ts";
import { defineCommand } from "../command.ts";
import { CommandFailure, UsageError } from "../errors.ts";
import { printBlocking } from "../streams.ts";

export default defineCommand({
  usage: "[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-\n        berth cp [OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH",
  flags: {
    archive: { short: "a", type: "boolean", help: "Archive mode (copy all uid/gid information)" },
    "follow-link": { short: "L", type: "boolean", help: "Always follow symbol link in SRC_PATH" },
    quiet: { short: "q", type: "boolean", help: "Understood; there is no progress to be suppressed", hidden: true },
  },
  args: { min: 2, max: 2 },
  examples: ["berth cp web:/etc/passwd .", "berth cp site/. web:/srv", "tar -c . | berth cp - web:/srv"],
  async run({ engine }, flags, [source = "", target = ""]) {
    const [from, to] = [splitPath(source), splitPath(target)];
    const options = { archive: flags.archive, followLink: flags["follow-link"] };
    if (from && to) throw new UsageError("copying between containers is not supported", 1);
    if (from && target === "-") {
      if (isTerminal(1)) throw new CommandFailure("cowardly refusing to write a tar archive to a terminal: redirect it", 1);
      copyOutAsTar(engine, from.container, from.path, options, printBlocking);
    } else if (from) copyOut(engine, from.container, from.path, target, options);
    else if (to && source === "-") await copyInAsTar(engine, to.container, to.path, Bun.stdin.stream());
    else if (to) copyIn(engine, to.container, source, to.path, options);
    else throw new UsageError("must specify at least one container source", 1);
  },
});

// `CONTAINER:PATH`; what begins as a path is one, colons or not.
function splitPath(text: string): { container: string; path: string } | undefined {
  const colon = text.indexOf(":");
  if (colon < 1 || text.startsWith("/") || text.startsWith(".")) return undefined;
  const path = text.slice(colon + 1);
  return { container: text.slice(0, colon), path: path.startsWith("/") ? path : `/${path}` };
}
