/**
 * Output as records of a log file, a line each. `json` is docker's json-file driver:
 * `{"log":"…\n","stream":"stdout","time":"…"}`; `cri` is Kubernetes' format:
 * `TIME stdout F …`, with P for a piece whose line goes on.
 */
import type { StreamName } from "../../runtime/stdio.ts";

/** A line that long is written in pieces, as docker does. */
export const MAX_LINE = 16 * 1024;
const NEWLINE = 10;

// What JSON.stringify would change, and all that is not ASCII: those chunks go the slow way.
const SPECIAL = /[^\n\x20\x21\x23-\x5b\x5d-\x7e]/;

// Where to cut at most `max` bytes without breaking a UTF-8 character.
export function wholeCharacters(bytes: Buffer, max: number): number {
  let cut = max;
  while (cut > max - 4 && ((bytes[cut] ?? 0) & 0xc0) === 0x80) cut--;
  return cut;
}

/** Makes records of a piece of output: whole lines, or one without its newline at the end; a record for each of its {@link pieces}. */
export type RecordFormat = (stream: StreamName, bytes: Buffer, time: string) => string;

/** @param attributes of labels and the environment, in every record; docker's `attrs` */
export function jsonRecords(attributes: Record<string, string> = {}): RecordFormat {
  const attrs = Object.keys(attributes).length > 0 ? `,"attrs":${JSON.stringify(attributes)}` : "";
  return (stream, bytes, time) => {
    const end = `","stream":"${stream}"${attrs},"time":"${time}"}\n`;
    const text = bytes.toString("latin1");
    if (bytes.length <= MAX_LINE * 16 && !SPECIAL.test(text) && !hasLongLine(text)) {
      const records = `{"log":"${text.replaceAll("\n", `\\n${end}{"log":"`)}`;
      // After the last newline the replacement has begun a record too many.
      return text.endsWith("\n") ? records.slice(0, -'{"log":"'.length) : records + end;
    }
    let records = "";
    for (const piece of pieces(bytes)) records += `{"log":${JSON.stringify(piece.toString()).slice(0, -1)}${end}`;
    return records;
  };
}

export const criRecords: RecordFormat = (stream, bytes, time) => {
  let records = "";
  for (const piece of pieces(bytes)) {
    const isWhole = piece.at(-1) === NEWLINE;
    records += `${time} ${stream} ${isWhole ? "F" : "P"} ${piece.toString()}${isWhole ? "" : "\n"}`;
  }
  return records;
};

/** Lines with their newlines, in pieces where they are too long. */
export function* pieces(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; ) {
    const newline = bytes.indexOf(NEWLINE, at);
    let stop = newline < 0 ? bytes.length : newline + 1;
    if (stop - at > MAX_LINE) stop = at + wholeCharacters(bytes.subarray(at), MAX_LINE);
    yield bytes.subarray(at, stop);
    at = stop;
  }
}

function hasLongLine(text: string): boolean {
  for (let at = 0; text.length - at > MAX_LINE; ) {
    const newline = text.lastIndexOf("\n", at + MAX_LINE - 1);
    if (newline < at) return true;
    at = newline + 1;
  }
  return false;
}
