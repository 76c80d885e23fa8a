/** Paths as node:path has them for POSIX. Loading that takes every process a third of a millisecond. */

export const isAbsolute = (path: string): boolean => path.startsWith("/");

/** Without `.`, `..` and doubled slashes, as far as that needs no look at the disk. A slash at the end stays. */
export function normalize(path: string): string {
  if (path === "") return ".";
  const absolute = isAbsolute(path);
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") parts.push(part);
    else if (parts.length > 0 && parts.at(-1) !== "..") parts.pop();
    else if (!absolute) parts.push("..");
  }
  const text = parts.join("/");
  if (text === "") return absolute ? "/" : path.endsWith("/") ? "./" : ".";
  return `${absolute ? "/" : ""}${text}${path.endsWith("/") ? "/" : ""}`;
}

export const join = (...parts: string[]): string => normalize(parts.filter((part) => part !== "").join("/"));

/** An absolute path, from the working folder where none of them is one. No slash at its end. */
export function resolve(...parts: string[]): string {
  let path = "";
  for (let i = parts.length - 1; i >= 0 && !isAbsolute(path); i--) if (parts[i] !== "") path = `${parts[i]}/${path}`;
  const text = normalize(isAbsolute(path) ? path : `${process.cwd()}/${path}`);
  return text.length > 1 && text.endsWith("/") ? text.slice(0, -1) : text;
}

const withoutSlashes = (path: string): string => {
  let end = path.length;
  while (end > 1 && path[end - 1] === "/") end--;
  return path.slice(0, end);
};

export function dirname(path: string): string {
  const text = withoutSlashes(path);
  const slash = text.lastIndexOf("/");
  if (slash < 0) return ".";
  return slash === 0 ? "/" : withoutSlashes(text.slice(0, slash));
}

export function basename(path: string): string {
  const text = withoutSlashes(path);
  return text === "/" ? "" : text.slice(text.lastIndexOf("/") + 1);
}
