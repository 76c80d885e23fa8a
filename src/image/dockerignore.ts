/** What of a build context is left out: `.dockerignore`, whose patterns are Go's filepath.Match with `**`. */

interface Rule {
  pattern: RegExp;
  isException: boolean;
}

/** Whether a path, relative to the context, is left out. */
export class IgnoreFile {
  readonly #rules: Rule[];

  constructor(text: string) {
    this.#rules = text.split("\n").flatMap((line): Rule[] => {
      const trimmed = line.trim();
      if (trimmed === "" || trimmed.startsWith("#")) return [];
      const isException = trimmed.startsWith("!");
      const clean = (isException ? trimmed.slice(1) : trimmed)
        .trim()
        .replace(/^\/+|\/+$/g, "")
        .replace(/^(\.\/)+/, "");
      return clean === "" || clean === "." ? [] : [{ pattern: toRegExp(clean), isException }];
    });
  }

  /** The last rule that fits a path or a folder above it counts. */
  ignores(path: string): boolean {
    const parts = path.split("/");
    const paths = parts.map((_, i) => parts.slice(0, i + 1).join("/"));
    let isIgnored = false;
    for (const { pattern, isException } of this.#rules) if (paths.some((above) => pattern.test(above))) isIgnored = !isException;
    return isIgnored;
  }

  /** Whether something below an ignored folder may be wanted all the same. */
  get hasExceptions(): boolean {
    return this.#rules.some(({ isException }) => isException);
  }
}

/** Of a pattern with `*`, `?`, `[…]`, `\` and `**`. */
export function toRegExp(pattern: string): RegExp {
  let out = "";
  for (let i = 0; i < pattern.length; i++) {
    const c = pattern[i] as string;
    if (pattern.startsWith("**/", i)) {
      out += "(?:.*/)?";
      i += 2;
    } else if (pattern.startsWith("**", i)) {
      out += ".*";
      i++;
    } else if (c === "*") out += "[^/]*";
    else if (c === "?") out += "[^/]";
    else if (c === "[" && pattern.indexOf("]", i) > i) {
      const end = pattern.indexOf("]", i);
      out += `[${pattern.slice(i + 1, end).replace(/\\(?!-)/g, "\\\\")}]`;
      i = end;
    } else if (c === "\\" && i + 1 < pattern.length) out += RegExp.escape(pattern[++i] as string);
    else out += RegExp.escape(c);
  }
  return new RegExp(`^${out}$`, "s");
}
