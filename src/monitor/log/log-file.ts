/** A log file that is put aside when it is full: `log`, `log.1` (the youngest), `log.2.gz`, … */
import { writeBack } from "../../../ffi/fd.ts";
import { closeSync, existsSync, fstatSync, ftruncateSync, openSync, renameSync, rmSync, writeSync } from "../../../ffi/files.ts";
import type { StreamName } from "../../runtime/stdio.ts";
import { PART } from "./inode-tag.ts";
import { criRecords, jsonRecords, pieces, type RecordFormat } from "./records.ts";

export interface LogFileSettings {
  path: string;
  format: "json" | "cri";
  /** See {@link jsonRecords}. */
  attributes?: Record<string, string>;
  /** Bytes after which another one begins; absent for one without end. */
  maxSize?: number;
  /** How many there are at most. */
  maxFiles: number;
  /** Whether those put aside are compressed. */
  compress: boolean;
  /** Bytes that may wait for the disk; absent: the container waits for it. */
  buffer?: number;
}

/** Records of a piece of output, of which one tells a gap before, if there is any. They are written before the next ones are planned. */
interface Records {
  all: Buffer;
  hasGap: boolean;
  output: Buffer;
}

/** Some of them, whole ones. */
interface Part extends Records {
  from: number;
  to: number;
}

const NEWLINE = 10;

/** Bytes that are given to the disk at once. */
const WRITTEN_BACK = 8 << 20;

function writeLater(fd: number, bytes: Buffer): Promise<number> {
  const { write } = require("node:fs") as typeof import("node:fs");
  return new Promise((resolve, reject) => write(fd, bytes, 0, bytes.length, null, (error, written) => (error ? reject(error) : resolve(written))));
}

// How many bytes of output the first of them hold: a piece each.
function outputOf({ all, hasGap, output }: Records, end: number): number {
  let count = hasGap ? -1 : 0;
  for (let at = all.indexOf(NEWLINE); at >= 0 && at < end; at = all.indexOf(NEWLINE, at + 1)) count++;
  let bytes = 0;
  for (const piece of pieces(output)) {
    if (count-- <= 0) break;
    bytes += piece.length;
  }
  return bytes;
}

export class LogFile {
  readonly #settings: LogFileSettings;
  readonly #format: RecordFormat;
  #fd: number;
  /** Bytes of the file that are whole records. */
  #length: number;
  /** How much of it the disk has been given. */
  #writtenBack: number;
  readonly #isAwaited: boolean;
  /** Bytes of output that could not be written, and why. */
  #lost = 0;
  #lostBecause = "";
  #encoded = Buffer.alloc(0);
  /** What waits for the disk, where the container does not. */
  #waiting: { stream: StreamName; bytes: Buffer }[] = [];
  #waitingBytes = 0;
  #pump: Promise<void> | undefined;
  /** Compressions under way, by the number that their file has now. */
  readonly #compressing = new Set<{ number: number }>();
  #compressions: Promise<void> = Promise.resolve();

  /** @param isAwaited whether the container's end waits for the disk: an overlay's has the whole file system written that it is on */
  constructor(settings: LogFileSettings, isAwaited = false) {
    this.#settings = settings;
    this.#format = settings.format === "json" ? jsonRecords(settings.attributes) : criRecords;
    rmSync(settings.path + PART, { force: true });
    this.#fd = openSync(settings.path, "a", 0o640);
    this.#length = fstatSync(this.#fd).size;
    this.#writtenBack = this.#length;
    this.#isAwaited = isAwaited && settings.maxSize === undefined;
  }

  /** Adds whole lines, or a piece of one. Never throws: the container goes on. */
  add(stream: StreamName, bytes: Buffer): void {
    const { buffer } = this.#settings;
    if (buffer === undefined) {
      for (const step of this.#plan(stream, bytes)) this.#execute(step);
      return;
    }
    if (this.#waitingBytes + bytes.length > buffer) {
      this.#lose(bytes.length, "the log could not keep up");
      return;
    }
    this.#waiting.push({ stream, bytes: Buffer.from(bytes) });
    this.#waitingBytes += bytes.length;
    this.#pump ??= this.#writeWaiting();
  }

  /** Whether nothing waits, or has to be told later. */
  get isIdle(): boolean {
    return this.#pump === undefined && this.#lost === 0 && this.#compressing.size === 0;
  }

  /** Tells a gap at the end, and closes the file once all is written. */
  async close(): Promise<void> {
    await this.#pump;
    if (this.#lost > 0) for (const step of this.#plan("stderr", Buffer.alloc(0))) this.#execute(step);
    closeSync(this.#fd);
    await this.#compressions;
  }

  // Cut between records where the file gets full: whoever reads it finds none that is torn.
  #plan(stream: StreamName, output: Buffer): (Part | "rotate")[] {
    const time = new Date().toISOString().replace("Z", "000000Z");
    const hasGap = this.#lost > 0;
    const rest = this.#encode(this.#format(stream, output, time));
    const all = hasGap ? Buffer.concat([Buffer.from(this.#format("stderr", this.#describeGap(), time)), rest]) : rest;
    const { maxSize = Number.POSITIVE_INFINITY } = this.#settings;
    const steps: (Part | "rotate")[] = [];
    for (let from = 0, length = this.#length; from < all.length; ) {
      if (length >= maxSize) {
        steps.push("rotate");
        length = 0;
      }
      const room = maxSize - length;
      const to = all.length - from <= room ? all.length : all.indexOf(NEWLINE, from + room - 1) + 1;
      steps.push({ all, hasGap, output, from, to });
      length += to - from;
      from = to;
    }
    return steps;
  }

  #describeGap(): Buffer {
    return Buffer.from(`[berth: ${this.#lost} bytes of output are missing here: ${this.#lostBecause}]\n`);
  }

  // Into memory that is used again for the next piece: that of each would be the kernel's to find, and to take back.
  #encode(text: string | Buffer): Buffer {
    if (typeof text !== "string") return text;
    const length = Buffer.byteLength(text);
    if (length > this.#encoded.length) this.#encoded = Buffer.allocUnsafe(length);
    return this.#encoded.subarray(0, this.#encoded.write(text));
  }

  #execute(step: Part | "rotate"): void {
    if (step === "rotate") {
      this.#rotate();
      return;
    }
    let at = step.from;
    try {
      while (at < step.to) at += writeSync(this.#fd, step.all.subarray(at, step.to));
      this.#written(at - step.from);
    } catch {
      this.#tear(step, at);
    }
  }

  async #writeWaiting(): Promise<void> {
    for (let next = this.#waiting.shift(); next; next = this.#waiting.shift()) {
      for (const step of this.#plan(next.stream, next.bytes)) {
        if (step === "rotate") this.#rotate();
        else await this.#executeLater(step);
      }
      this.#waitingBytes -= next.bytes.length;
    }
    this.#pump = undefined;
  }

  async #executeLater(part: Part): Promise<void> {
    let at = part.from;
    try {
      while (at < part.to) at += await writeLater(this.#fd, part.all.subarray(at, part.to));
      this.#written(at - part.from);
    } catch {
      this.#tear(part, at);
    }
  }

  #written(length: number): void {
    this.#length += length;
    if (this.#isAwaited && this.#length - this.#writtenBack >= WRITTEN_BACK) {
      writeBack(this.#fd, this.#writtenBack, this.#length - this.#writtenBack);
      this.#writtenBack = this.#length;
    }
    if (length > 0) this.#lost = 0;
  }

  // Half a record would make the log unreadable. What was written whole, up to `at`, stays.
  #tear(part: Part, at: number): void {
    const whole = part.all.subarray(0, at).lastIndexOf(NEWLINE) + 1;
    this.#written(Math.max(0, whole - part.from));
    this.#lose(outputOf(part, part.to) - outputOf(part, Math.max(whole, part.from)), "the disk was full");
    ftruncateSync(this.#fd, this.#length);
  }

  #lose(bytes: number, reason: string): void {
    this.#lost += bytes;
    this.#lostBecause = reason;
  }

  #rotate(): void {
    const { path, maxFiles, compress } = this.#settings;
    try {
      for (const suffix of ["", ".gz"]) {
        rmSync(`${path}.${maxFiles - 1}${suffix}`, { force: true });
        for (let n = maxFiles - 2; n >= 1; n--)
          if (existsSync(`${path}.${n}${suffix}`)) renameSync(`${path}.${n}${suffix}`, `${path}.${n + 1}${suffix}`);
      }
      for (const compression of this.#compressing) compression.number++;
      // Never emptied in place: whoever follows it reads on in the one that it has open.
      if (maxFiles === 1) rmSync(path);
      else renameSync(path, `${path}.1`);
      const fd = openSync(path, "a", 0o640);
      closeSync(this.#fd);
      this.#fd = fd;
      this.#length = 0;
      if (compress) this.#compress();
    } catch {
      // A disk that cannot even rename: it goes on in the file that it has.
    }
  }

  #compress(): void {
    const { path, maxFiles } = this.#settings;
    const compression = { number: 1 };
    this.#compressing.add(compression);
    this.#compressions = this.#compressions.then(async () => {
      const { compressLog } = await import("./compress.ts");
      if (compression.number < maxFiles) await compressLog(path, () => (compression.number < maxFiles ? compression.number : undefined));
      this.#compressing.delete(compression);
    });
  }
}
