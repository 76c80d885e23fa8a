/** The reference in docs/ is what commands say of themselves now. */
import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pages } from "../../docs/reference.ts";

const FOLDER = join(import.meta.dir, "../../docs/reference");

test("docs/reference is current (else: npm run docs)", async () => {
  const there = Object.fromEntries(readdirSync(FOLDER).map((name) => [name, readFileSync(join(FOLDER, name), "utf8")]));
  expect(there).toEqual(await pages());
});
