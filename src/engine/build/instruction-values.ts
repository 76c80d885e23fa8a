/** What instructions of a Dockerfile say, as an image's configuration has it. */
import { DockerfileError, type Instruction, jsonList, type Lookup, shellWord, shellWords } from "../../image/dockerfile.ts";
import type { ImageConfig } from "../../store/images.ts";

type Healthcheck = NonNullable<NonNullable<ImageConfig["config"]>["Healthcheck"]>;

/** What runs commands that are no list. */
export const DEFAULT_SHELL = ["/bin/sh", "-c"];

/** As it stands in the Dockerfile, but for its lines. */
export function textOf({ name, flags, rest }: Instruction): string {
  return [name, ...flags.map((flag) => `--${flag.name}${flag.value && `=${flag.value}`}`), rest].join(" ");
}

/** `A=b C="d e"`, or `A b c` with everything after the name as its value; undefined for neither. */
export function pairsOf(text: string, lookup: Lookup): [string, string][] | undefined {
  if (/^[^\s="']+=|^"[^"]+"=/.test(text)) {
    const pairs = shellWords(text, lookup).map((word): [string, string] => [word.slice(0, word.indexOf("=")), word.slice(word.indexOf("=") + 1)]);
    return pairs.some(([name]) => name === "") ? undefined : pairs;
  }
  const [, name, value] = /^(\S+)\s+([\s\S]+)$/.exec(text) ?? [];
  return name === undefined || value === undefined ? undefined : [[name, shellWord(value, lookup)]];
}

/** `8000-8002/udp` is three. */
export function portsOf(text: string): string[] {
  const [, first, last = first, protocol = "tcp"] = /^(\d+)(?:-(\d+))?(?:\/(\w+))?$/.exec(text) ?? [];
  if (first === undefined) throw new DockerfileError(`EXPOSE: invalid containerPort: ${text}`);
  return Array.from({ length: Number(last) - Number(first) + 1 }, (_, i) => `${Number(first) + i}/${protocol.toLowerCase()}`);
}

const NANOSECONDS: Record<string, number> = { h: 3600e9, m: 60e9, s: 1e9, ms: 1e6, us: 1e3, ns: 1 };

/** What HEALTHCHECK says, as images have it. */
export function healthcheck({ rest, flags }: Instruction, shell: string[], fail: (why: string) => DockerfileError): Healthcheck {
  if (/^none$/i.test(rest)) return { Test: ["NONE"] };
  const command = /^cmd\s+([\s\S]+)$/i.exec(rest)?.[1];
  if (command === undefined) throw fail("expected NONE, or CMD and a command");
  const time = (name: string, key: string) => {
    const text = flags.find((flag) => flag.name === name)?.value;
    if (text === undefined) return {};
    if (!/^(\d+(\.\d+)?(h|m|s|ms|us|ns))+$/.test(text)) throw fail(`invalid --${name} ${text}: expected a duration, such as 30s`);
    const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|us|ns|h|m|s)/g)];
    return { [key]: parts.reduce((sum, [, number, unit = "s"]) => sum + Number(number) * (NANOSECONDS[unit] ?? 0), 0) };
  };
  const retries = flags.find((flag) => flag.name === "retries")?.value;
  const list = jsonList(command);
  const isUsual = shell.join(" ") === DEFAULT_SHELL.join(" ");
  return {
    Test: list ? ["CMD", ...list] : isUsual ? ["CMD-SHELL", command] : ["CMD", ...shell, command],
    ...time("interval", "Interval"),
    ...time("timeout", "Timeout"),
    ...time("start-period", "StartPeriod"),
    ...time("start-interval", "StartInterval"),
    ...(retries !== undefined && { Retries: Number(retries) }),
  };
}
