/**
 * Output as records of a log file, a line each. `json` is docker's json-file driver:
 * `{"log":"…\n","stream":"stdout","time":"…"}`; `cri` is Kubernetes' format:
 * `TIME stdout F …`, with P for a piece whose line goes on.
 */
import { hasJsonLines, JsonLines } from "../../../ffi/json-lines.ts";
import type { StreamName } from "../../runtime/stdio.ts";

/** A line that long is written in pieces, as docker does. */
export const MAX_LINE = 16 * 1024;
const NEWLINE = 10;

/** Bytes of output above which it is worth while to have them encoded by {@link JsonLines}, which takes a while to be loaded. */
const MUCH = 4096;

// Where to cut at most `max` bytes without breaking a UTF-8 character.
export function wholeCharacters(bytes: Buffer, max: number): number {
  let cut = max;
  while (cut > max - 4 && ((bytes[cut] ?? 0) & 0xc0) === 0x80) cut--;
  return cut;
}

/**
 * Makes records of a piece of output: whole lines, or one without its newline at the end; a record for each of its
 * {@link pieces}. Bytes are in memory that the next call uses again.
 */
export type RecordFormat = (stream: StreamName, bytes: Buffer, time: string) => string | Buffer;

const PREFIX = '{"log":"';

/** @param attributes of labels and the environment, in every record; docker's `attrs` */
export function jsonRecords(attributes: Record<string, string> = {}): RecordFormat {
  const attrs = Object.keys(attributes).length > 0 ? `,"attrs":${JSON.stringify(attributes)}` : "";
  let lines: JsonLines | undefined;
  return (stream, bytes, time) => {
    const end = `","stream":"${stream}"${attrs},"time":"${time}"}\n`;
    if (bytes.length < MUCH || !hasJsonLines()) return onePieceAtATime(bytes, end);
    lines ??= new JsonLines(MAX_LINE);
    for (let at = 0; ; ) {
      at += lines.encode(bytes.subarray(at), PREFIX, `\\n${end}`);
      if (at === bytes.length) return lines.take();
      const next = bytes.indexOf(NEWLINE, at) + 1 || bytes.length;
      lines.add(Buffer.from(onePieceAtATime(bytes.subarray(at, next), end)));
      at = next;
    }
  };
}

function onePieceAtATime(bytes: Buffer, end: string): string {
  let records = "";
  for (const piece of pieces(bytes)) records += `${PREFIX}${JSON.stringify(piece.toString()).slice(1, -1)}${end}`;
  return records;
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
