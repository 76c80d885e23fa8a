/** `WORKDIR`. */
import * as fd from "../../../ffi/fd.ts";
import { findInRoot, makeInRoot } from "../../../ffi/in-root.ts";
import { keepingMounts } from "../../../ffi/namespace.ts";
import type { Configured } from "../../image/instructions.ts";
import { openContainerFiles } from "../container-root.ts";
import { EngineError } from "../errors.ts";
import { commitStep } from "../export-container.ts";
import { type BuildOfSteps, type State, withContainer } from "./steps.ts";

/** Makes the folder where the image has none: what is copied from it, or runs elsewhere, finds it. */
export async function workdirStep(build: BuildOfSteps, state: State, configured: Configured): Promise<void> {
  const { text, config } = configured;
  const path = config.WorkingDir ?? "/";
  await build.take(state, text, async () => {
    const base = state.image ?? build.emptyImage();
    return await withContainer(build, base, async (record) => {
      const isMade = await keepingMounts(() => {
        using files = openContainerFiles(build.engine, record);
        using found = findInRoot(files.root.fd, path, fd.O_PATH);
        if (found && fd.fileTypeAt(found.fd, "") !== fd.S_IFDIR) throw new EngineError(`WORKDIR: ${path} is there and not a directory`);
        if (!found) makeInRoot(files.root.fd, path, { last: "directory", mode: 0o755 }).close();
        return !found;
      });
      if (!isMade) return build.commitConfig(state, configured);
      return await commitStep(build.engine, record, base, { config, createdBy: text, author: state.config.author ?? "" });
    });
  });
}
