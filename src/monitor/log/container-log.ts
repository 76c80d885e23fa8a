/** A container's log: a file, a service of the system, both, or none. */
import type { OwnedFd } from "../../../ffi/fd.ts";
import type { StreamName } from "../../runtime/stdio.ts";
import type { DatagramLog, DatagramLogSettings } from "./datagram-log.ts";
import { Lines } from "./lines.ts";
import { LogFile, type LogFileSettings } from "./log-file.ts";

export interface LogRequest {
  file?: LogFileSettings;
  datagrams?: DatagramLogSettings;
}

/** Of one whose process becomes another program. */
export interface HeldLog {
  /** Lines that wait for their rest, base64. */
  begun: Record<StreamName, string>;
  /** To the service of the system. */
  socket: OwnedFd | undefined;
}

export class ContainerLog {
  readonly #file: LogFile | undefined;
  readonly #lines: Lines;
  readonly #datagrams: DatagramLog | undefined;

  private constructor(file: LogFile | undefined, datagrams: DatagramLog | undefined, begun?: HeldLog["begun"]) {
    this.#file = file;
    this.#datagrams = datagrams;
    const write = (stream: StreamName, bytes: Buffer) => {
      file?.add(stream, bytes);
      datagrams?.add(stream, bytes);
    };
    this.#lines = new Lines(write, begun && { stdout: Buffer.from(begun.stdout, "base64"), stderr: Buffer.from(begun.stderr, "base64") });
  }

  /**
   * @param isAwaited see {@link LogFile}
   * @param before what another program of this process had of it
   * @throws {RuntimeFailure} where it cannot be written
   */
  static async open({ file, datagrams }: LogRequest, isAwaited: boolean, before?: HeldLog): Promise<ContainerLog> {
    const opened = datagrams && (await (await import("./datagram-log.ts")).DatagramLog.open(datagrams, before?.socket));
    return new ContainerLog(file && new LogFile(file, isAwaited), opened, before?.begun);
  }

  add(stream: StreamName, chunk: Buffer): void {
    this.#lines.add(stream, chunk);
  }

  /** Whether all that came is where another one, opened anew, goes on. */
  get isIdle(): boolean {
    return this.#file?.isIdle !== false;
  }

  /** What is to be held where this process becomes another program, and goes on with it. */
  get held(): HeldLog {
    const { stdout, stderr } = this.#lines.begun;
    return { begun: { stdout: stdout.toString("base64"), stderr: stderr.toString("base64") }, socket: this.#datagrams?.socket };
  }

  async close(): Promise<void> {
    this.#lines.end();
    await this.#file?.close();
  }
}
