/** What shells make of a variable's value, `${NAME#pattern}` and its like; in Dockerfiles, too. */

function toRegExp(pattern: string, repeat: "*" | "*?"): string {
  return pattern.replace(/\\(.)|[^\\]|\\$/gs, (c, escaped) => (c === "*" ? `.${repeat}` : c === "?" ? "." : RegExp.escape(escaped ?? c)));
}

/**
 * A value without a beginning (`#`) or an end (`%`) that fits a pattern: the shortest, or the longest (`##`, `%%`).
 *
 * @param pattern with `*`, `?` and `\`
 */
export function trim(value: string, operator: string, pattern: string): string {
  if (operator.startsWith("#")) return value.replace(new RegExp(`^${toRegExp(pattern, operator === "##" ? "*" : "*?")}`, "s"), "");
  const end = new RegExp(`^${toRegExp(pattern, "*")}$`, "s");
  const starts = Array.from({ length: value.length + 1 }, (_, i) => i);
  const start = (operator === "%%" ? starts : starts.reverse()).find((i) => end.test(value.slice(i)));
  return value.slice(0, start);
}

/**
 * A value with the first part that fits (`/`), or each (`//`), replaced.
 *
 * @param word `PATTERN/REPLACEMENT`; a slash in the pattern has a backslash before it
 */
export function replace(value: string, operator: string, word: string): string {
  const [, pattern = "", replacement = ""] = /^((?:\\.|[^\\/])*)(?:\/(.*))?$/s.exec(word) ?? [];
  if (pattern === "") return value;
  return value.replace(new RegExp(toRegExp(pattern, "*"), operator === "//" ? "gs" : "s"), () => replacement);
}
