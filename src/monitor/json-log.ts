/**
 * A container's log in the format of docker's json-file driver: one JSON object a
 * line, `{"log":"…\n","stream":"stdout","time":"…"}`.
 */
import { closeSync, fstatSync, ftruncateSync, openSync, writeSync } from "node:fs";
import type { StreamName } from "../runtime/stdio.ts";

/** A line that long is written in pieces, as docker does. */
const MAX_LINE = 16 * 1024;
const NEWLINE = 10;

// What JSON.stringify would change, and all that is not ASCII: those chunks go the slow way.
const SPECIAL = /[^\n\x20\x21\x23-\x5b\x5d-\x7e]/;

export class JsonLog {
  readonly #fd: number;
  readonly #partial: Record<StreamName, Buffer> = { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) };
  /** Bytes of the file that are whole records. */
  #length: number;
  /** Bytes of output that could not be written. */
  #lost = 0;

  constructor(path: string) {
    this.#fd = openSync(path, "a", 0o640);
    this.#length = fstatSync(this.#fd).size;
  }

  /** Adds output; what follows the last newline waits for the rest of its line. Never throws. */
  add(stream: StreamName, chunk: Buffer): void {
    const last = chunk.lastIndexOf(NEWLINE);
    const partial = this.#partial[stream];
    if (last < 0) {
      // The copy: the chunk's memory is the reader's.
      this.#keep(stream, Buffer.concat([partial, chunk]));
      return;
    }
    const lines = chunk.subarray(0, last + 1);
    this.#write(stream, partial.length > 0 ? Buffer.concat([partial, lines]) : lines);
    this.#keep(stream, Buffer.from(chunk.subarray(last + 1)));
  }

  #keep(stream: StreamName, rest: Buffer): void {
    let pending = rest;
    while (pending.length >= MAX_LINE) {
      const cut = wholeCharacters(pending, MAX_LINE);
      this.#write(stream, pending.subarray(0, cut));
      pending = pending.subarray(cut);
    }
    this.#partial[stream] = pending;
  }

  /** Writes what is left of lines that never ended, tells a gap at the end, and closes the file. */
  close(): void {
    for (const stream of ["stdout", "stderr"] as const) {
      if (this.#partial[stream].length > 0) this.#write(stream, this.#partial[stream]);
    }
    if (this.#lost > 0) this.#write("stderr", Buffer.alloc(0));
    closeSync(this.#fd);
  }

  #write(stream: StreamName, bytes: Buffer): void {
    const time = new Date().toISOString().replace("Z", "000000Z");
    const gap =
      this.#lost > 0
        ? formatRecords("stderr", Buffer.from(`[berth: ${this.#lost} bytes of output are missing here: the disk was full]\n`), time)
        : "";
    const records = Buffer.from(bytes.length > 0 ? gap + formatRecords(stream, bytes, time) : gap);
    try {
      for (let at = 0; at < records.length; ) at += writeSync(this.#fd, records, at);
      this.#length += records.length;
      this.#lost = 0;
    } catch {
      // The container goes on; half a record would make the log unreadable.
      this.#lost += bytes.length;
      ftruncateSync(this.#fd, this.#length);
    }
  }
}

// Where to cut at most `max` bytes without breaking a UTF-8 character.
function wholeCharacters(bytes: Buffer, max: number): number {
  let cut = max;
  while (cut > max - 4 && ((bytes[cut] ?? 0) & 0xc0) === 0x80) cut--;
  return cut;
}

/** Records of one piece of output: a record a line, the last one without its newline where it has none. */
export function formatRecords(stream: StreamName, bytes: Buffer, time: string): string {
  const end = `","stream":"${stream}","time":"${time}"}\n`;
  const text = bytes.toString("latin1");
  if (bytes.length <= MAX_LINE * 16 && !SPECIAL.test(text) && longestLine(text) <= MAX_LINE) {
    const records = `{"log":"${text.replaceAll("\n", `\\n${end}{"log":"`)}`;
    // After the last newline the replacement has begun a record too many.
    return text.endsWith("\n") ? records.slice(0, -'{"log":"'.length) : records + end;
  }
  let records = "";
  for (let at = 0; at < bytes.length; ) {
    const newline = bytes.indexOf(NEWLINE, at);
    let stop = newline < 0 ? bytes.length : newline + 1;
    if (stop - at > MAX_LINE) stop = at + wholeCharacters(bytes.subarray(at), MAX_LINE);
    records += `{"log":${JSON.stringify(bytes.toString("utf8", at, stop)).slice(0, -1)}${end}`;
    at = stop;
  }
  return records;
}

function longestLine(text: string): number {
  let longest = 0;
  for (let at = 0; at < text.length; ) {
    const newline = text.indexOf("\n", at);
    const stop = newline < 0 ? text.length : newline;
    longest = Math.max(longest, stop - at);
    at = stop + 1;
  }
  return longest;
}
