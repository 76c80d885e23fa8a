/** Files and folders that belong to nothing yet, or to nothing any more. */

import { readdirSync } from "../../ffi/files.ts";
import { hasCode } from "../../ffi/libc.ts";
import { join } from "../../ffi/path.ts";
import { processStartTime } from "../../ffi/process.ts";
import { randomBytes } from "../../ffi/random.ts";
import { currentProcess } from "./process-identity.ts";

// With the process that they are of.
const NAME = /^\.tmp-(\d+)-(\d+)-/;

/** A path in a folder that is this process's while it lives, and rubbish afterwards. */
export function temporaryPath(folder: string): string {
  const me = currentProcess();
  return join(folder, `.tmp-${me.pid}-${me.startTime}-${randomBytes(16).toString("hex")}`);
}

/** Whether a name is one of {@link temporaryPath}. */
export const isTemporary = (name: string): boolean => NAME.test(name);

/** What dead processes left in a folder, if there is one. */
export function rubbishIn(folder: string): string[] {
  try {
    return readdirSync(folder).flatMap((name) => (isRubbish(name) ? [join(folder, name)] : []));
  } catch (error) {
    if (hasCode(error, "ENOENT")) return [];
    throw error;
  }
}

function isRubbish(name: string): boolean {
  const [, pid, start] = NAME.exec(name) ?? [];
  return pid !== undefined && processStartTime(Number(pid)) !== Number(start);
}
