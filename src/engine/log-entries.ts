/** What a log's records say, as monitor/log/records.ts writes them. */

export interface LogEntry {
  /** With its newline, but for a line that was never finished. */
  log: string;
  stream: "stdout" | "stderr";
  /** RFC 3339. */
  time: string;
  /** Labels and variables that were asked for with the log. */
  attrs?: Record<string, string>;
}

const RECORD = '{"log":"';
const LINE_END = '\\n","stream":"';
/** How many different ends of records a block has at most that is taken apart by them: as many are looked for in all of it. */
const MOST_ENDS = 16;

/**
 * As {@link parseJson}, in one entry: what was written at once has one time, so what stands between two lines of it is the
 * same text all along, and to look for that is faster than the parser.
 *
 * @returns undefined for what holds other escapes than ends of lines, pieces of lines, torn records, or both streams
 */
export function joinJson(text: string): LogEntry[] | undefined {
  const [, stream, time] = /\\n","stream":"(stdout|stderr)".*?"time":"([^"]*)"\}$/m.exec(text) ?? [];
  if (stream === undefined || time === undefined || !text.startsWith(RECORD) || !text.endsWith("}")) return undefined;
  let joined = text.slice(RECORD.length);
  let at = 0;
  for (let ends = 0; ends < MOST_ENDS; ends++) {
    at = joined.indexOf(`${LINE_END}${stream}"`, at);
    if (at < 0) return undefined;
    const next = joined.indexOf("\n", at);
    if (next < 0) {
      const log = `${joined.slice(0, at)}\n`;
      return log.includes("\\") || log.includes('"') ? undefined : [{ log, stream: stream as LogEntry["stream"], time }];
    }
    if (!joined.startsWith(`}\n${RECORD}`, next - 1)) return undefined;
    joined = joined.replaceAll(joined.slice(at, next + 1 + RECORD.length), "\n");
  }
  return undefined;
}

/** Records of docker's json-file, a line each; without those that the machine's crash has torn. */
export function parseJson(text: string): LogEntry[] {
  try {
    // One call of the parser for the whole block is several times faster than one a line.
    return JSON.parse(`[${text.replaceAll("\n", ",")}]`) as LogEntry[];
  } catch {
    return text.split("\n").flatMap((line) => {
      try {
        return [JSON.parse(line) as LogEntry];
      } catch {
        return []; // torn by a crash of the machine
      }
    });
  }
}

const CRI_RECORD = /^(\S+) (stdout|stderr) ([FP])\S* /;

/** Records as Kubernetes has them. */
export function parseCri(text: string): LogEntry[] {
  return text.split("\n").flatMap((line) => {
    const [whole, time = "", stream, kind] = CRI_RECORD.exec(line) ?? [];
    if (whole === undefined) return [];
    return [{ time, stream: stream as LogEntry["stream"], log: line.slice(whole.length) + (kind === "F" ? "\n" : "") }];
  });
}
