/** Logs of the system that take a datagram a line: journald and syslog. */
import type { OwnedFd } from "../../../ffi/fd.ts";
import { connectUdp } from "../../../ffi/inet.ts";
import { hasCode } from "../../../ffi/libc.ts";
import { connectUnix, sendDatagram } from "../../../ffi/socket.ts";
import { type Address, parseAddress } from "../../network/address.ts";
import { RuntimeFailure } from "../../runtime/errors.ts";
import type { StreamName } from "../../runtime/stdio.ts";
import { pieces } from "./records.ts";

export type DatagramLogSettings =
  | {
      driver: "journald";
      /** Besides the message and its priority. */
      fields: Record<string, string>;
    }
  | {
      driver: "syslog";
      /** Path of a unix datagram socket, or where on the network. */
      address: { path: string } | { hostname: string; port: number };
      facility: number;
      format: "unix" | "rfc3164" | "rfc5424" | "rfc5424micro";
      tag: string;
      hostname: string;
    };

/** systemd.journal-fields(7) and its native protocol (JOURNAL_NATIVE_PROTOCOL). */
const JOURNAL_SOCKET = "/run/systemd/journal/socket";
/** Severities of RFC 5424. */
const INFORMATIONAL = 6;
const ERROR = 3;
const NEWLINE = 10;

const severity = (stream: StreamName) => (stream === "stdout" ? INFORMATIONAL : ERROR);

export class DatagramLog {
  readonly #settings: DatagramLogSettings;
  readonly socket: OwnedFd;

  private constructor(settings: DatagramLogSettings, socket: OwnedFd) {
    this.#settings = settings;
    this.socket = socket;
  }

  /**
   * @param before connected already
   * @throws {RuntimeFailure} where nobody takes them
   */
  static async open(settings: DatagramLogSettings, before?: OwnedFd): Promise<DatagramLog> {
    return new DatagramLog(settings, before ?? (await connect(settings)));
  }

  /** Adds whole lines, or a piece of one. What the other side does not take is gone. */
  add(stream: StreamName, bytes: Buffer): void {
    for (const piece of pieces(bytes)) {
      const isWhole = piece.at(-1) === NEWLINE;
      const line = isWhole ? piece.subarray(0, -1) : piece;
      sendDatagram(
        this.socket.fd,
        this.#settings.driver === "journald"
          ? journalEntry(this.#settings.fields, stream, line, isWhole)
          : syslogMessage(this.#settings, stream, line),
      );
    }
  }
}

async function connect(settings: DatagramLogSettings): Promise<OwnedFd> {
  const address = settings.driver === "journald" ? { path: JOURNAL_SOCKET } : settings.address;
  if (!("path" in address)) return connectUdp(await resolve(address.hostname), address.port);
  try {
    return connectUnix(address.path, "datagram");
  } catch (error) {
    if (!hasCode(error, "ENOENT", "ECONNREFUSED", "EPROTOTYPE", "ENOTSOCK")) throw error;
    const reason = settings.driver === "journald" ? "journald is not enabled on this host" : `no syslog listens on ${address.path}`;
    throw new RuntimeFailure(`failed to initialize logging driver: ${reason}`);
  }
}

async function resolve(hostname: string): Promise<Address> {
  const [first] = await Bun.dns.lookup(hostname).catch(() => []);
  const address = first && parseAddress(first.address);
  if (!address) throw new RuntimeFailure(`failed to initialize logging driver: lookup ${hostname}: no such host`);
  return address;
}

function journalEntry(fields: Record<string, string>, stream: StreamName, line: Buffer, isWhole: boolean): Buffer {
  const text = Object.entries({ ...fields, PRIORITY: String(severity(stream)), ...(!isWhole && { CONTAINER_PARTIAL_MESSAGE: "true" }) });
  const entry = text.map(([name, value]) => journalField(name, Buffer.from(value)));
  return Buffer.concat([journalField("MESSAGE", line), ...entry]);
}

// With its length: a value may hold anything.
function journalField(name: string, value: Buffer): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(value.length));
  return Buffer.concat([Buffer.from(`${name}\n`), length, value, Buffer.of(NEWLINE)]);
}

function syslogMessage(settings: Extract<DatagramLogSettings, { driver: "syslog" }>, stream: StreamName, line: Buffer): Buffer {
  const { facility, format, tag, hostname } = settings;
  const priority = facility * 8 + severity(stream);
  const now = new Date();
  const header = {
    unix: () => `<${priority}>${stamp(now)} ${tag}[${process.pid}]: `,
    rfc3164: () => `<${priority}>${stamp(now)} ${hostname} ${tag}[${process.pid}]: `,
    rfc5424: () => `<${priority}>1 ${now.toISOString().replace(/\.\d+/, "")} ${hostname} ${tag} ${process.pid} ${tag} - `,
    rfc5424micro: () => `<${priority}>1 ${now.toISOString().replace("Z", "000Z")} ${hostname} ${tag} ${process.pid} ${tag} - `,
  }[format]();
  return Buffer.concat([Buffer.from(header), line]);
}

// As `Jan  2 15:04:05`, local time (RFC 3164, 4.1.2).
function stamp(time: Date): string {
  const [, month, day, , clock] = time.toString().split(" ");
  return `${month} ${String(Number(day)).padStart(2)} ${clock}`;
}
