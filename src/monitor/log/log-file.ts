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

/** Records are written before the next ones are planned: one that tells a gap, if there is any, then those of `output`. */
type Step = { records: Buffer; hasGap: boolean; output: Buffer } | "rotate";

/** Bytes that are given to the disk at once. */
const WRITTEN_BACK = 8 << 20;

function writeLater(fd: number, bytes: Buffer, at: number): Promise<number> {
  const { write } = require("node:fs") as typeof import("node:fs");
  return new Promise((resolve, reject) =>
    write(fd, bytes, at, bytes.length - at, null, (error, written) => (error ? reject(error) : resolve(written))),
  );
}

// How many bytes of it the first records hold: a piece each.
function outputOf(records: Buffer, hasGap: boolean, output: Buffer): number {
  let count = hasGap ? -1 : 0;
  for (let at = records.indexOf("\n"); at >= 0; at = records.indexOf("\n", at + 1)) count++;
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

  // Record by record only where the file gets full: whoever reads it finds none that is torn.
  #plan(stream: StreamName, bytes: Buffer): Step[] {
    const time = new Date().toISOString().replace("Z", "000000Z");
    const gap = this.#lost > 0 ? Buffer.from(this.#format("stderr", this.#describeGap(), time)) : Buffer.alloc(0);
    const { maxSize } = this.#settings;
    const rest = this.#encode(this.#format(stream, bytes, time));
    const all = gap.length > 0 ? Buffer.concat([gap, rest]) : rest;
    if (maxSize === undefined || this.#length + all.length <= maxSize) return [{ records: all, hasGap: gap.length > 0, output: bytes }];
    const steps: Step[] = [];
    let hasGap = gap.length > 0;
    let records = [gap];
    let length = this.#length + gap.length;
    let from = 0;
    let to = 0;
    const step = () => ({ records: Buffer.concat(records), hasGap, output: bytes.subarray(from, to) });
    for (const piece of pieces(bytes)) {
      if (length >= maxSize) {
        steps.push(step(), "rotate");
        hasGap = false;
        records = [];
        length = 0;
        from = to;
      }
      const record = Buffer.from(this.#format(stream, piece, time));
      records.push(record);
      length += record.length;
      to += piece.length;
    }
    return [...steps, step()];
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

  #execute(step: Step): void {
    if (step === "rotate") {
      this.#rotate();
      return;
    }
    let written = 0;
    try {
      while (written < step.records.length) written += writeSync(this.#fd, step.records, written);
      this.#written(step.records.length);
    } catch {
      this.#tear(step, written);
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

  async #executeLater(step: Exclude<Step, "rotate">): Promise<void> {
    let written = 0;
    try {
      while (written < step.records.length) written += await writeLater(this.#fd, step.records, written);
      this.#written(step.records.length);
    } catch {
      this.#tear(step, written);
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

  // Half a record would make the log unreadable. What was written whole stays.
  #tear({ records, hasGap, output }: Exclude<Step, "rotate">, written: number): void {
    const whole = records.subarray(0, records.subarray(0, written).lastIndexOf("\n") + 1);
    this.#written(whole.length);
    this.#lose(output.length - outputOf(whole, hasGap, output), "the disk was full");
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
