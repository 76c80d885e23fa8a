/** Go's text/template, the language of `--format`: parsing. Evaluation is in evaluate.ts. */

/** A template that cannot be parsed or executed; the message is Go's. */
export class TemplateError extends Error {
  override name = "TemplateError";
}

export type Expression =
  | { kind: "literal"; value: string | number | boolean | null }
  /** `.A.B`, `$x.A`, `(…).A`: where the chain begins, then the fields. */
  | { kind: "chain"; base: "dot" | { variable: string } | Pipeline; fields: string[]; text: string }
  | { kind: "function"; name: string };
export interface CommandCall {
  operands: Expression[];
  text: string;
}
export interface Pipeline {
  kind: "pipeline";
  declare: string[];
  /** `=` instead of `:=`. */
  assign: boolean;
  commands: CommandCall[];
}
export type Node =
  | { kind: "text"; text: string }
  | { kind: "action"; pipeline: Pipeline }
  | { kind: "if" | "with" | "range"; pipeline: Pipeline; body: Node[]; otherwise: Node[] }
  | { kind: "break" | "continue" }
  /** One that was defined by `define` or `block`, anywhere. */
  | { kind: "template"; name: string; pipeline: Pipeline | undefined; definitions: ReadonlyMap<string, Node[]> };

interface Token {
  type: "word" | "field" | "variable" | "string" | "number" | "punctuation" | "space";
  text: string;
}

const fail = (message: string): never => {
  throw new TemplateError(`template parsing error: template: :1: ${message}`);
};

const isSpace = (c: string) => c === " " || c === "\t" || c === "\n" || c === "\r";
const isDigit = (c: string) => c >= "0" && c <= "9";
const isName = (c: string) => (c >= "a" && c <= "z") || (c >= "A" && c <= "Z") || c === "_" || isDigit(c);

// By hand: compiling the expression that would do it takes longer than all templates there are.
function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  const take = (type: Token["type"], from: number, end: number) => {
    tokens.push({ type, text: text.slice(from, end) });
    return end;
  };
  const end = (from: number, test: (c: string) => boolean) => {
    let at = from;
    while (at < text.length && test(text[at] as string)) at++;
    return at;
  };
  for (let at = 0; at < text.length; ) {
    const c = text[at] as string;
    const next = text[at + 1] ?? "";
    if (isSpace(c)) at = take("space", at, end(at, isSpace));
    else if (c === '"' || c === "`" || c === "'") at = take("string", at, endOfString(text, at));
    else if (isDigit(c) || ((c === "-" || c === "+") && isDigit(next))) at = take("number", at, endOfNumber(text, at));
    else if (c === "$") at = take("variable", at, end(at + 1, isName));
    else if (c === "." && isName(next) && !isDigit(next)) at = take("field", at, end(at + 1, isName));
    else if (isName(c)) at = take("word", at, end(at, isName));
    else if (c === ":" && next === "=") at = take("punctuation", at, at + 2);
    else if (".()|,=".includes(c)) at = take("punctuation", at, at + 1);
    else return fail(`unexpected ${JSON.stringify(c)} in command`);
  }
  return tokens;
}

function endOfString(text: string, from: number): number {
  const quote = text[from];
  for (let at = from + 1; at < text.length; at++) {
    if (text[at] === quote && !(quote === "'" && at === from + 1)) return at + 1;
    if (quote !== "`" && text[at] === "\\") at++;
    else if (quote === '"' && text[at] === "\n") break;
  }
  return fail(`unexpected ${JSON.stringify(quote)} in command`);
}

function endOfNumber(text: string, from: number): number {
  const [number = ""] = /^[+-]?(?:0[xX][0-9a-fA-F]+|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)/.exec(text.slice(from)) ?? [];
  return from + number.length;
}

/** Reads a template. Throws {@link TemplateError}. */
export function parseTemplate(source: string): Node[] {
  const pieces: ({ text: string } | { action: string })[] = [];
  let rest = source;
  for (;;) {
    const open = rest.indexOf("{{");
    if (open < 0) break;
    let text = rest.slice(0, open);
    rest = rest.slice(open + 2);
    if (rest[0] === "-" && isSpace(rest[1] ?? "")) {
      text = text.trimEnd();
      rest = rest.slice(1);
    }
    const close = endOfAction(rest);
    let action = rest.slice(0, close);
    rest = rest.slice(close + 2);
    if (action.endsWith("-") && isSpace(action.at(-2) ?? "")) {
      action = action.slice(0, -1);
      rest = rest.trimStart();
    }
    if (text !== "") pieces.push({ text });
    action = action.trim();
    if (!(action.startsWith("/*") && action.endsWith("*/"))) pieces.push({ action });
  }
  if (rest !== "") pieces.push({ text: rest });
  return new Parser(pieces).parse();
}

function endOfAction(text: string): number {
  for (let at = 0; at < text.length; at++) {
    const c = text[at];
    if (c === '"' || c === "`") {
      for (at++; at < text.length && text[at] !== c; at++) if (c === '"' && text[at] === "\\") at++;
    } else if (text.startsWith("}}", at)) return at;
  }
  return fail("unclosed action");
}

class Parser {
  readonly #pieces: ({ text: string } | { action: string })[];
  readonly #definitions = new Map<string, Node[]>();
  #at = 0;

  constructor(pieces: ({ text: string } | { action: string })[]) {
    this.#pieces = pieces;
  }

  parse(): Node[] {
    const { nodes, end } = this.#list();
    if (end !== undefined) fail(`unexpected {{${end}}}`);
    return nodes;
  }

  // Up to an `end` or `else` that belongs to whoever asked.
  #list(): { nodes: Node[]; end: string | undefined } {
    const nodes: Node[] = [];
    for (let piece = this.#pieces[this.#at++]; piece; piece = this.#pieces[this.#at++]) {
      if ("text" in piece) {
        nodes.push({ kind: "text", text: piece.text });
        continue;
      }
      const { action } = piece;
      const [keyword, rest] = splitKeyword(action);
      if (keyword === "end" || keyword === "else") return { nodes, end: action };
      if (keyword === "if" || keyword === "with" || keyword === "range") nodes.push(this.#control(keyword, rest));
      else if (keyword === "break" || keyword === "continue") nodes.push({ kind: keyword });
      else if (keyword === "define") this.#define(rest);
      else if (keyword === "template" || keyword === "block") nodes.push(this.#template(keyword, rest));
      else nodes.push({ kind: "action", pipeline: parsePipeline(action) });
    }
    return { nodes, end: undefined };
  }

  // Gives what follows the name.
  #define(text: string): { name: string; rest: string } {
    const { name, rest } = splitName(text);
    const body = this.#list();
    if (body.end !== "end") fail("unexpected EOF");
    this.#definitions.set(name, body.nodes);
    return { name, rest };
  }

  #template(kind: "template" | "block", text: string): Node {
    const { name, rest } = kind === "block" ? this.#define(text) : splitName(text);
    return { kind: "template", name, pipeline: rest === "" ? undefined : parsePipeline(rest), definitions: this.#definitions };
  }

  #control(kind: "if" | "with" | "range", text: string): Node {
    if (text === "") fail(`missing value for ${kind}`);
    const pipeline = parsePipeline(text);
    const body = this.#list();
    let otherwise: Node[] = [];
    const [, chained] = /^else\s+((?:if|with)\b[\s\S]*)$/.exec(body.end ?? "") ?? [];
    if (chained !== undefined) {
      const [, inner = "", rest = ""] = /^(if|with)\s*([\s\S]*)$/.exec(chained) ?? [];
      otherwise = [this.#control(inner as "if" | "with", rest)];
    } else if (body.end === "else") {
      const second = this.#list();
      otherwise = second.nodes;
      if (second.end !== "end") fail("unexpected EOF");
    } else if (body.end !== "end") fail("unexpected EOF");
    return { kind, pipeline, body: body.nodes, otherwise };
  }
}

const KEYWORDS = ["if", "with", "range", "else", "end", "break", "continue", "define", "template", "block"];

// A quoted name, and what comes after it.
function splitName(text: string): { name: string; rest: string } {
  const [, quoted, rest = ""] = /^("(?:[^"\\]|\\.)*"|`[^`]*`)\s*([\s\S]*)$/.exec(text) ?? [];
  return { name: String(unquote(quoted ?? fail(`unexpected ${JSON.stringify(text)} in template clause`))), rest };
}

function splitKeyword(action: string): [keyword: string, rest: string] {
  let at = 0;
  while (at < action.length && isName(action[at] as string)) at++;
  const word = action.slice(0, at);
  return KEYWORDS.includes(word) ? [word, action.slice(at).trimStart()] : ["", action];
}

function parsePipeline(text: string): Pipeline {
  const reader = new TokenReader(tokenize(text));
  const pipeline = reader.pipeline();
  const left = reader.peek();
  if (left) fail(`unexpected ${JSON.stringify(left.text)} in operand`);
  return pipeline;
}

class TokenReader {
  readonly #tokens: Token[];
  #at = 0;

  constructor(tokens: Token[]) {
    this.#tokens = tokens;
  }

  peek(): Token | undefined {
    return this.#tokens[this.#at];
  }

  #skipSpace(): void {
    while (this.peek()?.type === "space") this.#at++;
  }

  #is(text: string): boolean {
    return this.peek()?.type === "punctuation" && this.peek()?.text === text;
  }

  pipeline(): Pipeline {
    const { declare, assign } = this.#declaration();
    const commands: CommandCall[] = [];
    do {
      if (commands.length > 0) this.#at++; // the bar
      commands.push(this.#command());
    } while (this.#is("|"));
    return { kind: "pipeline", declare, assign, commands };
  }

  // `$x :=`, `$i, $x :=`, `$x =`
  #declaration(): { declare: string[]; assign: boolean } {
    const start = this.#at;
    const declare: string[] = [];
    for (;;) {
      this.#skipSpace();
      const token = this.peek();
      if (token?.type !== "variable") break;
      declare.push(token.text);
      this.#at++;
      this.#skipSpace();
      if (this.#is(":=") || this.#is("=")) {
        const assign = this.#is("=");
        this.#at++;
        return { declare, assign };
      }
      if (!this.#is(",")) break;
      this.#at++;
    }
    this.#at = start;
    return { declare: [], assign: false };
  }

  #command(): CommandCall {
    const operands: Expression[] = [];
    const start = this.#at;
    for (;;) {
      this.#skipSpace();
      const token = this.peek();
      if (!token || this.#is("|") || this.#is(")")) break;
      operands.push(this.#operand());
    }
    if (operands.length === 0) fail("missing value for command");
    const text = this.#tokens
      .slice(start, this.#at)
      .map((t) => t.text)
      .join("")
      .trim();
    return { operands, text };
  }

  #operand(): Expression {
    const token = this.#tokens[this.#at++] as Token;
    switch (token.type) {
      case "string":
        return { kind: "literal", value: unquote(token.text) };
      case "number":
        return { kind: "literal", value: Number(token.text) };
      case "word":
        if (token.text === "true" || token.text === "false") return { kind: "literal", value: token.text === "true" };
        if (token.text === "nil") return { kind: "literal", value: null };
        return { kind: "function", name: token.text };
      case "variable":
        return this.#chain({ variable: token.text }, [], token.text);
      case "field":
        return this.#chain("dot", [token.text.slice(1)], token.text);
      default:
        if (token.text === ".") return this.#chain("dot", [], ".");
        if (token.text === "(") {
          const inner = this.pipeline();
          if (!this.#is(")")) fail("unclosed left paren");
          this.#at++;
          return this.#chain(inner, [], "(...)");
        }
        return fail(`unexpected ${JSON.stringify(token.text)} in operand`);
    }
  }

  #chain(base: "dot" | { variable: string } | Pipeline, fields: string[], text: string): Expression {
    let whole = text;
    for (let next = this.peek(); next?.type === "field"; next = this.peek()) {
      fields.push(next.text.slice(1));
      whole += next.text;
      this.#at++;
    }
    return { kind: "chain", base, fields, text: whole };
  }
}

function unquote(text: string): string | number {
  if (text.startsWith("`")) return text.slice(1, -1);
  const escapes: Record<string, string> = { n: "\n", t: "\t", r: "\r", a: "\x07", b: "\b", f: "\f", v: "\v" };
  const value = text.slice(1, -1).replace(/\\(u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|.)/g, (_, code: string) => {
    if (code.length > 1) return String.fromCharCode(Number.parseInt(code.slice(1), 16));
    return escapes[code] ?? code;
  });
  return text.startsWith("'") ? (value.codePointAt(0) ?? 0) : value;
}
