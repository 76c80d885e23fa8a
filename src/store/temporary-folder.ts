/** Folders that belong to nothing yet, or to nothing any more. */

import { join } from "../../ffi/path.ts";
import { processStartTime } from "../../ffi/process.ts";
import { randomBytes } from "../../ffi/random.ts";
import { currentProcess } from "./process-identity.ts";

const NAME = /^\.tmp-(\d+)-(\d+)-/;

/** The path of a folder in another that is this process's while it lives, and rubbish afterwards. */
export function temporaryFolder(parent: string): string {
  const me = currentProcess();
  return join(parent, `.tmp-${me.pid}-${me.startTime}-${randomBytes(16).toString("hex")}`);
}

/** What a folder is by its name; undefined where that is no such one. */
export function temporaryState(name: string): "in use" | "rubbish" | undefined {
  const [temporary, pid, start] = NAME.exec(name) ?? [];
  if (!temporary) return undefined;
  return processStartTime(Number(pid)) === Number(start) ? "in use" : "rubbish";
}
