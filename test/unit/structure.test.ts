/** The rules about who may import whom: see docs/architecture.md. */
import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";

const ROOT = join(import.meta.dir, "../..");

/** For each part of the house, the parts it may use besides itself. */
const MAY_IMPORT: Record<string, string[]> = {
  ffi: [],
  "src/runtime": ["ffi"],
  "src/store": ["ffi"],
  "src/network": ["ffi", "src/store"],
  "src/image": ["ffi", "src/store"],
  "src/monitor": ["ffi", "src/runtime", "src/store", "src/network"],
  "src/engine": ["ffi", "src/runtime", "src/store", "src/network", "src/image", "src/monitor"],
  "src/vm": ["ffi", "src/network"],
  "src/cli": ["ffi", "src/vm", "src/engine", "src/store", "src/image", "src/network", "src/monitor", "src/runtime"],
  "src/snapshot": ["ffi", "src/runtime", "src/store", "src/image", "src/monitor", "src/engine", "src/cli"],
  "src/main.ts": ["ffi", "src/vm", "src/runtime", "src/monitor", "src/store", "src/cli", "src/snapshot"],
};

const sources = ["src", "ffi"].flatMap((folder) =>
  readdirSync(join(ROOT, folder), { recursive: true })
    .map((name) => join(folder, String(name)))
    .filter((path) => path.endsWith(".ts") && !path.endsWith(".d.ts")),
);
const partOf = (path: string) => Object.keys(MAY_IMPORT).find((part) => path === part || path.startsWith(`${part}/`));

function importsOf(path: string): string[] {
  const text = readFileSync(join(ROOT, path), "utf8");
  return [...text.matchAll(/(?:from|import|require)\s*\(?\s*"([^"]+)"/g)].map((match) => match[1] as string);
}

test("imports run one way", () => {
  const wrong = sources.flatMap((path) => {
    const part = partOf(path);
    if (!part) return [`${path} belongs to no part of the house`];
    return importsOf(path)
      .filter((name) => name.startsWith("."))
      .map((name) => relative(ROOT, resolve(ROOT, path, "..", name)))
      .filter((target) => {
        const other = partOf(target);
        return other !== undefined && other !== part && !MAY_IMPORT[part]?.includes(other);
      })
      .map((target) => `${path} must not import ${target}`);
  });
  expect(wrong).toEqual([]);
});

test("only ffi/ speaks to bun:ffi", () => {
  expect(sources.filter((path) => !path.startsWith("ffi/") && importsOf(path).includes("bun:ffi"))).toEqual([]);
});
