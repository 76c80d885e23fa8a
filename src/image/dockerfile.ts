/** Reads Dockerfiles (docs.docker.com/reference/dockerfile): instructions, their flags, heredocs, and the words in them. */

import { replace, trim } from "./parameter.ts";

/** A mistake in a Dockerfile. */
export class DockerfileError extends Error {
  override name = "DockerfileError";
}

/** A document within a Dockerfile: what stands between `<<EOF` and `EOF`. */
export interface Heredoc {
  name: string;
  text: string;
  /** Whether variables in it mean something. */
  expands: boolean;
}

export interface Instruction {
  /** In capitals: `COPY`. */
  name: string;
  /** `--from=…` and the like, in their order. */
  flags: { name: string; value: string }[];
  /** What follows, lines joined. */
  rest: string;
  heredocs: Heredoc[];
  /** Number of its first line, from 1. */
  line: number;
}

const KNOWN = "ADD ARG CMD COPY ENTRYPOINT ENV EXPOSE FROM HEALTHCHECK LABEL MAINTAINER ONBUILD RUN SHELL STOPSIGNAL USER VOLUME WORKDIR".split(" ");
const WITH_HEREDOCS = ["RUN", "COPY", "ADD"];

/** Throws {@link DockerfileError} with the number of the line. */
export function parseDockerfile(text: string): Instruction[] {
  const lines = text
    .replace(/^\ufeff/, "")
    .split("\n")
    .map((line) => line.replace(/\r$/, ""));
  const continuation = escapeOf(lines);
  const instructions: Instruction[] = [];
  for (let i = 0; i < lines.length; i++) {
    if (isBlank(lines[i] as string)) continue;
    const line = i + 1;
    const parts: string[] = [];
    for (; i < lines.length; i++) {
      const own = lines[i] as string;
      if (isBlank(own)) {
        if (parts.length === 0) break;
        continue; // in the middle of an instruction they mean nothing
      }
      const [, before, isContinued] = new RegExp(`^(.*?)(\\${continuation}[ \\t]*)?$`).exec(own) ?? [];
      parts.push(before ?? own);
      if (!isContinued) break;
    }
    const instruction = parseInstruction(parts.join("").trim(), line);
    if (WITH_HEREDOCS.includes(instruction.name))
      for (const { name, quote, isIndented } of heredocsOf(instruction.rest)) {
        const body: string[] = [];
        for (i++; ; i++) {
          if (i >= lines.length) throw new DockerfileError(`line ${line}: unterminated heredoc ${name}`);
          const own = isIndented ? (lines[i] as string).replace(/^\t+/, "") : (lines[i] as string);
          if (own === name) break;
          body.push(`${own}\n`);
        }
        instruction.heredocs.push({ name, text: body.join(""), expands: quote === "" });
      }
    instructions.push(instruction);
  }
  if (instructions.length === 0) throw new DockerfileError("the Dockerfile is empty");
  return instructions;
}

const isBlank = (line: string) => /^\s*(#.*)?$/.test(line);

// `# escape=`: one of the directives that may stand before everything else.
function escapeOf(lines: string[]): string {
  for (const line of lines) {
    const [, name, value] = /^#\s*(\w+)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (name === undefined) return "\\";
    if (name.toLowerCase() === "escape") {
      if (value !== "\\" && value !== "`") throw new DockerfileError(`invalid escape ${JSON.stringify(value)}: expected \\ or \``);
      return value;
    }
  }
  return "\\";
}

/** One instruction without heredocs, as `ONBUILD` holds it. Throws {@link DockerfileError}. */
export function parseInstruction(text: string, line: number): Instruction {
  const [, word = "", after = ""] = /^(\S+)\s*([\s\S]*)$/.exec(text) ?? [];
  const name = word.toUpperCase();
  if (!KNOWN.includes(name)) throw new DockerfileError(`line ${line}: unknown instruction: ${word}`);
  const flags: Instruction["flags"] = [];
  let rest = after;
  if (name !== "ENV" && name !== "LABEL" && name !== "ONBUILD")
    for (let found = /^--([a-z][\w-]*)(?:=(\S*))?(?:\s+|$)/.exec(rest); found; found = /^--([a-z][\w-]*)(?:=(\S*))?(?:\s+|$)/.exec(rest)) {
      flags.push({ name: found[1] as string, value: found[2] ?? "" });
      rest = rest.slice(found[0].length);
    }
  if (rest === "" && name !== "CMD" && name !== "ENTRYPOINT") throw new DockerfileError(`line ${line}: ${name} requires at least one argument`);
  return { name, flags, rest, heredocs: [], line };
}

const heredocsOf = (text: string) =>
  [...text.matchAll(/(?:^|\s)<<(-?)(["']?)([A-Za-z_]\w*)\2(?=\s|$)/g)].map(([, dash, quote = "", name = ""]) => ({
    name,
    quote,
    isIndented: dash === "-",
  }));

/** A list in JSON, as `CMD ["a", "b"]` has it; undefined for anything else. */
export function jsonList(text: string): string[] | undefined {
  if (!text.startsWith("[")) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) && value.every((v) => typeof v === "string") ? value : undefined;
  } catch {
    return undefined;
  }
}

/** The value of a variable; undefined where there is none. */
export type Lookup = (name: string) => string | undefined;

/** Splits a text into words as docker does: variables, quotes and backslashes mean what they mean to a shell. Throws {@link DockerfileError}. */
export function shellWords(text: string, lookup: Lookup): string[] {
  const words: string[] = [];
  const lexer = new Lexer(text, lookup);
  for (let word = lexer.word(true); word !== undefined; word = lexer.word(true)) words.push(word);
  return words;
}

/** The same as one word, white space kept. */
export const shellWord = (text: string, lookup: Lookup): string => new Lexer(text, lookup).word(false) ?? "";

/** Only variables, in the text of a heredoc. */
export const expandText = (text: string, lookup: Lookup): string => new Lexer(text, lookup).variablesOnly();

// Those of shells that are no names (`$$`, `$1`) are variables, too, which nobody sets.
const NAME = /[\p{L}_][\p{L}\p{N}_]*|\d+|[@*#?$!-]/u.source;
const PLAIN = new RegExp(`^\\$(${NAME})`, "u");
const BRACED = new RegExp(`^(${NAME})(?:(:?[-+?]|##?|%%?|//?)(.*))?$`, "su");

class Lexer {
  #at = 0;
  readonly #text: string;
  readonly #lookup: Lookup;

  constructor(text: string, lookup: Lookup) {
    this.#text = text;
    this.#lookup = lookup;
  }

  word(splits: boolean): string | undefined {
    const text = this.#text;
    if (splits) while (/\s/.test(text[this.#at] ?? "")) this.#at++;
    if (this.#at >= text.length) return undefined;
    let out = "";
    while (this.#at < text.length) {
      const c = text[this.#at] as string;
      if (splits && /\s/.test(c)) break;
      if (c === "'") {
        const end = text.indexOf("'", this.#at + 1);
        if (end < 0) throw new DockerfileError(`unexpected end of statement while looking for matching single-quote in ${text}`);
        out += text.slice(this.#at + 1, end);
        this.#at = end + 1;
      } else if (c === '"') out += this.#quoted();
      else if (c === "\\") {
        out += text[this.#at + 1] ?? "";
        this.#at += 2;
      } else if (c === "$") out += this.#variable();
      else {
        out += c;
        this.#at++;
      }
    }
    return out;
  }

  variablesOnly(): string {
    let out = "";
    while (this.#at < this.#text.length) {
      const c = this.#text[this.#at] as string;
      if (c === "\\" && this.#text[this.#at + 1] === "$") {
        out += "$";
        this.#at += 2;
      } else if (c === "$") out += this.#variable();
      else {
        out += c;
        this.#at++;
      }
    }
    return out;
  }

  #quoted(): string {
    let out = "";
    for (this.#at++; ; ) {
      const c = this.#text[this.#at];
      if (c === undefined) throw new DockerfileError(`unexpected end of statement while looking for matching double-quote in ${this.#text}`);
      if (c === '"') {
        this.#at++;
        return out;
      }
      if (c === "\\" && /["$\\]/.test(this.#text[this.#at + 1] ?? "")) {
        out += this.#text[this.#at + 1];
        this.#at += 2;
      } else if (c === "$") out += this.#variable();
      else {
        out += c;
        this.#at++;
      }
    }
  }

  // `$NAME`, `${NAME}`, `${NAME:-word}`, `${NAME:+word}`, both without the colon, `${NAME#pattern}` and its like.
  #variable(): string {
    const rest = this.#text.slice(this.#at);
    const [plain, name] = PLAIN.exec(rest) ?? [];
    if (plain !== undefined && name !== undefined) {
      this.#at += plain.length;
      return this.#lookup(name) ?? "";
    }
    if (!rest.startsWith("${")) {
      this.#at++;
      return "$";
    }
    const end = closing(rest);
    const [, braced = "", operator = "", word = ""] = BRACED.exec(rest.slice(2, end)) ?? [];
    if (end < 0 || braced === "") throw new DockerfileError(`unsupported modifier or bad substitution in ${this.#text}`);
    this.#at += end + 1;
    const value = this.#lookup(braced);
    const isSet = value !== undefined && !(operator.startsWith(":") && value === "");
    if (operator.endsWith("-")) return isSet ? (value ?? "") : shellWord(word, this.#lookup);
    if (operator.endsWith("+")) return isSet ? shellWord(word, this.#lookup) : "";
    if (/[#%]/.test(operator)) return trim(value ?? "", operator, expandText(word, this.#lookup));
    if (operator.startsWith("/")) return replace(value ?? "", operator, expandText(word, this.#lookup));
    if (operator.endsWith("?") && !isSet) throw new DockerfileError(`${braced}: ${word || "not set"}`);
    return value ?? "";
  }
}

// Of `${…}`, which may hold others.
function closing(text: string): number {
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    if (text.startsWith("${", i)) depth++;
    else if (text[i] === "}" && --depth === 0) return i;
  }
  return -1;
}
