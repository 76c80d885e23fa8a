/** The log of `--log`: what went wrong, in the forms runc's callers read. */
import { appendFileSync } from "../../../ffi/files.ts";

export interface Log {
  path: string | undefined;
  format: "text" | "json";
  debug: boolean;
}

/** Writes a line to the log and, from `warning` on, to stderr. */
export function writeLog(log: Log, level: "debug" | "warning" | "error", message: string): void {
  if (level === "debug" && !log.debug) return;
  const msg = message.replaceAll("\n", " ");
  if (log.path !== undefined) {
    const time = new Date().toISOString();
    const line = log.format === "json" ? JSON.stringify({ level, msg, time }) : `time="${time}" level=${level} msg=${JSON.stringify(msg)}`;
    try {
      appendFileSync(log.path, `${line}\n`);
    } catch {
      // Then stderr has to do.
    }
  }
  if (level !== "debug") console.error(level === "error" ? `berth runtime: ${msg}` : `berth runtime: ${level}: ${msg}`);
}
