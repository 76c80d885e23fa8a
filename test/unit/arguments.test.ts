import { describe, expect, test } from "bun:test";
import { flagValues, parseArguments } from "../../src/cli/arguments.ts";
import type { Flags } from "../../src/cli/command.ts";
import { suggest } from "../../src/cli/suggest.ts";

const FLAGS: Flags = {
  interactive: { short: "i", type: "boolean", help: "" },
  tty: { short: "t", type: "boolean", help: "" },
  proxy: { type: "boolean", on: true, help: "" },
  env: { short: "e", type: "list", help: "" },
  publish: { short: "p", type: "list", help: "" },
  name: { type: "string", help: "" },
};
const parse = (...argv: string[]) => {
  const { flags, args } = parseArguments(FLAGS, argv, true);
  return { ...flagValues(FLAGS, flags), args } as Record<string, unknown>;
};

describe("parseArguments", () => {
  test("every way to write a flag", () => {
    expect(parse("-it", "-p80:80", "-eA=B", "-e", "C=D", "--name=n", "--proxy=false", "image")).toEqual({
      interactive: true,
      tty: true,
      proxy: false,
      publish: ["80:80"],
      env: ["A=B", "C=D"],
      name: "n",
      args: ["image"],
    });
    expect(parse("-tie", "X=-1", "--name", "--odd")).toMatchObject({ tty: true, interactive: true, env: ["X=-1"], name: "--odd" });
    expect(parse("-i=false", "-t=1")).toMatchObject({ interactive: false, tty: true });
  });

  test("values stay the text they are", () => {
    expect(parse("--name", "007", "-e", "1e3", "-e", "", "--name=")).toMatchObject({ env: ["1e3", ""], name: "" });
  });

  test("flags end at the first argument, or at --", () => {
    expect(parse("image", "-i", "--name", "x").args).toEqual(["image", "-i", "--name", "x"]);
    expect(parse("-i", "--", "-t", "--").args).toEqual(["-t", "--"]);
    expect(parseArguments(FLAGS, ["a", "-i", "b", "--", "-t"], false)).toEqual({
      flags: [{ name: "interactive", value: true }],
      args: ["a", "b", "-t"],
    });
    expect(parse("-").args).toEqual(["-"]);
  });

  test("what is wrong is named", () => {
    expect(() => parse("--nmae", "x")).toThrow("unknown flag: --nmae, did you mean --name?");
    expect(() => parse("-ix")).toThrow("unknown shorthand flag: 'x' in -ix");
    expect(() => parse("--name")).toThrow("flag needs an argument: --name");
    expect(() => parse("-ie")).toThrow("flag needs an argument: 'e' in -ie");
    expect(() => parse("--tty=perhaps")).toThrow('invalid argument "perhaps" for "--tty" flag');
  });
});

test("suggest finds what is near and nothing that is not", () => {
  expect(suggest("rnu", ["run", "rm"])).toBe("run");
  expect(suggest("detatch", ["detach", "device"])).toBe("detach");
  expect(suggest("mem", ["memory", "name"])).toBe("memory");
  expect(suggest("zzz", ["run", "rm"])).toBeUndefined();
});
