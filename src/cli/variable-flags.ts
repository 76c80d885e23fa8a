/** Variables and labels, from flags and from files. */
import { readFileSync } from "../../ffi/files.ts";
import { reasonOf } from "../../ffi/libc.ts";
import { UsageError } from "./errors.ts";
import { parsePair } from "./values.ts";

/** `NAME=VALUE`, or `NAME` with the value it has here; nothing where it has none. */
export function parseVariable(text: string): string | undefined {
  const [name] = parsePair(text, "an environment variable");
  if (text.includes("=")) return text;
  const value = process.env[name];
  return value === undefined ? undefined : `${name}=${value}`;
}

/** Variables of files, then those of `-e`. */
export function environment(files: string[], own: (string | undefined)[]): string[] {
  const fromFiles = files.flatMap((file) =>
    readLines(file).map((line) => {
      const [name] = parsePair(line, "an environment variable");
      if (/\s/.test(name)) throw new UsageError(`poorly formatted environment: variable '${name}' contains whitespaces (in ${file})`);
      return parseVariable(line);
    }),
  );
  return [...fromFiles, ...own].filter((variable) => variable !== undefined);
}

/** Lines of a file of variables or labels, without empty ones and comments. */
export function readLines(path: string): string[] {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new UsageError(`open ${path}: ${reasonOf(error)}`);
  }
  return text
    .replace(/^\ufeff/, "")
    .split(/\r?\n/)
    .map((line) => line.trimStart())
    .filter((line) => line !== "" && !line.startsWith("#"));
}
