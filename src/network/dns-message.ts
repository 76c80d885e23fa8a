/** DNS messages (RFC 1035), as much as a resolver for a few names needs: one question, answers of addresses and names. */

import { formatAddress } from "./address.ts";

/** Types of records, and the class of the internet. */
export const TYPE = { A: 1, PTR: 12, AAAA: 28 } as const;
const CLASS_IN = 1;
export const RCODE = { ok: 0, serverFailure: 2, noSuchName: 3 } as const;
const HEADER = 12;
const MAX_NAME = 255;
/** Seconds that an answer is good for: neighbours come and go. */
const TTL = 5;
const NAME_OF_QUESTION = 0xc000 | HEADER;

export interface Question {
  id: number;
  /** In lower case, without the dot at its end. */
  name: string;
  type: number;
  isInternet: boolean;
  /** Bytes of the header and the question. */
  length: number;
}

/** Reads a query; undefined where it is no ordinary one with a single question. */
export function parseQuery(message: Buffer): Question | undefined {
  if (message.length < HEADER) return undefined;
  const flags = message.readUInt16BE(2);
  const isStandard = (flags & 0xf800) === 0; // a query, of the usual kind
  if (!isStandard || message.readUInt16BE(4) !== 1) return undefined;
  const labels: string[] = [];
  let at = HEADER;
  for (;;) {
    const length = message[at];
    if (length === undefined || length > 63) return undefined; // cut off, or a pointer, which points at nothing yet
    at++;
    if (length === 0) break;
    if (at + length > message.length || at - HEADER > MAX_NAME) return undefined;
    labels.push(message.toString("latin1", at, at + length));
    at += length;
  }
  if (at + 4 > message.length) return undefined;
  return {
    id: message.readUInt16BE(0),
    name: labels.join(".").toLowerCase(),
    type: message.readUInt16BE(at),
    isInternet: message.readUInt16BE(at + 2) === CLASS_IN,
    length: at + 4,
  };
}

/** An answer to a query that was read: records of the question's type, each its data. */
export function buildAnswer(query: Buffer, question: Question, code: number, data: Buffer[]): Buffer {
  const head = Buffer.from(query.subarray(0, question.length));
  const isWanted = (head[2] as number) & 1; // recursion
  head.writeUInt16BE(0x8080 | (isWanted << 8) | code, 2);
  head.writeUInt16BE(data.length, 6);
  head.writeUInt32BE(0, 8);
  const records = data.map((bytes) => {
    const record = Buffer.alloc(12 + bytes.length);
    record.writeUInt16BE(NAME_OF_QUESTION, 0);
    record.writeUInt16BE(question.type, 2);
    record.writeUInt16BE(CLASS_IN, 4);
    record.writeUInt32BE(TTL, 6);
    record.writeUInt16BE(bytes.length, 10);
    record.set(bytes, 12);
    return record;
  });
  return Buffer.concat([head, ...records]);
}

/** A name as it stands in a record. */
export function encodeDomain(name: string): Buffer {
  const labels = name.split(".").map((label) => Buffer.concat([Buffer.of(label.length), Buffer.from(label, "latin1")]));
  return Buffer.concat([...labels, Buffer.of(0)]);
}

/** The address that `4.3.2.1.in-addr.arpa` or `….ip6.arpa` asks for (RFC 1035, 3.5; RFC 3596, 2.5). */
export function reversedAddress(name: string): string | undefined {
  const [, ...bytes] = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.in-addr\.arpa$/.exec(name) ?? [];
  if (bytes.length === 4) return bytes.reverse().join(".");
  const [, digits = ""] = /^((?:[0-9a-f]\.){32})ip6\.arpa$/.exec(name) ?? [];
  return digits === "" ? undefined : formatAddress(Buffer.from(digits.replaceAll(".", "").split("").reverse().join(""), "hex"));
}
