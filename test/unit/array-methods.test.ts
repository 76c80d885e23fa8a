import { afterAll, expect, test } from "bun:test";

const NAMES = ["map", "filter", "some", "every", "forEach", "find", "findLast", "at", "flatMap"] as const;
type Method = (...args: unknown[]) => unknown;
const methods = Array.prototype as unknown as Record<string, Method>;
const theirs = Object.fromEntries(NAMES.map((name) => [name, methods[name] as Method]));
await import("../../ffi/array-methods.ts");
const ours = Object.fromEntries(NAMES.map((name) => [name, methods[name] as Method]));
afterAll(() => void Object.assign(Array.prototype, theirs));

const LISTS: ArrayLike<unknown>[] = [
  [],
  [1],
  [3, 1, 2, 0, Number.NaN],
  ["a", undefined, null, ""],
  [[1, 2], [], [[3]], "no list"],
  // biome-ignore lint/suspicious/noSparseArray: holes are what is tried
  [, 1, , 2],
  // biome-ignore lint/suspicious/noSparseArray: holes are what is tried
  [[, 5], , [6]],
  { length: 3, 0: "x", 2: "z" },
  new Array(4),
];

// What a callback is called with, and what comes of it.
function observe(method: Method, list: ArrayLike<unknown>, answer: (value: unknown, index: number) => unknown): unknown {
  const calls: unknown[] = [];
  const self = { me: true };
  const callback = function (this: unknown, value: unknown, index: number, whole: unknown) {
    calls.push([value, index, whole === list, this === self]);
    return answer(value, index);
  };
  return { result: method.call(list, callback, self), calls };
}

test("methods that are called back do what JavaScriptCore's own do", () => {
  const answers = [
    (value: unknown) => value,
    () => true,
    () => false,
    (_: unknown, index: number) => index === 1,
    (value: unknown) => [value, [value]],
  ];
  for (const name of NAMES) {
    expect(ours[name]).not.toBe(theirs[name] as Method);
    if (name === "at") continue;
    for (const list of LISTS)
      for (const answer of answers) expect(observe(ours[name] as Method, list, answer)).toEqual(observe(theirs[name] as Method, list, answer));
  }
});

test("holes stay holes", () => {
  // biome-ignore lint/suspicious/noSparseArray: holes are what is tried
  const mapped = (ours.map as Method).call([1, , 3], (value: unknown) => value) as unknown[];
  expect([mapped.length, 1 in mapped]).toEqual([3, false]);
});

test("a list that grows or shrinks meanwhile", () => {
  for (const change of [(list: number[]) => void list.push(9), (list: number[]) => void list.pop()])
    for (const name of ["map", "filter", "forEach", "flatMap"] as const) {
      const run = (method: Method) => {
        const list = [1, 2, 3];
        const seen: number[] = [];
        const result = method.call(list, (value: number) => {
          seen.push(value);
          change(list);
          return value;
        });
        return { result, seen };
      };
      expect(run(ours[name] as Method)).toEqual(run(theirs[name] as Method));
    }
});

test("at", () => {
  for (const index of [0, 1, -1, 2.9, -2.9, 5, -5, Number.NaN, undefined, "1"])
    expect((ours.at as Method).call(["a", "b"], index)).toBe((theirs.at as Method).call(["a", "b"], index));
});

test("they are enumerable no more than before", () => {
  const found: string[] = [];
  for (const key in [1]) found.push(key);
  expect(found).toEqual(["0"]);
});
