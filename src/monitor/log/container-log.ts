/** A container's log: a file, a service of the system, both, or none. */
import type { StreamName } from "../../runtime/stdio.ts";
import type { DatagramLog, DatagramLogSettings } from "./datagram-log.ts";
import { Lines } from "./lines.ts";
import { LogFile, type LogFileSettings } from "./log-file.ts";

export interface LogRequest {
  file?: LogFileSettings;
  datagrams?: DatagramLogSettings;
}

export class ContainerLog {
  readonly #file: LogFile | undefined;
  readonly #lines: Lines;
  readonly #hasDatagrams: boolean;

  private constructor(file: LogFile | undefined, datagrams: DatagramLog | undefined) {
    this.#file = file;
    this.#hasDatagrams = datagrams !== undefined;
    this.#lines = new Lines((stream, bytes) => {
      file?.add(stream, bytes);
      datagrams?.add(stream, bytes);
    });
  }

  /**
   * @param isAwaited see {@link LogFile}
   * @throws {RuntimeFailure} where it cannot be written
   */
  static async open({ file, datagrams }: LogRequest, isAwaited: boolean): Promise<ContainerLog> {
    const opened = datagrams && (await (await import("./datagram-log.ts")).DatagramLog.open(datagrams));
    return new ContainerLog(file && new LogFile(file, isAwaited), opened);
  }

  add(stream: StreamName, chunk: Buffer): void {
    this.#lines.add(stream, chunk);
  }

  /** Whether all that came is where another one, opened anew, goes on. */
  get isIdle(): boolean {
    return !this.#hasDatagrams && this.#lines.isIdle && this.#file?.isIdle !== false;
  }

  async close(): Promise<void> {
    this.#lines.end();
    await this.#file?.close();
  }
}
